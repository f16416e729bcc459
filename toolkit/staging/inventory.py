"""Which models of an environment have their weights in the model store."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from toolkit.aws.access import AwsAccess
from toolkit.environment import Environment, HubSource, ResolvedVariant, S3Source, ServerSource
from toolkit.environment.sources import Source
from toolkit.errors import InputError
from toolkit.project import Project
from toolkit.staging.addresses import locate_one, variants_with_weights
from toolkit.staging.manifest import Manifest
from toolkit.staging.store import ModelStore


@dataclass(frozen=True)
class StoredModel:
    """One model's weights.

    Attributes:
        model: the model's name, or `model/variant` for a variant with weights of its own.
        source: where they come from, as `kind: value`.
        uri: the S3 prefix that SageMaker mounts; None if it mounts none, or if it cannot be told.
        staged: whether they are all in the model store; None if they need not be staged.
        note: why they need not be staged, or cannot be.
        manifest: what was staged.
    """

    model: str
    source: str
    uri: str | None
    staged: bool | None
    note: str | None = None
    manifest: Manifest | None = None

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        size = self.manifest.size if self.manifest else None
        return {**asdict(self), "size": size}


def inventory(access: AwsAccess, project: Project, environment: Environment) -> list[StoredModel]:
    """All weights of an environment, in the order of its file."""
    return [
        _look_at(access, project, environment, place) for place in variants_with_weights(environment).values()
    ]


def _look_at(
    access: AwsAccess, project: Project, environment: Environment, place: ResolvedVariant
) -> StoredModel:
    name, source = place.weights, place.source
    description = _describe(source)
    try:
        model = locate_one(project, environment, place)
    except InputError as error:
        return StoredModel(name, description, None, staged=False, note=error.message)
    if model is None:
        uri = source.s3 if isinstance(source, S3Source) else None
        return StoredModel(name, description, uri, staged=None, note=not_staged_reason(source))
    try:
        manifest = ModelStore(access, model).manifest()
    except access.s3.exceptions.NoSuchBucket:
        manifest = None
    return StoredModel(name, description, model.uri, staged=manifest is not None, manifest=manifest)


def not_staged_reason(source: Source | None) -> str:
    """Why there is nothing to stage of a source."""
    if source is None:
        return "the image brings them along"
    if isinstance(source, S3Source):
        return "they lie in S3 already"
    if isinstance(source, ServerSource):
        return "the server that is named has them"
    return "the container loads them from the hub"


def _describe(source: Source | None) -> str:
    if source is None:
        return "no source"
    ((kind, value), *_) = source.model_dump(mode="json").items()
    revision = source.revision if isinstance(source, HubSource) else None
    return f"{kind}: {value}" + (f"@{revision}" if revision else "")
