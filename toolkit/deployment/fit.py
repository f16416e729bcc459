"""Whether the models of an environment fit the memory of their instances, before a deployment (ADR 41)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from toolkit.aws.access import AwsAccess
from toolkit.aws.errors import explain
from toolkit.documents import dotted
from toolkit.environment import Environment, HubSource, ResolvedVariant, S3Source, ServerSource
from toolkit.environment.model import ONLY_VARIANT
from toolkit.environment.serving import CatalogueServing
from toolkit.errors import InputError, PreflightError
from toolkit.project import Project
from toolkit.serving import catalogue
from toolkit.serving.catalogue import Instance
from toolkit.serving.engines import ENGINES
from toolkit.serving.memory import Estimate, Settings, estimate
from toolkit.serving.memory.estimate import unknown, weights_alone
from toolkit.staging import description
from toolkit.staging.description import Description

# gpu_memory_utilization by default: vLLM until 0.11.2 at least, and LMI; then vLLM 0.26 at the latest.
_OLD_UTILIZATION, _UTILIZATION = 0.9, 0.92

# Finds the description of a variant; None if there is none.
Find = Callable[[ResolvedVariant], Description | None]


@dataclass(frozen=True)
class Fit:
    """Whether one variant fits.

    Attributes:
        model: the model's name.
        variant: the variant's name.
        engine: name of the engine.
        instance_type: SageMaker instance type; None if serverless.
        hardware: GPUs or memory of the instance type.
        source: where the description of the model comes from; empty if there is none.
        path: the options of the engine in the environment file.
        estimate: the verdict and the numbers.
    """

    model: str
    variant: str
    engine: str
    instance_type: str | None
    hardware: str
    source: str
    path: str
    estimate: Estimate

    @property
    def name(self) -> str:
        """The model, and the variant if there are several."""
        return self.model if self.variant == ONLY_VARIANT else f"{self.model}/{self.variant}"

    def as_data(self) -> dict[str, Any]:
        """For `--json`: sizes in bytes."""
        members = asdict(self)
        return {**{key: value for key, value in members.items() if key != "estimate"}, **members["estimate"]}


def check(environment: Environment, find: Find, name: str | None = None) -> list[Fit]:
    """Check the models of an environment.

    Args:
        environment: the environment.
        find: finds the description of a variant.
        name: only this model.

    Raises:
        InputError: there is no such model, or a description is damaged.
    """
    if name is not None and name not in environment.models:
        raise InputError(
            f"{environment.name} has no model {name}",
            where=environment.file,
            remedy=f"it has {', '.join(environment.models)}",
        )
    return [
        _fit(environment, variant, find)
        for model_name, model in environment.models.items()
        if name in (None, model_name)
        for variant in model.all_resolved(model_name)
    ]


def on_machine(project: Project, environment: Environment) -> Find:
    """Finds descriptions on this machine only."""
    return partial(description.at_hand, project, environment)


def anywhere(project: Project, environment: Environment, access: Callable[[], AwsAccess]) -> Find:
    """Finds descriptions on this machine, then in the model store.

    Args:
        project: the checkout.
        environment: the environment.
        access: opens the account, if the model store is needed.
    """

    def find(variant: ResolvedVariant) -> Description | None:
        of_model = description.at_hand(project, environment, variant)
        if of_model is not None or not isinstance(variant.source, HubSource | S3Source):
            return of_model
        if isinstance(variant.source, HubSource) and not variant.source.staged:
            return None
        try:
            return description.in_store(access(), project, environment, variant)
        except PreflightError as error:
            raise _UnreadableError(str(error)) from error
        except (ClientError, BotoCoreError) as error:
            explained = explain(error)
            if explained is None:
                raise
            raise _UnreadableError(str(explained).splitlines()[0]) from error

    return find


def always(of_model: Description) -> Find:
    """Returns one description, which the user names."""
    return lambda _variant: of_model


def warnings(project: Project, environment: Environment) -> Iterator[str]:
    """A warning for each model that will not fit, as far as this machine can tell without a network."""
    for name in environment.models:
        try:
            fits = check(environment, on_machine(project, environment), name)
        except InputError as error:
            # Missing files stop the plan later, damaged ones the container.
            yield f"cannot estimate the memory of {name}: {error}"
            continue
        yield from _warnings(fits)


def _warnings(fits: Iterable[Fit]) -> Iterator[str]:
    for fit in fits:
        result = fit.estimate
        if result.verdict in ("does_not_fit", "tight"):
            fails = "will not start" if result.verdict == "does_not_fit" else "may not start"
            remedy = f"; {result.remedy}" if result.remedy else ""
            where = fit.instance_type or "serverless"
            yield f"{fit.path}: {fit.name} {fails} on {where}: {result.reason}{remedy}"


def raise_for_failures(env: str, fits: Iterable[Fit]) -> None:
    """Fail if a model cannot start.

    Raises:
        PreflightError: at least one does not fit.
    """
    failed = [fit.name for fit in fits if fit.estimate.verdict == "does_not_fit"]
    if failed:
        raise PreflightError(
            f"cannot start {', '.join(failed)} in {env}: see above",
            remedy="change the options or the instance type",
        )


class _UnreadableError(Exception):
    """The model store cannot be read; the message is the reason."""


def _fit(environment: Environment, variant: ResolvedVariant, find: Find) -> Fit:
    serverless = environment.models[variant.model].serverless
    instance = catalogue.hardware(variant.instance_type)
    if serverless is not None:
        instance = Instance(instance.vcpus, serverless.memory_mb, instance.architecture)
    of_model, result = _estimate(environment, variant, instance, find)
    return Fit(
        model=variant.model,
        variant=variant.variant,
        engine=variant.engine,
        instance_type=variant.instance_type,
        hardware=f"{instance.gpus} x {instance.gpu}"
        if instance.gpus
        else f"{instance.memory_mib / 1024:g} GiB",
        source="" if of_model is None else of_model.source,
        path=f"{environment.file}: {dotted(variant.path('serving', 'options'))}",
        estimate=result,
    )


def _estimate(
    environment: Environment, variant: ResolvedVariant, instance: Instance, find: Find
) -> tuple[Description | None, Estimate]:
    if isinstance(variant.source, ServerSource):
        return None, unknown("a server on this machine has the model")
    if variant.engine == "custom":
        return None, unknown("only the author of the image knows how much memory it needs")
    try:
        of_model = find(variant)
    except _UnreadableError as error:
        return None, unknown(f"cannot read the model store: {error}", _how_to_get(environment, variant))
    if of_model is None:
        return None, unknown("its description is not on this machine", _how_to_get(environment, variant))
    settings = _settings(variant, instance)
    if of_model.architecture is None:
        return of_model, weights_alone(settings, of_model.weights) or unknown(of_model.reason)
    return of_model, estimate(of_model.architecture, settings, of_model.weights)


def _settings(variant: ResolvedVariant, instance: Instance) -> Settings:
    serving = variant.serving
    version = serving.version if isinstance(serving, CatalogueServing) else None
    old = variant.engine == "lmi" or (version is not None and version.startswith("0."))
    if version is not None and variant.engine == "vllm" and version.startswith("0."):
        old = int(version.split(".")[1]) < 20
    variables = getattr(serving, "environment", {})
    return Settings(
        engine=variant.engine,
        options={**ENGINES[variant.engine].defaults, **serving.flags()},
        instance=instance,
        instance_type=variant.instance_type,
        utilization=_OLD_UTILIZATION if old else _UTILIZATION,
        long_context=variables.get("VLLM_ALLOW_LONG_MAX_MODEL_LEN") == "1",
    )


def _how_to_get(environment: Environment, variant: ResolvedVariant) -> str:
    """The command that brings the description of a model to this machine."""
    source = variant.source
    fit = f"toolkit model fit --env {environment.name} --model {variant.model} --config FILE"
    if isinstance(source, HubSource):
        revision = f" --revision {source.revision}" if source.revision else ""
        file = description.CONFIG
        if variant.engine == "llama_cpp":
            patterns = " ".join(f"--include '{pattern}'" for pattern in source.files or ("*.gguf",))
            return f"run `hf download {source.hub}{revision} {patterns}`"
        return f"run `hf download {source.hub} {file}{revision}`"
    if isinstance(source, S3Source) and not source.is_archive:
        name = "the GGUF file" if variant.engine == "llama_cpp" else description.CONFIG
        return f"download {name} with `aws s3 cp {source.s3}… .`, and run `{fit}`"
    return f"run `{fit}` with the config.json of the model"
