"""The deployed API with what the smoke test believes about it, and the registry of faults."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from urllib.parse import urlsplit

from tests.e2e.api.conftest import Api
from tests.support.cloud import Behaviour, respond, stream
from tests.support.rewriting import Exchange, rewriting
from toolkit import smoke
from toolkit.deployment.context import Context
from toolkit.deployment.outputs import Outputs
from toolkit.smoke import Check, Options


@dataclasses.dataclass
class Deployment:
    """The deployed API, and what the smoke test believes about it.

    Attributes:
        api: the API.
        context: the environment.
        outputs: its outputs.
        options: of the smoke test.
    """

    api: Api
    context: Context
    outputs: Outputs
    options: Options = dataclasses.field(default_factory=lambda: Options(models=["echo"]))

    def client(self, service: str) -> Any:
        return self.api.toolkit.client(service)

    def run(self) -> list[Check]:
        return list(smoke.run(self.context, self.outputs, self.options))

    def echo(self, **changes: Any) -> None:
        """Change what the smoke test believes about the model `echo`."""
        models = {**self.outputs.models, "echo": dataclasses.replace(self.outputs.models["echo"], **changes)}
        self.outputs = dataclasses.replace(self.outputs, models=models)

    def declare(self, **sections: Any) -> None:
        """Change sections of the model `echo` in the environment file."""
        environment = self.context.environment
        models = {**environment.models, "echo": environment.models["echo"].model_copy(update=sections)}
        self.context = dataclasses.replace(
            self.context, environment=environment.model_copy(update={"models": models})
        )


Fault = Callable[[Deployment], AbstractContextManager[None]]
Plant = Callable[[Deployment], Iterator[None]]


@dataclasses.dataclass(frozen=True)
class Planted:
    """A fault, and the check that must find it.

    Attributes:
        plant: plants the fault, and removes it.
        layer, check: of the check.
        cause: a part of the cause that it names.
    """

    plant: Fault
    layer: str
    check: str
    cause: str


def fault(faults: dict[str, Planted], layer: str, check: str, cause: str) -> Callable[[Plant], None]:
    """Add a fault to those of its subject, with the check that must find it and a part of the cause."""

    def add(plant: Plant) -> None:
        faults[plant.__name__] = Planted(contextmanager(plant), layer, check, cause)

    return add


def behaves(behaviour: Behaviour, **changes: Any) -> Fault:
    """A model that responds in this way, under these options and sections of the environment file."""

    @contextmanager
    def plant(deployment: Deployment) -> Iterator[None]:
        deployment.api.engine.behaviour = behaviour
        options = changes.get("options")
        deployment.options = options or deployment.options
        deployment.declare(**{name: value for name, value in changes.items() if name != "options"})
        yield

    return plant


def believes(**changes: Any) -> Fault:
    """Outputs that say something else about the model `echo`."""

    @contextmanager
    def plant(deployment: Deployment) -> Iterator[None]:
        deployment.echo(**changes)
        yield

    return plant


def variables(part: str, **changes: str) -> Fault:
    """Other environment variables of a function."""

    @contextmanager
    def plant(deployment: Deployment) -> Iterator[None]:
        functions, name = deployment.client("lambda"), deployment.outputs.functions[part]
        before = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        for values in ({**before, **changes}, before):
            functions.update_function_configuration(FunctionName=name, Environment={"Variables": values})
            functions.get_waiter("function_updated_v2").wait(FunctionName=name)
            if values is not before:
                yield

    return plant


def rewrites(
    change: Callable[[Exchange], None], with_key: bool = False, options: Options | None = None
) -> Fault:
    """A proxy in front of the API that changes responses, and may add the key to requests."""

    @contextmanager
    def plant(deployment: Deployment) -> Iterator[None]:
        address = urlsplit(deployment.outputs.api_base_url)
        headers = {"x-api-key": deployment.api.key} if with_key else None
        deployment.options = options or deployment.options
        with rewriting(f"{address.scheme}://{address.netloc}", change, headers) as proxy:
            deployment.outputs = dataclasses.replace(deployment.outputs, api_base_url=proxy + address.path)
            yield

    return plant


def completes(
    words: str = "one two three", *, finished: bool = True, chunks: int = 3, error: bool = False
) -> Behaviour:
    """A model that responds with these words, whole or streamed."""

    def behave(handler: Any, request: dict[str, Any]) -> None:
        if not request["body"].get("stream"):
            message = {"role": "assistant", "content": words}
            body = {"object": "chat.completion", "choices": [{"index": 0, "message": message}]}
            respond(handler, 200, json.dumps(body).encode())
            return
        parts = [words] if chunks == 1 else [f"{word} " for word in words.split()]
        documents: list[Any] = [{"choices": [{"index": 0, "delta": {"content": part}}]} for part in parts]
        if error:
            documents.append({"error": {"message": "worker died"}})
        elif finished:
            documents.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        events = [b"data: " + json.dumps(document).encode() + b"\n\n" for document in documents]
        if chunks == 1:
            events = [events[0], b"data: [DONE]\n\n"]
        elif finished:
            events.append(b"data: [DONE]\n\n")
        stream(handler, iter(events))

    return behave
