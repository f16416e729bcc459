"""Where models' weights will lie, known without touching the weights of the hub."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from toolkit.environment import Environment, PackageSource, PathSource
from toolkit.project import Project
from toolkit.staging.local import LocalFiles
from toolkit.staging.weights import Origin


@dataclass(frozen=True)
class StagedModel:
    """The weights of one model that belong into the model store.

    Attributes:
        env: the environment's name.
        name: the model's name.
        bucket: the model store.
        digest: tells these weights from others of the model.
        source: what the environment file says of them.
        origin: where they are taken from.
    """

    env: str
    name: str
    bucket: str
    digest: str
    source: PackageSource | PathSource
    origin: Origin

    @property
    def prefix(self) -> str:
        """What the keys of their objects begin with; ends in a slash."""
        return f"{self.name}/{self.digest}/"

    @property
    def uri(self) -> str:
        """The S3 prefix they lie under, ending in a slash."""
        return f"s3://{self.bucket}/{self.prefix}"

    @property
    def manifest_key(self) -> str:
        """Their manifest's key: no model's name begins with an underscore."""
        return f"_manifests/{self.name}/{self.digest}.json"

    @property
    def command(self) -> str:
        """What stages them."""
        return f"toolkit model stage --env {self.env} {self.name}"


def locate(project: Project, environment: Environment) -> dict[str, StagedModel]:
    """The models whose weights belong into the model store, and their addresses there; uploads nothing.

    Raises:
        InputError: a package or path that the environment file names is not there.
    """
    found = {name: locate_model(project, environment, name) for name in environment.models}
    return {name: model for name, model in found.items() if model is not None}


def locate_model(project: Project, environment: Environment, name: str) -> StagedModel | None:
    """One model's address; None if its weights are not the model store's business.

    Raises:
        InputError: a package or path that the environment file names is not there.
    """
    source = environment.models[name].source
    where = f"{environment.file}: models.{name}.source"
    bucket = environment.model_store_bucket
    if isinstance(source, PackageSource | PathSource):
        files = LocalFiles.of(source, project.root, where)
        return StagedModel(environment.env, name, bucket, _digest(dict(files.digests)), source, files)
    return None


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
