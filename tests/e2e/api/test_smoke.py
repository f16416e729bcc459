"""The smoke test of a healthy deployment, and of one with a fault, which is found at its layer."""

from __future__ import annotations

import dataclasses
import io
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.e2e.api.conftest import Api
from tests.support.cloud import respond, stream
from tests.support.patience import wait_for
from tests.support.rewriting import Exchange, rewriting
from toolkit import smoke
from toolkit.aws.access import AwsAccess
from toolkit.console import Console
from toolkit.deployment import outputs as deployment_outputs
from toolkit.deployment.context import Context
from toolkit.deployment.outputs import Outputs
from toolkit.environment import load
from toolkit.project import Project
from toolkit.smoke import Check, Layer, Options
from toolkit.smoke.access import Access

pytestmark = pytest.mark.e2e

ECHO = "llm-clients-echo"
TARGET = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": f"endpoint/{ECHO}/variant/AllTraffic",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}


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


def completes(
    words: str = "one two three", *, finished: bool = True, chunks: int = 3, error: bool = False
) -> Callable[[Any, dict[str, Any]], None]:
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


@pytest.fixture
def deployment(api: Api) -> Iterator[Deployment]:
    project, cloud = Project(api.toolkit.project), api.toolkit.cloud
    environment = load(project, "clients")
    access = AwsAccess(environment.region, environment.account_id, cloud.endpoint_url, cloud.root_key)
    console = Console(io.StringIO(), io.StringIO(), interactive=False)
    context = Context(project, environment, access, console, cloud.instance_id)
    before, api.engine.behaviour = api.engine.behaviour, completes()
    deployment = Deployment(api, context, deployment_outputs.read(context))
    # Failed requests of other tests may have set them off.
    deployment.echo(alarm_names=[])
    yield deployment
    api.engine.behaviour = before


Fault = Callable[[Deployment], AbstractContextManager[None]]
FAULTS: dict[str, tuple[Fault, str, str, str]] = {}


def fault(layer: str, check: str, cause: str) -> Callable[[Callable[[Deployment], Iterator[None]]], None]:
    """Add a fault with the check that must find it and a part of the cause."""

    def add(plant: Callable[[Deployment], Iterator[None]]) -> None:
        FAULTS[plant.__name__] = (contextmanager(plant), layer, check, cause)

    return add


@fault("endpoint", "endpoint InService", "deleted outside of the toolkit")
def endpoint_missing(deployment: Deployment) -> Iterator[None]:
    deployment.options = Options(models=["gone"])
    yield


@fault("endpoint", "endpoint InService", "changed outside of the toolkit")
def endpoint_on_another_configuration(deployment: Deployment) -> Iterator[None]:
    sagemaker = deployment.client("sagemaker")
    planned = deployment.outputs.models["echo"].endpoint_config_name
    variants = sagemaker.describe_endpoint_config(EndpointConfigName=planned)["ProductionVariants"]
    sagemaker.create_endpoint_config(EndpointConfigName="another", ProductionVariants=variants)
    for configuration in ("another", planned):
        sagemaker.update_endpoint(EndpointName=ECHO, EndpointConfigName=configuration)
        wait_for(
            lambda: sagemaker.describe_endpoint(EndpointName=ECHO)["EndpointStatus"] == "InService", ECHO
        )
        if configuration == "another":
            yield
    sagemaker.delete_endpoint_config(EndpointConfigName="another")


@fault("endpoint", "endpoint InService", "changed outside of the toolkit")
def configuration_with_another_model(deployment: Deployment) -> Iterator[None]:
    deployment.echo(model_names={"AllTraffic": "llm-clients-planned"})
    yield


@fault("endpoint", "autoscaling", "deregistered outside of the toolkit")
def scalable_target_missing(deployment: Deployment) -> Iterator[None]:
    scaling = deployment.client("application-autoscaling")
    scaling.deregister_scalable_target(**TARGET)
    yield
    scaling.register_scalable_target(**TARGET, MinCapacity=1, MaxCapacity=1)


@fault("endpoint", "autoscaling", "deleted outside of the toolkit")
def scaling_policy_missing(deployment: Deployment) -> Iterator[None]:
    scaling = deployment.client("application-autoscaling")
    scaling.register_scalable_target(**TARGET, MaxCapacity=2)
    yield
    scaling.register_scalable_target(**TARGET, MaxCapacity=1)


@fault("endpoint", "rollout alarms", "fail or are slow")
def alarm_fires(deployment: Deployment) -> Iterator[None]:
    cloudwatch, name = deployment.client("cloudwatch"), "llm-clients-only-by-hand"
    cloudwatch.put_metric_alarm(
        AlarmName=name,
        Namespace="Test",
        MetricName="none",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="ignore",
    )
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="5xx")
    deployment.echo(alarm_names=[name])
    yield
    cloudwatch.delete_alarms(AlarmNames=[name])


@fault("endpoint", "rollout alarms", "deleted outside of the toolkit")
def alarm_missing(deployment: Deployment) -> Iterator[None]:
    deployment.echo(alarm_names=["llm-clients-deleted"])
    yield


@fault("endpoint", "endpoint InService", "credentials")
def credentials_deleted(deployment: Deployment) -> Iterator[None]:
    access = dataclasses.replace(deployment.context.access, root_key=("AKIAIOSFODNN7EXAMPLE", "s" * 40))
    deployment.context = dataclasses.replace(deployment.context, access=access)
    deployment.options = Options(models=["echo"], only=[Layer.ENDPOINT, Layer.INVOCATION])
    yield


@fault("invocation", "runtime invocation", "model's server fails")
def model_broken(deployment: Deployment) -> Iterator[None]:
    deployment.api.engine.behaviour = lambda handler, _: respond(handler, 500, b'{"error": "CUDA"}')
    yield


@fault("invocation", "runtime invocation", "model's server fails")
def model_crashes(deployment: Deployment) -> Iterator[None]:
    def crash(handler: Any, _: dict[str, Any]) -> None:
        handler.close_connection = True
        handler.connection.shutdown(socket.SHUT_RDWR)

    deployment.api.engine.behaviour = crash
    yield


@fault("invocation", "runtime invocation", "too slow")
def model_hangs(deployment: Deployment) -> Iterator[None]:
    released = threading.Event()

    def hang(handler: Any, request: dict[str, Any]) -> None:
        released.wait()
        completes()(handler, request)

    deployment.api.engine.behaviour = hang
    deployment.options = Options(models=["echo"], only=[Layer.INVOCATION, Layer.API], timeout_seconds=0.5)
    yield
    released.set()


@fault("invocation", "runtime invocation", "generates no text")
def response_empty(deployment: Deployment) -> Iterator[None]:
    deployment.api.engine.behaviour = completes("")
    yield


@fault("invocation", "runtime invocation", "another program responds")
def response_of_another_program(deployment: Deployment) -> Iterator[None]:
    deployment.api.engine.behaviour = lambda handler, _: respond(handler, 200, b"<html>")
    yield


@fault("streaming", "runtime streaming", "ended the stream early")
def model_stream_truncated(deployment: Deployment) -> Iterator[None]:
    deployment.api.engine.behaviour = completes(finished=False)
    yield


@fault("streaming", "runtime streaming", "buffers the response")
def model_stream_buffered(deployment: Deployment) -> Iterator[None]:
    deployment.api.engine.behaviour = completes(chunks=1)
    yield


@fault("streaming", "runtime streaming", "fails during its response")
def model_fails_in_the_stream(deployment: Deployment) -> Iterator[None]:
    deployment.api.engine.behaviour = completes(error=True)
    yield


@contextmanager
def variables(deployment: Deployment, part: str, **changes: str) -> Iterator[None]:
    """Change environment variables of a function."""
    functions, name = deployment.client("lambda"), deployment.outputs.functions[part]
    before = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    for values in ({**before, **changes}, before):
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": values})
        functions.get_waiter("function_updated_v2").wait(FunctionName=name)
        if values is not before:
            yield


@fault("gateway", "gateway function deployed", "changed outside of the toolkit")
def gateway_calls_another_endpoint(deployment: Deployment) -> Iterator[None]:
    models = {name: {"endpoint": "llm-clients-broken"} for name in deployment.outputs.models}
    with variables(deployment, "gateway", GATEWAY_MODELS=json.dumps(models)):
        yield


@fault("gateway", "gateway function deployed", "changed outside of the toolkit")
def gateway_configuration_damaged(deployment: Deployment) -> Iterator[None]:
    with variables(deployment, "gateway", GATEWAY_MODELS="{"):
        yield


@fault("gateway", "gateway function deployed", "changed outside of the toolkit")
def gateway_runs_other_code(deployment: Deployment) -> Iterator[None]:
    functions, names = deployment.client("lambda"), deployment.outputs.functions
    own = (deployment.context.project.lambda_build).glob("gateway-*.zip")
    others = deployment.context.project.lambda_build.glob("authorizer-*.zip")
    for package in (next(others), next(own)):
        functions.update_function_code(FunctionName=names["gateway"], ZipFile=package.read_bytes())
        functions.get_waiter("function_updated_v2").wait(FunctionName=names["gateway"])
        if package.name.startswith("authorizer"):
            yield


@fault("gateway", "gateway function deployed", "concurrency is 0")
def concurrency_of_the_gateway_is_zero(deployment: Deployment) -> Iterator[None]:
    functions, name = deployment.client("lambda"), deployment.outputs.functions["gateway"]
    functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    yield
    functions.delete_function_concurrency(FunctionName=name)


@fault("gateway", "API reachable", "does not reach the API")
def api_unreachable(deployment: Deployment) -> Iterator[None]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    deployment.outputs = dataclasses.replace(deployment.outputs, api_base_url=f"http://127.0.0.1:{port}/v1")
    yield


@fault("gateway", "gateway function responds", "gateway function fails")
def gateway_throws(deployment: Deployment) -> Iterator[None]:
    with variables(deployment, "gateway", GATEWAY_KEEPALIVE_SECONDS="soon"):
        yield


@fault("keys", "key accepted", "authorizer function fails")
def authorizer_throws(deployment: Deployment) -> Iterator[None]:
    functions, name = deployment.client("lambda"), deployment.outputs.functions["authorizer"]
    before = functions.get_function_configuration(FunctionName=name)["Handler"]
    for handler in ("authorizer.handler.missing", before):
        functions.update_function_configuration(FunctionName=name, Handler=handler)
        functions.get_waiter("function_updated_v2").wait(FunctionName=name)
        if handler != before:
            yield


@fault("keys", "key accepted", "denies every request")
def authorizer_denies_all(deployment: Deployment) -> Iterator[None]:
    with variables(deployment, "authorizer", KEY_HEADERS="x-other"):
        yield


def default_key(deployment: Deployment) -> tuple[Any, str, str]:
    """API Gateway's client, the id of the key `default` and that of its usage plan."""
    gateway, plan = deployment.client("apigateway"), deployment.outputs.usage_plan_ids["default"]
    keys = gateway.get_usage_plan_keys(usagePlanId=plan)["items"]
    (key,) = [key["id"] for key in keys if key["name"] == "llm-clients/default"]
    return gateway, key, plan


@fault("keys", "key accepted", "disabled outside of the toolkit")
def key_disabled(deployment: Deployment) -> Iterator[None]:
    gateway, key, _ = default_key(deployment)
    for value in ("false", "true"):
        operation = {"op": "replace", "path": "/enabled", "value": value}
        gateway.update_api_key(apiKey=key, patchOperations=[operation])
        if value == "false":
            yield


@fault("keys", "key accepted", "removed from its usage plan")
def key_without_usage_plan(deployment: Deployment) -> Iterator[None]:
    gateway, key, plan = default_key(deployment)
    gateway.delete_usage_plan_key(usagePlanId=plan, keyId=key)
    yield
    gateway.create_usage_plan_key(usagePlanId=plan, keyId=key, keyType="API_KEY")


@fault("keys", "key accepted", "quota of the key is used up")
def quota_used_up(deployment: Deployment) -> Iterator[None]:
    gateway, _, plan = default_key(deployment)
    quota = {"/quota/limit": "1", "/quota/period": "MONTH"}
    operations = [{"op": "replace", "path": path, "value": value} for path, value in quota.items()]
    gateway.update_usage_plan(usagePlanId=plan, patchOperations=operations)
    Access(deployment.context, deployment.outputs, 10).response()
    yield
    gateway.update_usage_plan(usagePlanId=plan, patchOperations=[{"op": "remove", "path": "/quota"}])


@fault("keys", "usage plan", "changed outside of the toolkit")
def usage_plan_changed(deployment: Deployment) -> Iterator[None]:
    gateway, _, plan = default_key(deployment)
    for value in ("4999", "5000"):
        operation = {"op": "replace", "path": "/throttle/burstLimit", "value": value}
        gateway.update_usage_plan(usagePlanId=plan, patchOperations=[operation])
        if value == "4999":
            yield


@contextmanager
def changed(
    deployment: Deployment, change: Callable[[Exchange], None], headers: dict[str, str] | None = None
) -> Iterator[None]:
    """Put a proxy in front of the API that changes responses."""
    address = urlsplit(deployment.outputs.api_base_url)
    with rewriting(f"{address.scheme}://{address.netloc}", change, headers) as proxy:
        deployment.outputs = dataclasses.replace(deployment.outputs, api_base_url=proxy + address.path)
        yield


def unchanged(exchange: Exchange) -> None:
    """Do not change a response, except that its length is known."""


@fault("keys", "request without key refused", "anybody may call")
def api_is_open(deployment: Deployment) -> Iterator[None]:
    deployment.options = Options(models=["echo"], only=[Layer.KEYS])
    with changed(deployment, unchanged, {"x-api-key": deployment.api.key}):
        yield


@fault("api", "API call", "another model")
def another_model_responds(deployment: Deployment) -> Iterator[None]:
    def change(exchange: Exchange) -> None:
        exchange.body = exchange.body.replace(b'"model": "echo"', b'"model": "other"')
        exchange.body = exchange.body.replace(b'"model":"echo"', b'"model":"other"')

    with changed(deployment, change):
        yield


@fault("api", "API call", "no capacity")
def fallback_responds(deployment: Deployment) -> Iterator[None]:
    def change(exchange: Exchange) -> None:
        if b"Count from" in exchange.sent:
            exchange.received["x-fallback-model"] = "smollm2"

    with changed(deployment, change):
        yield


@fault("api-streaming", "streamed API call", "proxy buffers")
def api_stream_buffered(deployment: Deployment) -> Iterator[None]:
    with changed(deployment, unchanged):
        yield


@fault("api-streaming", "streamed API call", "ended the stream early")
def api_stream_truncated(deployment: Deployment) -> Iterator[None]:
    def change(exchange: Exchange) -> None:
        exchange.body = exchange.body.removesuffix(b"data: [DONE]\n\n")
        exchange.chunked = True

    with changed(deployment, change):
        yield


def accepts(request: Callable[[bytes], bool]) -> Callable[[Exchange], None]:
    """A change of the responses to certain requests: they succeed."""

    def change(exchange: Exchange) -> None:
        exchange.chunked = True
        if request(exchange.sent):
            exchange.status = 200

    return change


@fault("errors", "unknown model refused", "does not validate")
def unknown_model_accepted(deployment: Deployment) -> Iterator[None]:
    with changed(deployment, accepts(lambda sent: b"unknown-model" in sent)):
        yield


@fault("errors", "invalid JSON refused", "does not validate")
def invalid_json_accepted(deployment: Deployment) -> Iterator[None]:
    with changed(deployment, accepts(lambda sent: sent == b'{"model": ')):
        yield


@fault("logs", "log", "denies every request")
def log_of_a_refused_request(deployment: Deployment) -> Iterator[None]:
    deployment.options = Options(models=["echo"], only=[Layer.LOGS])
    with variables(deployment, "authorizer", KEY_HEADERS="x-other"):
        yield


@fault("logs", "log", "deleted outside of the toolkit")
def log_group_missing(deployment: Deployment) -> Iterator[None]:
    groups = {**deployment.outputs.log_groups, "gateway": "/aws/lambda/deleted"}
    deployment.outputs = dataclasses.replace(deployment.outputs, log_groups=groups)
    yield


@fault("logs", "log", "may not write its log")
def log_does_not_arrive(deployment: Deployment) -> Iterator[None]:
    groups = {"gateway": deployment.outputs.log_groups["authorizer"]}
    deployment.outputs = dataclasses.replace(deployment.outputs, log_groups=groups)
    deployment.options = Options(models=["echo"], only=[Layer.LOGS], timeout_seconds=2)
    yield


@fault("logs", "metrics", "does not extract")
def metrics_do_not_arrive(deployment: Deployment) -> Iterator[None]:
    functions = {**deployment.outputs.functions, "gateway": "llm-clients-deleted"}
    deployment.outputs = dataclasses.replace(deployment.outputs, functions=functions)
    deployment.options = Options(models=["echo"], only=[Layer.LOGS], timeout_seconds=2)
    yield


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_at_its_layer_with_its_cause(deployment: Deployment, name: str) -> None:
    plant, layer, check, cause = FAULTS[name]
    with plant(deployment):
        checks = deployment.run()
    failed = [item for item in checks if item.ok is False]
    assert failed, checks
    assert (failed[0].layer, failed[0].name) == (layer, check), failed[0].line()
    assert cause in (failed[0].cause or ""), failed[0].line()
    assert failed[0].command
    assert len(failed) == 1, [item.line() for item in failed]
    assert deployment.api.key not in "".join(item.line() for item in checks)


def test_a_healthy_deployment_passes(deployment: Deployment) -> None:
    deployment.options = Options(models=["smollm2", "embedder", "echo"])
    deployment.outputs = deployment_outputs.read(deployment.context)
    cloudwatch = deployment.client("cloudwatch")
    # Failed requests of other tests have set some off.
    wait_for(lambda: not cloudwatch.describe_alarms(StateValue="ALARM")["MetricAlarms"], "quiet alarms")
    checks = deployment.run()
    assert [check.line() for check in checks if not check.ok] == []
    layers = {model: [check.layer for check in checks if check.model == model] for model in (None, "echo")}
    inner = [Layer.ENDPOINT, Layer.ENDPOINT, Layer.ENDPOINT, Layer.INVOCATION, Layer.STREAMING]
    assert layers["echo"] == [*inner, Layer.API, Layer.API_STREAMING]
    assert set(layers[None]) == {Layer.GATEWAY, Layer.KEYS, Layer.ERRORS, Layer.LOGS}
    embedder = {check.name: check.detail for check in checks if check.model == "embedder"}
    assert embedder["API call"] == embedder["runtime invocation"] == "576 dimensions"
    assert "runtime streaming" not in embedder
    assert deployment.api.key not in "".join(check.line() for check in checks)


def test_a_failed_model_leaves_the_others_and_the_api(deployment: Deployment) -> None:
    deployment.options = Options(models=["gone", "echo"])
    verdicts = {(check.subject, check.name): check.verdict for check in deployment.run()}
    assert verdicts.pop(("gone", "endpoint InService")) == "failed"
    others = {name: verdict for (subject, name), verdict in verdicts.items() if subject == "gone"}
    assert set(others.values()) == {"not run"}
    assert len(others) == 6
    assert {verdict for (subject, _), verdict in verdicts.items() if subject != "gone"} == {"passed"}
