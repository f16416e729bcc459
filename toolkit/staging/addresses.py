"""Addresses of weights in the model store, computed without accessing the hub."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import partial

from toolkit.environment import Environment, HubSource, PackageSource, PathSource, ResolvedVariant
from toolkit.project import Project
from toolkit.serving.engines import ENGINES
from toolkit.staging import selection
from toolkit.staging.hub import HubRepository
from toolkit.staging.local import LocalFiles
from toolkit.staging.weights import Origin


@dataclass(frozen=True)
class StagedModel:
    """Weights to keep in the model store.

    Attributes:
        env: the environment's name.
        name: the model's name, or `model/variant` for a variant with its own weights.
        bucket: the model store.
        digest: identifies these weights among others of the model.
        source: the source in the environment file.
        origin: provides the files.
    """

    env: str
    name: str
    bucket: str
    digest: str
    source: PackageSource | PathSource | HubSource
    origin: Origin

    @property
    def model(self) -> str:
        """The model's name."""
        return self.name.partition("/")[0]

    @property
    def prefix(self) -> str:
        """Prefix of their object keys, ending in a slash."""
        return f"{self.model}/{self.digest}/"

    @property
    def uri(self) -> str:
        """S3 URI of the prefix, ending in a slash."""
        return f"s3://{self.bucket}/{self.prefix}"

    @property
    def manifest_key(self) -> str:
        """Key of their manifest; no model's name begins with an underscore."""
        return f"_manifests/{self.model}/{self.digest}.json"

    @property
    def command(self) -> str:
        """The command that stages them."""
        return f"toolkit model stage --env {self.env} {self.name}"


def variants_with_weights(environment: Environment) -> dict[str, ResolvedVariant]:
    """The variants with distinct weights, by the name of the weights: `model` or `model/variant`."""
    variants = [variant for name, model in environment.models.items() for variant in model.all_resolved(name)]
    # Variants without a source share the model's weights; the one that excludes most files represents it.
    strictest = {
        variant.weights: variant
        for variant in sorted(variants, key=lambda variant: len(ENGINES[variant.engine].startup_files))
    }
    return {variant.weights: strictest[variant.weights] for variant in variants}


def locate(project: Project, environment: Environment) -> dict[str, StagedModel]:
    """The weights to keep in the model store, with their addresses; uploads nothing.

    Raises:
        InputError: a package or path in the environment file does not exist.
    """
    located = {
        name: locate_one(project, environment, variant)
        for name, variant in variants_with_weights(environment).items()
    }
    return {name: model for name, model in located.items() if model is not None}


def locate_one(project: Project, environment: Environment, variant: ResolvedVariant) -> StagedModel | None:
    """The address of one variant's weights; None if they do not belong in the model store.

    Raises:
        InputError: a package or path in the environment file does not exist.
    """
    source = variant.source
    location = f"{environment.file}: {'.'.join(map(str, variant.path('source')))}"
    model = variant.serving.flags().get("model") if variant.engine == "llama_cpp" else None
    owner = f"{environment.file}: {'.'.join(map(str, variant.path('serving')[:-1]))}"
    engine = ENGINES[variant.engine]
    select = partial(selection.for_engine, engine, model, owner)
    origin: Origin
    if isinstance(source, PackageSource | PathSource):
        origin = files = LocalFiles.of(source, project.root, location, select)
        content: dict[str, object] = dict(files.digests)
    elif isinstance(source, HubSource) and source.staged:
        # The environment file's validation requires a pinned revision.
        assert source.revision is not None  # noqa: S101
        origin = HubRepository(source.hub, source.revision, source.files, location, select)
        patterns = None if source.files is None else sorted(source.files)
        content = {"hub": source.hub, "revision": source.revision, "files": patterns}
        if engine.startup_files and not engine.mounted:
            # These files cannot be switched off, so weights that were staged with them must not be mounted.
            content["without"] = sorted(engine.startup_files)
    else:
        return None
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
    return StagedModel(
        env=environment.name,
        name=variant.weights,
        bucket=environment.model_store_bucket,
        digest=digest,
        source=source,
        origin=origin,
    )
