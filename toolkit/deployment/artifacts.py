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
        paths: the rendered files.
    """

    staged: dict[str, StagedModel]
    packages: dict[str, packaging.Package]
    paths: list[Path]


def write(context: Context) -> Artifacts:
    """Build the Lambda packages and render all variables; uploads nothing.

    Raises:
        InputError: weights that the environment file names do not exist.
    """
    packages = packaging.build(context.project, context.console)
    by_name = {package.path.name: package for package in (packages.gateway, packages.authorizer)}
    return render(context, by_name)


def render(
    context: Context,
    packages: Mapping[str, packaging.Package],
) -> Artifacts:
    """Render all variables for existing Lambda packages.

    Args:
        context: the environment.
        packages: the gateway's package and the authorizer's, in this order, by file name.

    Raises:
        InputError: weights that the environment file names do not exist.
    """
    staged = staging.locate(context.project, context.environment)
    gateway, authorizer = (package_path(context, package) for package in packages.values())
    inputs = rendering.RenderInputs(
        model_data_s3_uris={name: model.uri for name, model in staged.items()},
        gateway_package=gateway,
        authorizer_package=authorizer,
        neighbours=context.neighbours,
        documents=context.policy_documents,
    )
    return Artifacts(
        staged, dict(packages), rendering.render(context.environment, inputs, context.build).paths
    )


def render_account(context: Context) -> None:
    """Render the variables of the account stack alone."""
    rendering.render_account(context.environment, context.build, context.neighbours, context.policy_documents)


def package_path(context: Context, package: packaging.Package) -> str:
    """A package's path as Terraform takes it: relative to the inference stack."""
    return relpath(package.path, context.project.stack("inference"))
