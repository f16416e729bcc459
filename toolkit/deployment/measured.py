"""The subject of benchmarks: weights, image, options, instance type and gateway code, deployed or planned.

A state and a plan describe resources by the same attributes, so that both are read alike.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NotRequired, TypeVar
from urllib.parse import urlsplit

from toolkit import documents
from toolkit.bench.results import Subject
from toolkit.deployment import outputs
from toolkit.deployment.outputs import DeployedModel
from toolkit.documents import OpenDict
from toolkit.environment import Environment, ResolvedVariant
from toolkit.rendering import containers
from toolkit.serving.engines import ENGINES, MODEL_DIRECTORY
from toolkit.terraform import state_file

T = TypeVar("T")
# Names of the members of a subject for people.
WORDS = {
    "weights": "weights",
    "image": "container image",
    "options": "engine options",
    "instance_type": "instance type",
    "instances": "number of instances",
    "gateway": "gateway code",
    "release": "release",
}
# Members on which the figures of one instance depend.
IDENTITY = ("weights", "image", "options", "instance_type", "gateway")
# Digests are shown and compared; 64 bits are far more than the number of deployments needs.
_DIGITS = 16
_STAGED = re.compile(r"s3://(?P<bucket>[^/]+)/[^/]+/(?P<digest>[0-9a-f]{16})/")
# The address and the name of `source.server`, as `rendering.containers` passes them.
_SERVER = ("OPENAI_BASE_URL", "OPENAI_MODEL")


class _ObjectSource(OpenDict):
    s3_uri: str


class _DataSource(OpenDict):
    s3_data_source: list[_ObjectSource]


class _Container(OpenDict):
    image: str
    environment: NotRequired[dict[str, str] | None]
    model_data_url: NotRequired[str | None]
    model_data_source: NotRequired[list[_DataSource] | None]


class _Model(OpenDict):
    """`aws_sagemaker_model`."""

    name: str
    primary_container: list[_Container]


class _Serverless(OpenDict):
    memory_size_in_mb: int


class _Routing(OpenDict):
    routing_strategy: str


class _Variant(OpenDict):
    variant_name: str
    instance_type: NotRequired[str | None]
    inference_ami_version: NotRequired[str | None]
    serverless_config: NotRequired[list[_Serverless] | None]
    routing_config: NotRequired[list[_Routing] | None]


class _Configuration(OpenDict):
    """`aws_sagemaker_endpoint_configuration`."""

    name: str
    production_variants: list[_Variant]


class _Function(OpenDict):
    """`aws_lambda_function`."""

    function_name: str
    source_code_hash: str


class UnknownError(Exception):
    """A resource is missing, or one of its attributes is only known after an apply."""


@dataclass(frozen=True)
class Resources:
    """The resources of the inference stack that a benchmark depends on, by name.

    Attributes:
        outputs: the stack's outputs.
        store: bucket of the model store.
    """

    outputs: Mapping[str, Any]
    store: str
    _models: Mapping[str, _Model]
    _configurations: Mapping[str, _Configuration]
    _functions: Mapping[str, _Function]

    @classmethod
    def of(
        cls, resources: Iterable[tuple[str, Mapping[str, Any]]], outputs: Mapping[str, Any], store: str
    ) -> Resources:
        """Select them among all resources.

        Args:
            resources: types and attributes.
            outputs: the stack's outputs.
            store: bucket of the model store.
        """
        selected = list(resources)
        return cls(
            outputs,
            store,
            {model["name"]: model for model in _parsed(selected, "aws_sagemaker_model", _Model)},
            {
                configuration["name"]: configuration
                for configuration in _parsed(selected, "aws_sagemaker_endpoint_configuration", _Configuration)
            },
            {
                function["function_name"]: function
                for function in _parsed(selected, "aws_lambda_function", _Function)
            },
        )

    @classmethod
    def of_state(cls, content: bytes, where: str, store: str) -> Resources:
        """Those in a state.

        Args:
            content: the state file.
            where: its address, for messages.
            store: bucket of the model store.

        Raises:
            TerraformError: it is damaged, or its format is not supported.
        """
        state = state_file.document(content, where)
        resources: Iterator[tuple[str, Mapping[str, Any]]] = (
            (resource["type"], instance.get("attributes") or {})
            for resource in state["resources"]
            if resource["mode"] == "managed"
            for instance in resource["instances"]
        )
        return cls.of(resources, {name: output["value"] for name, output in state["outputs"].items()}, store)

    @classmethod
    def of_plan(cls, plan: Mapping[str, Any], store: str) -> Resources:
        """Those that will exist after a plan is applied, in the format of `terraform show -json`."""
        values = plan.get("planned_values", {})
        planned = values.get("outputs", {})
        values_by_name = {name: output["value"] for name, output in planned.items() if "value" in output}
        return cls.of(_planned(values.get("root_module", {})), values_by_name, store)

    @property
    def deployed(self) -> Mapping[str, DeployedModel]:
        """The models, by name."""
        return outputs.deployed_models(self.outputs)

    def subject(self, model: DeployedModel, instances: int = 0, release: int | None = None) -> Subject:
        """The subject of a benchmark of a model.

        Args:
            model: the model.
            instances: number of its instances.
            release: number of the release.

        Raises:
            UnknownError: a part of it is not known.
        """
        variants = {name: self.variant(model, name) for name in sorted(model.variant_names)}
        subject = _merged(variants)
        return replace(subject, instances=instances, release=release)

    def variant(self, model: DeployedModel, name: str) -> Subject:
        """The subject of a benchmark of one variant.

        Args:
            model: the model.
            name: the variant.

        Raises:
            UnknownError: a part of it is not known.
        """
        try:
            containers = self._models[model.model_names[name]]["primary_container"]
            variants = self._configurations[model.endpoint_config_name]["production_variants"]
            gateway = self._functions[self.outputs["functions"]["gateway"]]["source_code_hash"]
            (container,) = containers
            (settings,) = (variant for variant in variants if variant["variant_name"] == name)
        except (KeyError, TypeError, ValueError):
            raise UnknownError(name) from None
        weights, variables = _weights(container, self.store)
        routing = [item["routing_strategy"] for item in settings.get("routing_config") or ()]
        return Subject(
            weights=weights,
            image=container["image"],
            # A state has "" where a plan has null.
            options=_options(variables, settings.get("inference_ami_version") or None, routing),
            instance_type=_instance_type(settings),
            instances=0,
            gateway=f"sha256:{gateway}",
        )


def differences(before: Subject, after: Subject, members: Sequence[str] = IDENTITY) -> Iterator[str]:
    """The members that differ, a phrase each.

    Args:
        before: the first.
        after: the second.
        members: which to compare.
    """
    for member in members:
        yield from change(WORDS[member], getattr(before, member), getattr(after, member))


def change(name: str, before: object, after: object) -> Iterator[str]:
    """A phrase if two values differ.

    Args:
        name: what they are.
        before: the first.
        after: the second.
    """
    if before != after:
        yield f"{name}: {before} → {after}"


def outdated(environment: Environment, plan: Mapping[str, Any]) -> Iterator[str]:
    """A warning for each `capacity` whose benchmark measured something else than what a plan deploys.

    Args:
        environment: the environment.
        plan: the plan, in the format of `terraform show -json`.
    """
    if not environment.measured_variants:
        return
    resources = Resources.of_plan(plan, environment.model_store_bucket)
    for variant in environment.measured_variants:
        model = resources.deployed.get(variant.model)
        try:
            if model is not None:
                planned = resources.variant(model, variant.variant)
                yield from _outdated(environment, variant, asdict(planned))
        except UnknownError:
            continue


def outdated_offline(environment: Environment) -> Iterator[str]:
    """As `outdated`, as far as the environment file decides: without staged weights and gateway code.

    Args:
        environment: the environment.
    """
    for variant in environment.measured_variants:
        placeholder = f"s3://{environment.model_store_bucket}/" if variant.is_staged else None
        container = containers.container_variables(environment, variant, placeholder)
        planned: dict[str, Any] = {"image": container["image"]}
        uri, variables = container["model_data_s3_uri"], container["environment"]
        container_data = documents.parse(
            json.dumps({"image": "", "environment": variables, "model_data_url": uri}), _Container
        )
        weights, others = _weights(container_data, environment.model_store_bucket)
        if not variant.is_staged:
            planned["weights"] = weights
        if variant.instance_type is not None:
            planned["instance_type"] = variant.instance_type
        model = environment.models[variant.model]
        routing = [model.routing.upper()] if model.endpoint_type == "realtime" else []
        planned["options"] = _options(others, container["inference_ami_version"], routing)
        yield from _outdated(environment, variant, planned)


def _outdated(
    environment: Environment, variant: ResolvedVariant, planned: Mapping[str, Any]
) -> Iterator[str]:
    measured = variant.capacity.measured
    if measured is None:
        return
    changes = [
        phrase
        for member in IDENTITY
        if getattr(measured, member) is not None and member in planned
        for phrase in change(WORDS[member], getattr(measured, member), planned[member])
    ]
    if changes:
        path = documents.dotted(variant.path("capacity", "measured"))
        yield (
            f"{path}: these numbers do not apply any more: benchmark {measured.benchmark} measured "
            f"something else ({'; '.join(changes)}); measure again with "
            f"`toolkit bench --env {environment.name} --model {variant.model}`"
        )


def _options(variables: Mapping[str, str], ami: object, routing: Sequence[str]) -> str:
    """A short digest of the engine's settings."""
    text = json.dumps({"environment": variables, "ami": ami, "routing": routing}, sort_keys=True)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]}"


def _parsed(resources: Iterable[tuple[str, Mapping[str, Any]]], kind: str, form: type[T]) -> Iterator[T]:
    """The resources of a type; those that lack an attribute, because it is unknown, are left out."""
    for name, attributes in resources:
        if name == kind:
            try:
                yield documents.parse(json.dumps(attributes), form)
            except documents.DamagedError:
                continue


def _planned(module: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for resource in module.get("resources", ()):
        if resource["mode"] == "managed":
            yield resource["type"], resource.get("values", {})
    for child in module.get("child_modules", ()):
        yield from _planned(child)


def _weights(container: _Container, store: str) -> tuple[str, dict[str, str]]:
    """The weights of a container, and its environment variables without those that name the weights."""
    variables = dict(container.get("environment") or {})
    repository, revision = _hub(variables)
    uri = container.get("model_data_url")
    for source in container.get("model_data_source") or ():
        uri = source["s3_data_source"][0]["s3_uri"]
    server, name = (variables.pop(variable, None) for variable in _SERVER)
    if uri:
        # The prefix of staged weights ends in a digest of the files, or of repository and commit.
        staged = _STAGED.fullmatch(uri)
        weights = f"sha256:{staged['digest']}" if staged and staged["bucket"] == store else uri
    elif server:
        # Without user and password.
        weights = f"{name} at {urlsplit(server).netloc.rpartition('@')[2]}"
    elif repository:
        weights = f"{repository}@{revision or 'unpinned'}"
    else:
        weights = "in the image"
    return weights, variables


def _hub(variables: dict[str, str]) -> tuple[str | None, str | None]:
    """Take repository and revision out of a container's variables; None for weights that are mounted."""
    engines = [engine.model for engine in ENGINES.values() if engine.model is not None]
    repositories = [variables.pop(name) for name in {pair.model for pair in engines} if name in variables]
    revisions = [variables.pop(name) for name in {pair.revision for pair in engines} if name in variables]
    if not repositories or repositories[0] == MODEL_DIRECTORY:
        return None, None
    return repositories[0], revisions[0] if revisions else None


def _instance_type(settings: _Variant) -> str:
    for serverless in settings.get("serverless_config") or ():
        return f"serverless, {serverless['memory_size_in_mb']} MB"
    return settings.get("instance_type") or "unknown"


def _merged(variants: Mapping[str, Subject]) -> Subject:
    """The subject of all variants together; each member names its variants where they differ."""
    first, *others = variants.values()
    if not others:
        return first

    def merged(member: str) -> str:
        values = {name: str(getattr(subject, member)) for name, subject in variants.items()}
        if len({*values.values()}) == 1:
            return next(iter(values.values()))
        return ", ".join(f"{name}: {value}" for name, value in values.items())

    return replace(
        first,
        weights=merged("weights"),
        image=merged("image"),
        options=merged("options"),
        instance_type=merged("instance_type"),
    )
