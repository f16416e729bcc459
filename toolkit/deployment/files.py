"""The files that Terraform is given: variables, backend settings, Lambda packages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from os.path import relpath
from pathlib import Path

from toolkit import iam, packaging, rendering, staging
from toolkit.console import Console
from toolkit.environment import Environment, neighbours
from toolkit.project import Project
from toolkit.staging import StagedModel


@dataclass(frozen=True)
class Files:
    """What was written for one environment.

    Attributes:
        staged: the weights that the variables refer to.
        packages: the Lambda packages that the variables refer to, by file name.
        written: the rendered files.
    """

    staged: dict[str, StagedModel]
    packages: dict[str, packaging.Package]
    written: list[Path]


def write(
    project: Project,
    environment: Environment,
    console: Console,
    instance_counts: Mapping[str, Mapping[str, int]] | None = None,
) -> Files:
    """Build the Lambda packages and render everything for `environment`; uploads nothing.

    Args:
        project: the checkout.
        environment: the environment.
        console: the user.
        instance_counts: how many instances serve now, by model and variant.

    Raises:
        InputError: weights that the environment file names are not there.
    """
    packages = packaging.build(project, console)
    by_name = {package.path.name: package for package in (packages.gateway, packages.authorizer)}
    return render(project, environment, by_name, instance_counts or {})


def render(
    project: Project,
    environment: Environment,
    packages: Mapping[str, packaging.Package],
    instance_counts: Mapping[str, Mapping[str, int]],
) -> Files:
    """Render everything for `environment` with Lambda packages that are there.

    Args:
        project: the checkout.
        environment: the environment.
        packages: the gateway's package and the authorizer's, in this order, by file name.
        instance_counts: how many instances serve now, by model and variant.

    Raises:
        InputError: weights that the environment file names are not there.
    """
    staged = staging.locate(project, environment)
    others = neighbours(project, environment)
    gateway, authorizer = (package_path(project, package) for package in packages.values())
    inputs = rendering.RenderInputs(
        model_data_s3_uris={name: model.uri for name, model in staged.items()},
        gateway_package=gateway,
        authorizer_package=authorizer,
        neighbours=others,
        documents=iam.documents(project, [environment, *others]),
        instance_counts=instance_counts,
    )
    directory = project.environment_build(environment.name)
    return Files(staged, dict(packages), rendering.render(environment, inputs, directory).paths)


def package_path(project: Project, package: packaging.Package) -> str:
    """A package's path as Terraform is told it: relative to the inference stack."""
    return relpath(package.path, project.stack("inference"))
