"""The files that Terraform reads: variables, backend settings, Lambda packages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from os.path import relpath
from pathlib import Path

from toolkit import packaging, rendering, staging
from toolkit.deployment.context import Context
from toolkit.staging import StagedModel


@dataclass(frozen=True)
class Artifacts:
    """The files of one environment.

    Attributes:
        staged: the weights that the variables refer to.
        packages: the Lambda packages that the variables refer to, by file name.
        variables: the rendered file.
    """

    staged: dict[str, StagedModel]
    packages: dict[str, packaging.Package]
    variables: Path


def write(context: Context) -> Artifacts:
    """Build the Lambda packages and render the inference stack's variables; uploads nothing.

    Raises:
        InputError: weights that the environment file names do not exist.
    """
    environment = context.environment
    packages = packaging.build(context.project, context.console, environment)
    by_name = {package.path.name: package for package in (packages.gateway, packages.authorizer)}
    return render(context, by_name)


def render(
    context: Context,
    packages: Mapping[str, packaging.Package],
) -> Artifacts:
    """Render the inference stack's variables for existing Lambda packages.

    Args:
        context: the environment.
        packages: the gateway's package and the authorizer's, in this order, by file name.

    Raises:
        InputError: weights that the environment file names do not exist, or do not fit on an instance.
    """
    staged = staging.locate(context.project, context.environment)
    gateway, authorizer = (package_path(context, package) for package in packages.values())
    inputs = rendering.RenderInputs(
        model_data_s3_uris={name: model.uri for name, model in staged.items()},
        gateway_package=gateway,
        authorizer_package=authorizer,
        weights_bytes={
            name: sum(file.size for file in model.origin.files())
            for name, model in staged.items()
            if not model.origin.remote
        },
    )
    variables = rendering.render(context.environment, inputs, context.build)
    return Artifacts(staged, dict(packages), variables)


def write_account(context: Context) -> Path:
    """Render the account stack's variables; returns their file."""
    environments = [context.environment, *context.neighbours]
    return rendering.render_account(environments, context.policy_documents, context.build)


def write_all(context: Context) -> list[Path]:
    """Render variables and backend settings of both stacks; returns the rendered files."""
    variables = {"account": write_account(context), "inference": write(context).variables}
    return [
        file
        for stack, path in variables.items()
        for file in (path, rendering.render_backend(context.environment, stack, context.build))
    ]


def package_path(context: Context, package: packaging.Package) -> str:
    """A package's path as Terraform takes it: relative to the inference stack."""
    return relpath(package.path, context.project.stack("inference"))
