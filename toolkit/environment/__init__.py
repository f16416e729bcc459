"""The typed environment file: `terraform/environments/<env>.yaml`."""

from __future__ import annotations

from toolkit.environment.environment import Environment, endpoint_name
from toolkit.environment.loader import check_name, load, names
from toolkit.environment.model import Model
from toolkit.environment.neighbours import neighbours
from toolkit.environment.problems import EnvironmentFileError
from toolkit.environment.rehearsal import unprotected
from toolkit.environment.sources import HubSource, PackageSource, PathSource, S3Source, ServerSource, Source
from toolkit.environment.variants import Hosting

__all__ = [
    "Environment",
    "EnvironmentFileError",
    "Hosting",
    "HubSource",
    "Model",
    "PackageSource",
    "PathSource",
    "S3Source",
    "ServerSource",
    "Source",
    "check_name",
    "endpoint_name",
    "load",
    "names",
    "neighbours",
    "unprotected",
]
