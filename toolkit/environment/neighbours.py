"""Environments that share an account stack, and so the role that their models run in."""

from __future__ import annotations

from typing import Any

from toolkit.environment.document import parse
from toolkit.environment.environment import LOCAL_ACCOUNT_ID, Environment, state_bucket
from toolkit.environment.loader import load, names
from toolkit.project import Project


def neighbours(project: Project, environment: Environment) -> list[Environment]:
    """The other environments whose account stack is that of `environment`: their state is in one bucket.

    Raises:
        EnvironmentFileError: one of them has mistakes.
    """
    others = [name for name in names(project) if name != environment.name]
    return [load(project, name) for name in others if _shares(project, name, environment)]


def _shares(project: Project, name: str, environment: Environment) -> bool:
    """What the file says of it, whatever else may be wrong in a file about another account."""
    data = parse(project.environment_file(name).read_text(encoding="utf-8")).data
    account_id, region = _at(data, "account_id") or LOCAL_ACCOUNT_ID, _at(data, "region")
    bucket = _at(data, "account", "state", "bucket")
    return _at(data, "target") == environment.target and environment.state_bucket == (
        bucket or state_bucket(str(_at(data, "name")), str(account_id), str(region))
    )


def _at(data: Any, *keys: str) -> Any:
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data
