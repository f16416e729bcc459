"""Mistakes that only show when several keys are seen together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from toolkit.environment.account import Account
from toolkit.environment.environment import endpoint_name, model_store_bucket
from toolkit.environment.model import Model
from toolkit.environment.problems import Problem
from toolkit.environment.sources import HubSource, S3Source, ServerSource
from toolkit.serving import catalogue
from toolkit.serving.catalogue import NotInCatalogueError
from toolkit.serving.engines import ENGINES

# SageMaker's 63, without the hyphen and the 8 digits that endpoint configurations and models add.
MAX_ENDPOINT_NAME = 63 - 9


@dataclass(frozen=True)
class Parts:
    """Those parts of a file that are right by themselves; None for the others.

    With it what several keys say together can be checked although something else in the file is wrong,
    and all mistakes are told at once.
    """

    env: str
    target: str | None
    name: str | None
    region: str | None
    account_id: str | None
    account: Account | None
    models: Mapping[str, Model]


def check(parts: Parts) -> Iterator[Problem]:
    """All mistakes between the keys."""
    yield from _account(parts)
    yield from _endpoint_names(parts)
    yield from _model_names(parts)
    for name, model in parts.models.items():
        yield from _source(parts, name, model)
        yield from _image(parts, name, model)
        yield from _hardware(name, model)


def _account(parts: Parts) -> Iterator[Problem]:
    if parts.account is None:
        return
    arn = parts.account.execution_role.arn
    if arn is not None and parts.account_id is not None and arn.split(":")[4] != parts.account_id:
        wrong = f"the role is in account {arn.split(':')[4]}, the environment in {parts.account_id}"
        right = "SageMaker takes roles of its own account only: correct the ARN or account_id"
        yield Problem(("account", "execution_role", "arn"), wrong, right)
    state, store = parts.account.state.bucket, parts.account.model_store.bucket
    if state is not None and state == store:
        wrong = f"{state} is the bucket of the model store"
        yield Problem(
            ("account", "state", "bucket"), wrong, "whoever runs models must not read the state: use two"
        )


def _endpoint_names(parts: Parts) -> Iterator[Problem]:
    if parts.name is None:
        return
    seen: dict[str, str] = {}
    for model in parts.models:
        endpoint = endpoint_name(f"{parts.name}-{parts.env}", model)
        path = ("models", model)
        if len(endpoint) > MAX_ENDPOINT_NAME:
            wrong = f"its endpoint would be called {endpoint}, {len(endpoint)} characters"
            right = (
                f"at most {MAX_ENDPOINT_NAME}, since SageMaker allows 63 and its configuration adds 9:"
                f" shorten the model's name by {len(endpoint) - MAX_ENDPOINT_NAME}"
            )
            yield Problem(path, wrong, right)
        if endpoint in seen:
            wrong = f"its endpoint would be called {endpoint}, as that of {seen[endpoint]}"
            yield Problem(path, wrong, "rename one: dots become hyphens in endpoint names")
        seen[endpoint] = model


def _model_names(parts: Parts) -> Iterator[Problem]:
    owners: dict[str, str] = {}
    for name, model in parts.models.items():
        for index, alias in enumerate(model.aliases):
            owner = name if alias == name else owners.get(alias)
            owner = alias if owner is None and alias in parts.models else owner
            if owner is not None:
                wrong = f"{alias} is a name of the model {owner} already"
                right = "a name stands for one model: remove or rename it"
                yield Problem(("models", name, "aliases", index), wrong, right)
            owners.setdefault(alias, name)


def _source(parts: Parts, name: str, model: Model) -> Iterator[Problem]:
    engine, source, path = model.serving.engine, model.source, ("models", name, "source")
    if isinstance(source, ServerSource):
        if parts.target == "aws":
            right = "use package, path, s3 or hub; server is for target: local"
            yield Problem((*path, "server"), "a SageMaker endpoint cannot hand on to another server", right)
        return
    if parts.target == "local" and engine != "llama_cpp":
        wrong = f"the embedded cloud cannot run {engine}"
        right = "use llama_cpp, or a server that runs already as source"
        yield Problem(("models", name, "serving", "engine"), wrong, right)
    elif isinstance(source, HubSource) and ENGINES[engine].hub is None:
        wrong = f"{engine} cannot load a pinned revision from the hub"
        right = "download the files and give their folder as path, or put them into S3"
        yield Problem((*path, "hub"), wrong, right)
    store = _model_store(parts)
    if isinstance(source, S3Source) and store and not source.s3.startswith(f"s3://{store}/"):
        wrong = f"{source.s3} is not in the model store"
        right = f"the execution role reads nothing else: copy the weights to s3://{store}/"
        yield Problem((*path, "s3"), wrong, right)


def _image(parts: Parts, name: str, model: Model) -> Iterator[Problem]:
    if parts.region is None or model.serving.image is not None:
        return
    try:
        catalogue.resolve(model.serving.engine, model.serving.version, parts.region, model.instance_type)
    except NotInCatalogueError as error:
        paths = {
            "region": ("models", name, "serving", "engine"),
            "version": ("models", name, "serving", "version"),
            "instance_type": ("models", name, "instance_type"),
        }
        yield Problem(paths[error.field], error.wrong, error.right)


def _hardware(name: str, model: Model) -> Iterator[Problem]:
    path = ("models", name, "instance_type")
    if model.instance_type.startswith("ml.t2."):
        yield Problem(path, "ml.t2 cannot be scaled automatically", "use ml.c7i.large or larger")
    option = ENGINES[model.serving.engine].parallelism
    wanted = model.serving.options.given().get(option or "")
    gpus = catalogue.instances()[model.instance_type].gpus
    if isinstance(wanted, int) and wanted > gpus:
        wrong = f"{wanted} GPUs are asked for, {model.instance_type} has {gpus}"
        right = "leave it out to use all there are, or take a larger instance type"
        yield Problem(("models", name, "serving", "options", str(option)), wrong, right)


def _model_store(parts: Parts) -> str | None:
    if parts.account is not None and parts.account.model_store.bucket is not None:
        return parts.account.model_store.bucket
    if None in (parts.account, parts.name, parts.account_id, parts.region):
        return None
    return model_store_bucket(str(parts.name), str(parts.account_id), str(parts.region))
