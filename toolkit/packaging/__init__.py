"""Lambda packages: the same source gives the same zip, byte for byte, on any machine."""

from __future__ import annotations

from dataclasses import dataclass

from toolkit.console import Console
from toolkit.packaging.dependencies import Dependencies
from toolkit.packaging.package import Package, build_package, package_file
from toolkit.project import Project

__all__ = ["Package", "Packages", "build", "package_file"]


@dataclass(frozen=True)
class Packages:
    """The packages of all functions."""

    gateway: Package
    authorizer: Package


def build(project: Project, console: Console) -> Packages:
    """The packages of the functions in `lambda_src/`, built now unless they are up to date.

    Raises:
        PreflightError: pip could not fetch the gateway's dependencies.
        InputError: a function's source is missing.
    """
    source = project.root / "lambda_src"
    target = project.lambda_build
    gateway = Dependencies(source / "gateway" / "requirements.txt")
    return Packages(
        gateway=build_package(source / "gateway", target, gateway, console),
        authorizer=build_package(source / "authorizer", target, None, console),
    )
