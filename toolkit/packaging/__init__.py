"""Lambda packages: the same source gives the same zip, byte for byte, on any machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from toolkit.console import Console
from toolkit.environment.api import GuardCode
from toolkit.packaging import guard_code, sources
from toolkit.packaging.dependencies import Dependencies
from toolkit.packaging.package import Package, build_package, package_file, package_name
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
    files: Mapping[str, bytes] | None = None,
    guard: GuardCode | None = None,
) -> Packages:
    """Package the functions in `lambda_src/`, unless the packages are up to date.

    Args:
        project: the checkout.
        console: shows progress.
        files: what `sources.read` returned; read now if None.
        guard: the user's own guard, which becomes a part of the gateway's package.

    Raises:
        PreflightError: pip could not fetch the gateway's dependencies.
        InputError: a function's source is missing, or the guard's is not valid.
    """
    source = project.root / "lambda_src"
    files = sources.read(source) if files is None else files
    target = project.lambda_build
    own = {} if guard is None else guard_code.read(project, guard)
    gateway = Dependencies(source / "gateway" / "requirements.txt")
    return Packages(
        gateway=build_package(source / "gateway", files, target, gateway, console, own),
        authorizer=build_package(source / "authorizer", files, target, None, console),
    )
