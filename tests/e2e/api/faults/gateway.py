"""Faults of the functions, and of the way to them."""

from __future__ import annotations

import dataclasses
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx

from tests.e2e.api.faults.deployment import Deployment, Planted, completes, fault, variables
from tests.support.patience import HANG_SECONDS, wait_for
from toolkit.smoke import Layer, Options

_DEPLOYED, _RESPONDS = ("gateway", "gateway function deployed"), ("gateway", "gateway function responds")
_CHANGED = "changed outside of the toolkit"
GATEWAY: dict[str, Planted] = {
    "gateway_configuration_damaged": Planted(variables("gateway", GATEWAY_MODELS="{"), *_DEPLOYED, _CHANGED),
    "gateway_throws": Planted(
        variables("gateway", GATEWAY_KEEPALIVE_SECONDS="soon"), *_RESPONDS, "gateway function fails"
    ),
}


def served(deployment: Deployment) -> dict[str, Any]:
    """The models in the gateway's configuration."""
    name = deployment.outputs.functions["gateway"]
    configuration = deployment.client("lambda").get_function_configuration(FunctionName=name)
    return dict(json.loads(configuration["Environment"]["Variables"]["GATEWAY_MODELS"]))


@fault(GATEWAY, *_DEPLOYED, _CHANGED)
def gateway_calls_another_endpoint(deployment: Deployment) -> Iterator[None]:
    models = {name: {**model, "endpoint": "llm-clients-broken"} for name, model in served(deployment).items()}
    with variables("gateway", GATEWAY_MODELS=json.dumps(models))(deployment):
        yield


@fault(GATEWAY, *_DEPLOYED, "is not applied")
def alias_stale(deployment: Deployment) -> Iterator[None]:
    models = {name: {**model, "aliases": ["old"]} for name, model in served(deployment).items()}
    with variables("gateway", GATEWAY_MODELS=json.dumps({**served(deployment), "echo": models["echo"]}))(
        deployment
    ):
        yield


@fault(GATEWAY, *_DEPLOYED, _CHANGED)
def gateway_runs_other_code(deployment: Deployment) -> Iterator[None]:
    functions, names = deployment.client("lambda"), deployment.outputs.functions
    own = (deployment.context.project.lambda_build).glob("gateway-*.zip")
    others = deployment.context.project.lambda_build.glob("authorizer-*.zip")
    for package in (next(others), next(own)):
        functions.update_function_code(FunctionName=names["gateway"], ZipFile=package.read_bytes())
        functions.get_waiter("function_updated_v2").wait(FunctionName=names["gateway"])
        if package.name.startswith("authorizer"):
            yield


@fault(GATEWAY, *_DEPLOYED, "concurrency is 0")
def concurrency_of_the_gateway_is_zero(deployment: Deployment) -> Iterator[None]:
    functions, name = deployment.client("lambda"), deployment.outputs.functions["gateway"]
    functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    yield
    functions.delete_function_concurrency(FunctionName=name)


@fault(GATEWAY, *_RESPONDS, "concurrency is used up")
def concurrency_used_up(deployment: Deployment) -> Iterator[None]:
    """The only execution waits for the model, which responds after the test."""
    functions, name = deployment.client("lambda"), deployment.outputs.functions["gateway"]
    started, released = threading.Event(), threading.Event()

    def hang(handler: Any, request: dict[str, Any]) -> None:
        started.set()
        released.wait()
        completes()(handler, request)

    def occupy() -> None:
        body = {"model": "echo", "messages": [{"role": "user", "content": "Wait."}]}
        headers = {"x-api-key": deployment.api.key}
        url = f"{deployment.outputs.api_base_url}/chat/completions"
        responses.append(httpx.post(url, json=body, headers=headers, timeout=HANG_SECONDS))

    responses: list[httpx.Response] = []
    functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    deployment.api.engine.behaviour = hang
    deployment.options = Options(models=["echo"], only=[Layer.GATEWAY])
    client = threading.Thread(target=occupy)
    client.start()
    wait_for(started.is_set, "the request that occupies the function")
    yield
    released.set()
    client.join()
    assert responses[0].status_code == 200
    functions.delete_function_concurrency(FunctionName=name)


@fault(GATEWAY, "gateway", "API reachable", "does not reach the API")
def api_unreachable(deployment: Deployment) -> Iterator[None]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    deployment.outputs = dataclasses.replace(deployment.outputs, api_base_url=f"http://127.0.0.1:{port}/v1")
    yield
