"""Lambda packages: the same source gives the same zip, byte for byte, on any machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from toolkit import documents
from toolkit.console import Console
from toolkit.environment import Environment
from toolkit.packaging import guard_code, sources
from toolkit.packaging.dependencies import Dependencies, Platform
from toolkit.packaging.package import Package, build_package, package_file, package_name
from toolkit.processes import is_rehearsal
from toolkit.project import Project

__all__ = ["FUNCTIONS", "Package", "Packages", "build", "package_file", "package_name"]

FUNCTIONS = ("gateway", "authorizer")


@dataclass(frozen=True)
class Packages:
    """The packages of all functions."""

    gateway: Package
    authorizer: Package


def build(
    project: Project,
    console: Console,
    environment: Environment | None = None,
    files: Mapping[str, bytes] | None = None,
) -> Packages:
    """Package the functions in `lambda_src/`, unless the packages are up to date.

    Args:
        project: the checkout.
        console: shows progress.
        environment: its own guard becomes a part of the gateway's package, and callers with JWTs add
            libraries to the authorizer's.
        files: what `sources.read` returned; read now if None.

    Raises:
        PreflightError: pip could not fetch the functions' dependencies.
        InputError: a function's source is missing, or the guard's is not valid.
    """
    source = project.code / "lambda_src"
    files = sources.read(source) if files is None else files
    target = project.lambda_build
    guard = None if environment is None else environment.api.guard_code
    own = {} if guard is None else guard_code.read(project, guard)
    gateway = Dependencies(source / "gateway" / "requirements.txt")
    return Packages(
        gateway=build_package(source / "gateway", files, target, gateway, console, own),
        authorizer=build_package(
            source / "authorizer", files, target, _jwt_dependencies(source, environment), console
        ),
    )


def _jwt_dependencies(source: Path, environment: Environment | None) -> Dependencies | None:
    if environment is None or environment.api.jwt is None:
        return None
    lambda_ = Platform.aws_lambda(environment.api.gateway.architecture)
    # A rehearsal runs the functions here, too.
    runs_here = environment.is_local or is_rehearsal()
    platform = Platform.this_machine() if runs_here else lambda_
    return Dependencies(source / "authorizer" / "requirements.txt", platform)


def reserves_jwt_keys(packages: Mapping[str, Package]) -> bool:
    """Whether the authorizer among packages refuses clients that send the key of callers with a JWT.

    Args:
        packages: by file name. Packages of releases before JWTs do not.
    """
    for name, package in packages.items():
        if name.startswith("authorizer-"):
            with documents.archive(package.path.read_bytes()) as archive:
                return "authorizer/tokens.py" in archive.namelist()
    return True
