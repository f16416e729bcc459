"""The typed environment file: `terraform/environments/<env>.yaml`."""

from __future__ import annotations

from toolkit.environment.environment import Environment, budget_table, endpoint_name
from toolkit.environment.loader import check_name, load, names, neighbours, read_text, recorded
from toolkit.environment.model import Model, ResolvedVariant
from toolkit.environment.problems import EnvironmentFileError
from toolkit.environment.sources import HubSource, PackageSource, PathSource, S3Source, ServerSource, Source

__all__ = [
    "Environment",
    "EnvironmentFileError",
    "HubSource",
    "Model",
    "PackageSource",
    "PathSource",
    "ResolvedVariant",
    "S3Source",
    "ServerSource",
    "Source",
    "budget_table",
    "check_name",
    "endpoint_name",
    "load",
    "names",
    "neighbours",
    "read_text",
    "recorded",
]
