"""Check the toolkit's requirements on this machine."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass

from toolkit import os_errors
from toolkit.aws.access import AwsAccess
from toolkit.aws.errors import explain
from toolkit.console import Console
from toolkit.environment import load
from toolkit.errors import PreflightError, ToolkitError
from toolkit.files import naming
from toolkit.project import Project, cache_dir
from toolkit.staging.progress import size_text
from toolkit.terraform import cli_config, discover, providers


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        subject: the requirement checked.
        ok: whether it is met.
        detail: its value, or the problem and the remedy.
    """

    subject: str
    ok: bool
    detail: str


def examine(project: Project, env: str | None, console: Console) -> list[Finding]:
    """Run all checks; with an environment's name, also of its file and account."""
    checks: dict[str, Callable[[], str]] = {
        "toolkit": lambda: importlib.metadata.version("sagemaker-llm-toolkit"),
        "python": platform.python_version,
        "terraform": lambda: discover(project, console).describe(),
        "provider": lambda: _provider(project, console),
        "project": lambda: str(project.root),
        "cache": _cache,
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
        explained = os_errors.explain(error) if isinstance(error, OSError) else explain(error)
        if explained is None:
            raise
        return Finding(subject, False, str(explained))


def _provider(project: Project, console: Console) -> str:
    program = discover(project, console)
    user = cli_config.read_user_config(program)
    sources = providers.find(program, project.code / "terraform" / "stacks" / "inference", user)
    provider = f"{program.registry_host}/hashicorp/aws"
    for mirror in sources.mirrors:
        if provider in mirror.providers:
            return f"{provider} in {mirror.path} ({mirror.origin})"
    if user.has_provider_installation:
        return sources.tried[0]
    problem = providers.registry_problem(program.registry_host)
    if problem is not None:
        raise PreflightError(
            f"provider {provider} not found in the mirror, the plugin cache or the registry: {problem}",
            details=sources.tried,
            remedy=providers.REMEDY,
        )
    return f"{provider} from the registry"


def _cache() -> str:
    directory = cache_dir()
    directory.mkdir(parents=True, exist_ok=True)
    # Checks that files can be written.
    with naming(directory), tempfile.TemporaryFile(dir=directory) as file:
        file.write(b"x" * 4096)
    return f"{directory}, {size_text(shutil.disk_usage(directory).free)} free"


def _environment(project: Project, env: str) -> str:
    environment = load(project, env)
    return f"{environment.file} is valid, target {environment.target}"


def _account(project: Project, env: str) -> str:
    environment = load(project, env)
    if environment.is_local:
        return f"{environment.account_id} in the embedded cloud"
    return AwsAccess(environment.region, environment.account_id).check_account()


def _cloud(project: Project) -> str:
    if importlib.util.find_spec("moto") is None:
        return "not installed; run `make setup ENV=local`"
    from toolkit.local import client

    cloud = client.find(project)
    return f"running at {cloud.endpoint_url}" if cloud else "not running"
