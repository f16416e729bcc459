"""List the weights of an environment and whether they are staged."""

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
        model: the model's name, or `model/variant` for a variant with its own weights.
        source: the source, as `kind: value`.
        uri: the S3 prefix that SageMaker mounts; None if there is none or it is unknown.
        staged: whether they are complete in the model store; None if staging is not needed.
        note: why staging is not needed or not possible.
        manifest: the manifest, if staged.
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
        _stored_model(access, project, environment, variant)
        for variant in variants_with_weights(environment).values()
    ]


def _stored_model(
    access: AwsAccess, project: Project, environment: Environment, variant: ResolvedVariant
) -> StoredModel:
    name, source = variant.weights, variant.source
    description = _describe(source)
    try:
        model = locate_one(project, environment, variant)
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
    """Why a source needs no staging."""
    if source is None:
        return "the image contains them"
    if isinstance(source, S3Source):
        return "they are already in S3"
    if isinstance(source, ServerSource):
        return "the server has them"
    return "the container downloads them from the hub"


def _describe(source: Source | None) -> str:
    if source is None:
        return "no source"
    ((kind, value), *_) = source.model_dump(mode="json").items()
    revision = source.revision if isinstance(source, HubSource) else None
    return f"{kind}: {value}" + (f"@{revision}" if revision else "")
