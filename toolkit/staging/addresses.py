"""Where models' weights will lie, known without touching the weights of the hub."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from toolkit.environment import Environment, HubSource, PackageSource, PathSource, ResolvedVariant
from toolkit.project import Project
from toolkit.staging.hub import HubRepository
from toolkit.staging.local import LocalFiles
from toolkit.staging.weights import Origin


@dataclass(frozen=True)
class StagedModel:
    """Weights that belong into the model store.

    Attributes:
        env: the environment's name.
        name: the model's name, or `model/variant` for a variant with weights of its own.
        bucket: the model store.
        digest: tells these weights from others of the model.
        source: what the environment file says of them.
        origin: where they are taken from.
    """

    env: str
    name: str
    bucket: str
    digest: str
    source: PackageSource | PathSource | HubSource
    origin: Origin

    @property
    def model(self) -> str:
        """The model that they are of."""
        return self.name.partition("/")[0]

    @property
    def prefix(self) -> str:
        """What the keys of their objects begin with; ends in a slash."""
        return f"{self.model}/{self.digest}/"

    @property
    def uri(self) -> str:
        """The S3 prefix they lie under, ending in a slash."""
        return f"s3://{self.bucket}/{self.prefix}"

    @property
    def manifest_key(self) -> str:
        """Their manifest's key: no model's name begins with an underscore."""
        return f"_manifests/{self.model}/{self.digest}.json"

    @property
    def command(self) -> str:
        """What stages them."""
        return f"toolkit model stage --env {self.env} {self.name}"


def variants_with_weights(environment: Environment) -> dict[str, ResolvedVariant]:
    """Each variant that has weights of its own, by what the place of its weights is called."""
    variants = [variant for name, model in environment.models.items() for variant in model.all_resolved(name)]
    # Variants without weights of their own share the model's; any of them stands for it.
    return {variant.weights: variant for variant in variants}


def locate(project: Project, environment: Environment) -> dict[str, StagedModel]:
    """The weights that belong into the model store, and their addresses there; uploads nothing.

    Raises:
        InputError: a package or path that the environment file names is not there.
    """
    found = {
        name: locate_one(project, environment, place)
        for name, place in variants_with_weights(environment).items()
    }
    return {name: model for name, model in found.items() if model is not None}


def locate_one(project: Project, environment: Environment, place: ResolvedVariant) -> StagedModel | None:
    """The address of one variant's weights; None if they are not the model store's business.

    Raises:
        InputError: a package or path that the environment file names is not there.
    """
    source = place.source
    where = f"{environment.file}: {'.'.join(map(str, place.path('source')))}"
    origin: Origin
    if isinstance(source, PackageSource | PathSource):
        origin = files = LocalFiles.of(source, project.root, where)
        content: object = dict(files.digests)
    elif isinstance(source, HubSource) and source.staged:
        # The environment file cannot be read with staged weights that are not pinned.
        assert source.revision is not None  # noqa: S101
        origin = HubRepository(source.hub, source.revision, source.files, where)
        patterns = None if source.files is None else sorted(source.files)
        content = {"hub": source.hub, "revision": source.revision, "files": patterns}
    else:
        return None
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
    return StagedModel(
        env=environment.name,
        name=place.weights,
        bucket=environment.model_store_bucket,
        digest=digest,
        source=source,
        origin=origin,
    )
