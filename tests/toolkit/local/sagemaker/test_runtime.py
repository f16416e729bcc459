"""Invocations, of containers that relay to a server of the test."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, EventStreamError

from tests.support.access import signed
from tests.support.cloud import LLAMA_IMAGE, ROLE, Engine, Hosting, respond, stream
from tests.support.patience import HANG_SECONDS

pytestmark = pytest.mark.slow

PROMPT = b'{"prompt": "p", "model": "mine"}'


@pytest.fixture
def runtime(hosting: Hosting) -> Any:
    return hosting.aws("sagemaker-runtime")


@pytest.fixture
def endpoint(hosting: Hosting, engine: Engine) -> str:
    name = hosting.endpoint(hosting.configuration(container=engine.container))
    hosting.settled(name)
    return name


def parts(response: Any) -> Iterator[bytes]:
    return (event["PayloadPart"]["Bytes"] for event in response["Body"])


def test_request_and_response_are_passed_through(runtime: Any, endpoint: str, engine: Engine) -> None:
    response = runtime.invoke_endpoint(
        EndpointName=endpoint,
        Body=PROMPT,
        ContentType="application/json",
        CustomAttributes="trace=1",
        InferenceId="i-1",
    )
    assert response["Body"].read() == b'{"ok": true}'
    assert response["ContentType"] == "application/json"
    assert response["InvokedProductionVariant"] == "AllTraffic"
    [request] = engine.requests
    assert request["path"] == "/v1/completions"
    assert request["body"] == {"prompt": "p", "model": "served"}
    headers = {name.lower(): value for name, value in request["headers"].items()}
    assert headers["content-type"] == "application/json"
    assert headers["x-amzn-sagemaker-custom-attributes"] == "trace=1"
    assert headers["x-amzn-sagemaker-inference-id"] == "i-1"
    # The container does not get the client's signature.
    assert "authorization" not in headers


def test_parts_of_a_stream_arrive_at_once(runtime: Any, endpoint: str, engine: Engine) -> None:
    chunks = [f"data: {number}\n\n".encode() for number in range(10)]
    received = threading.Semaphore(0)

    def one_by_one() -> Iterator[bytes]:
        """Send each part after the client has received the one before."""
        for chunk in chunks:
            yield chunk
            received.acquire(timeout=HANG_SECONDS)

    engine.behaviour = lambda handler, _: stream(handler, one_by_one())
    response = runtime.invoke_endpoint_with_response_stream(EndpointName=endpoint, Body=PROMPT)
    assert response["ContentType"] == "text/event-stream"
    assert response["InvokedProductionVariant"] == "AllTraffic"
    arrived = []
    for part in parts(response):
        arrived.append(part)
        received.release()
    assert arrived == chunks


@pytest.mark.parametrize("status", [400, 500])
@pytest.mark.parametrize("operation", ["invoke_endpoint", "invoke_endpoint_with_response_stream"])
def test_a_model_error_has_the_models_message(
    runtime: Any, endpoint: str, engine: Engine, operation: str, status: int
) -> None:
    body = b'{"error": "\\u8fc7\\u957f"}'
    engine.behaviour = lambda handler, _: respond(handler, status, body)
    with pytest.raises(runtime.exceptions.ModelError) as error:
        getattr(runtime, operation)(EndpointName=endpoint, Body=PROMPT)
    response = error.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert response["OriginalStatusCode"] == status
    assert response["OriginalMessage"] == body.decode()
    side = "client" if status == 400 else "server"
    assert f"Received {side} error ({status}) from primary" in response["Error"]["Message"]
    assert f"/aws/sagemaker/Endpoints/{endpoint}:log-stream:AllTraffic/i-" in response["LogStreamArn"]


@pytest.mark.parametrize("operation", ["invoke_endpoint", "invoke_endpoint_with_response_stream"])
def test_unknown_endpoints_and_variants_are_rejected(runtime: Any, endpoint: str, operation: str) -> None:
    with pytest.raises(ClientError) as error:
        getattr(runtime, operation)(EndpointName="no-such", Body=PROMPT)
    assert error.value.response["Error"]["Code"] == "ValidationError"
    assert "no-such of account 123456789012 not found" in error.value.response["Error"]["Message"]
    with pytest.raises(ClientError, match="Variant v2 not found"):
        getattr(runtime, operation)(EndpointName=endpoint, Body=PROMPT, TargetVariant="v2")


def test_a_broken_stream_ends_with_an_error(runtime: Any, endpoint: str, engine: Engine) -> None:
    def broken(handler: Any, _: dict[str, Any]) -> None:
        def half() -> Iterator[bytes]:
            yield b"data: 1\n\n"
            handler.connection.close()
            raise ConnectionError

        try:
            stream(handler, half())
        except (ConnectionError, ValueError):
            handler.close_connection = True
            handler.wfile = open("/dev/null", "wb")  # noqa: PTH123, SIM115

    engine.behaviour = broken
    response = runtime.invoke_endpoint_with_response_stream(EndpointName=endpoint, Body=PROMPT)
    received: list[bytes] = []
    with pytest.raises(EventStreamError, match="ModelStreamError"):
        received.extend(parts(response))


def test_a_payload_beyond_the_limit_is_rejected(runtime: Any, endpoint: str) -> None:
    with pytest.raises(ClientError, match="length less than or equal to 6291456"):
        runtime.invoke_endpoint(EndpointName=endpoint, Body=b"x" * (6 * 1024 * 1024 + 1))


@pytest.mark.parametrize("path", ["invocations", "invocations-response-stream"])
def test_a_disconnected_client_stops_the_work(endpoint: str, engine: Engine, cloud: Any, path: str) -> None:
    started, disconnected = threading.Event(), threading.Event()

    def endless(handler: Any, _: dict[str, Any]) -> None:
        def tokens() -> Iterator[bytes]:
            while True:
                started.set()
                yield b"data: token\n\n"
                time.sleep(0.01)

        try:
            stream(handler, tokens())
        except OSError:
            disconnected.set()
            handler.close_connection = True

    engine.behaviour = endless
    connection = http.client.HTTPConnection(cloud.endpoint_url.removeprefix("http://"))
    target = f"/endpoints/{endpoint}/{path}"
    connection.request("POST", target, body=PROMPT, headers=signed(cloud, "sagemaker", target, PROMPT))
    assert started.wait(HANG_SECONDS)
    connection.close()
    assert disconnected.wait(HANG_SECONDS)


def test_variants_share_the_traffic_by_weight(hosting: Hosting, runtime: Any, engine: Engine) -> None:
    for name in ("heavy", "light"):
        hosting.sagemaker.create_model(
            ModelName=f"weighted-{name}",
            ExecutionRoleArn=ROLE,
            PrimaryContainer={"Image": LLAMA_IMAGE} | engine.container,
        )
    variants = [
        {
            "VariantName": name,
            "ModelName": f"weighted-{name}",
            "InstanceType": "ml.c7i.xlarge",
            "InitialInstanceCount": 1,
            "InitialVariantWeight": weight,
        }
        for name, weight in (("heavy", 9.0), ("light", 1.0))
    ]
    hosting.sagemaker.create_endpoint_config(EndpointConfigName="weighted", ProductionVariants=variants)
    endpoint = hosting.endpoint("weighted")
    hosting.settled(endpoint)

    def invoked(**members: Any) -> str:
        response = runtime.invoke_endpoint(EndpointName=endpoint, Body=PROMPT, **members)
        return str(response["InvokedProductionVariant"])

    counts = Counter(invoked() for _ in range(300))
    # The probability of a count outside these bounds is 10⁻¹³.
    assert 0 < counts["light"] < 100
    assert counts["heavy"] == 300 - counts["light"]
    assert {invoked(TargetVariant="light") for _ in range(10)} == {"light"}


def test_requests_run_concurrently(runtime: Any, endpoint: str, engine: Engine) -> None:
    barrier = threading.Barrier(8, timeout=HANG_SECONDS)

    def together(handler: Any, request: dict[str, Any]) -> None:
        barrier.wait()
        respond(handler, 200, json.dumps(request["body"]).encode())

    engine.behaviour = together
    results: dict[int, Any] = {}

    def invoke(number: int) -> None:
        body = json.dumps({"prompt": str(number)})
        response = runtime.invoke_endpoint(EndpointName=endpoint, Body=body)
        results[number] = json.loads(response["Body"].read())["prompt"]

    threads = [threading.Thread(target=invoke, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HANG_SECONDS)
    # The engine echoes the prompt, so a mixed-up response would show.
    assert results == {number: str(number) for number in range(8)}
