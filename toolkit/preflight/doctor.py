"""A look at the machine: each thing the toolkit needs, and whether it is there."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
from collections.abc import Callable
from dataclasses import dataclass

from toolkit.aws.access import AwsAccess
from toolkit.aws.errors import explain
from toolkit.console import Console
from toolkit.environment import load
from toolkit.errors import ToolkitError
from toolkit.project import Project, cache_dir
from toolkit.terraform import discover


@dataclass(frozen=True)
class Finding:
    """One thing looked at.

    Attributes:
        subject: what.
        ok: whether it is as it should be.
        detail: what was found, or what is wrong and what to do.
    """

    subject: str
    ok: bool
    detail: str


def examine(project: Project, env: str | None, console: Console) -> list[Finding]:
    """Look at everything; with an environment's name, at its file and its account too."""
    checks: dict[str, Callable[[], str]] = {
        "toolkit": lambda: importlib.metadata.version("sagemaker-llm-toolkit"),
        "python": platform.python_version,
        "terraform": lambda: discover(project, console).describe(),
        "project": lambda: str(project.root),
        "cache": lambda: str(cache_dir()),
        "embedded cloud": lambda: _cloud(project),
    }
    if env is not None:
        checks["environment"] = lambda: _environment(project, env)
        checks["account"] = lambda: _account(project, env)
    return [_finding(subject, check) for subject, check in checks.items()]


def _finding(subject: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(subject, True, check())
    except ToolkitError as error:
        return Finding(subject, False, str(error))
    except Exception as error:
        known = explain(error)
        if known is None:
            raise
        return Finding(subject, False, str(known))


def _environment(project: Project, env: str) -> str:
    environment = load(project, env)
    return f"{environment.file} is valid, target {environment.target}"


def _account(project: Project, env: str) -> str:
    environment = load(project, env)
    if environment.is_local:
        return f"{environment.account_id} of the embedded cloud"
    return AwsAccess(environment.region, environment.account_id).check_account()


def _cloud(project: Project) -> str:
    if importlib.util.find_spec("moto") is None:
        return "not installed; `make setup ENV=local` does"
    from toolkit.local import client

    cloud = client.find(project)
    return f"runs at {cloud.endpoint_url}" if cloud else "not running"
