from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from botocore.endpoint_provider import EndpointProvider
from botocore.loaders import Loader
from botocore.parsers import create_parser
from gateway.aws_service import host_header, service_url
from gateway.endpoints import Call, Endpoints, response_error
from gateway.errors import (
    ApiError,
    InternalError,
    ModelError,
    ModelTimeoutError,
    ModelUnavailableError,
    RequestTooLargeError,
)
from gateway.settings import SettingsError
from hypothesis import given
from hypothesis import strategies as st

from tests.support.patience import HANG_SECONDS
from toolkit.local.eventstream import Event

CALL = Call("demo", b"{}", streamed=True, request_id="r" * 100, trace="Root=1-2-3")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, engine: Any) -> pytest.MonkeyPatch:
    for name, value in {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    monkeypatch.setenv("AWS_ENDPOINT_URL", engine.address)
    return monkeypatch


def run(scenario: Callable[[Endpoints], Awaitable[Any]]) -> Any:
    """Run a scenario in a new event loop, with a new client."""

    async def main() -> Any:
        return await asyncio.wait_for(scenario(Endpoints(os.environ)), HANG_SECONDS)

    return asyncio.run(main())


async def response(endpoints: Endpoints, call: Call = CALL) -> bytes:
    invocation = await endpoints.invoke(call)
    parts = []
    while part := await invocation.read():
        parts.append(part)
    return b"".join(parts)


def test_close_ends_a_read(environment: Any, engine: Any) -> None:
    silent = threading.Event()
    engine.respond(b"one", lambda: silent.wait(HANG_SECONDS), b"two")

    async def scenario(endpoints: Endpoints) -> None:
        invocation = await endpoints.invoke(CALL)
        assert await invocation.read() == b"one"
        reading = asyncio.ensure_future(invocation.read())
        await asyncio.sleep(0)
        invocation.close()
        with pytest.raises(ApiError):
            await reading
        silent.set()

    run(scenario)


def test_close_before_the_response_begins(environment: Any, engine: Any) -> None:
    invoked, silent = threading.Event(), threading.Event()
    engine.error, engine.failing = (500, "never sent", {}), ("demo",)
    engine.before_response = lambda: invoked.set() or silent.wait(HANG_SECONDS)

    async def scenario(endpoints: Endpoints) -> None:
        invocation = await endpoints.invoke(CALL)
        reading = asyncio.ensure_future(invocation.read())
        await asyncio.to_thread(invoked.wait, HANG_SECONDS)
        invocation.close()
        with pytest.raises(ModelError):
            await reading
        silent.set()

    run(scenario)


def test_a_read_returns_after_its_time(environment: Any, engine: Any) -> None:
    silent = threading.Event()
    engine.respond(lambda: silent.wait(HANG_SECONDS), b"one")

    async def scenario(endpoints: Endpoints) -> list[bytes | None]:
        invocation = await endpoints.invoke(CALL)
        waits = [await invocation.read(0.001) for _ in range(3)]
        silent.set()
        return [*waits, await invocation.read(), await invocation.read()]

    assert run(scenario) == [None, None, None, b"one", b""]


def test_a_silent_model_times_out(environment: pytest.MonkeyPatch, engine: Any) -> None:
    environment.setattr("gateway.http_client._SILENCE_SECONDS", 0.05)
    silent = threading.Event()
    engine.respond(b"one", lambda: silent.wait(HANG_SECONDS))

    async def scenario(endpoints: Endpoints) -> None:
        with pytest.raises(ModelTimeoutError):
            await response(endpoints)
        silent.set()

    run(scenario)


def test_an_unreachable_endpoint_is_unavailable(environment: pytest.MonkeyPatch) -> None:
    for address in ("http://127.0.0.1:1", "http://name.invalid"):
        environment.setenv("AWS_ENDPOINT_URL", address)
        with pytest.raises(ModelUnavailableError):
            run(response)


def test_failed_calls_are_not_retried(environment: Any, engine: Any) -> None:
    engine.error = (503, "ServiceUnavailable", {"Message": "no"})
    with pytest.raises(ModelUnavailableError):
        run(response)
    assert len(engine.bodies) == 1


def test_requests_too_large_for_sagemaker(environment: Any, engine: Any) -> None:
    engine.error = (400, "ValidationError", {"Message": "Value at 'body' failed to satisfy constraint"})
    with pytest.raises(RequestTooLargeError):
        run(response)


def test_calls_carry_the_trace_and_the_request_id(environment: Any, engine: Any) -> None:
    engine.respond(b"one")
    assert run(response) == b"one"
    assert engine.headers[0]["x-amzn-trace-id"] == "Root=1-2-3"
    assert engine.headers[0]["x-amzn-sagemaker-inference-id"] == "r" * 64
    run(lambda endpoints: response(endpoints, replace(CALL, trace=None)))
    assert "x-amzn-trace-id" not in engine.headers[1]


def test_ids_cannot_add_headers(environment: Any, engine: Any) -> None:
    engine.respond(b"one")
    call = replace(CALL, request_id="a\r\nx-injected: 1", trace="b\r\n\r\nPOST /")
    assert run(lambda endpoints: response(endpoints, call)) == b"one"
    assert "x-injected" not in engine.headers[0]
    assert engine.headers[0]["x-amzn-trace-id"] == "b_POST_/"


def test_serverless_endpoints_are_invoked_without_streaming(environment: Any, engine: Any) -> None:
    engine.respond(b"one", b"two")
    assert run(lambda endpoints: response(endpoints, replace(CALL, streamed=False))) == b"onetwo"
    assert engine.paths == ["/endpoints/demo/invocations"]


@pytest.mark.parametrize("streamed", [True, False])
def test_a_lost_connection(environment: Any, engine: Any, streamed: bool) -> None:
    engine.respond(b"one")
    engine.cut = True
    with pytest.raises(ModelError):
        run(lambda endpoints: response(endpoints, replace(CALL, streamed=streamed)))


def test_a_stream_beyond_the_time_limit(environment: Any, engine: Any) -> None:
    engine.respond(b"one")
    words = "The model failed to finish sending the response within the timeout period allowed."
    engine.failure = ("ModelStreamError", {"Message": words, "ErrorCode": "ModelInvocationTimeExceeded"})
    with pytest.raises(ModelTimeoutError):
        run(response)


def test_bytes_before_a_failure_are_read(environment: Any, engine: Any) -> None:
    engine.respond(b"one", b"two")
    engine.failure = ("InternalStreamFailure", {"Message": "boom"})

    async def scenario(endpoints: Endpoints) -> bytes:
        invocation = await endpoints.invoke(CALL)
        received = b""
        with pytest.raises(ModelError, match="in the middle"):
            while part := await invocation.read():
                received += part
        return received

    assert run(scenario) == b"onetwo"


def test_a_stream_that_ends_within_a_frame(environment: pytest.MonkeyPatch) -> None:
    frames = Event.blob("PayloadPart").encode(b"one") + Event.blob("PayloadPart").encode(b"two")[:-1]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n{}")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(frames), frames))
        writer.close()

    async def scenario() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        environment.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        invocation = await Endpoints(os.environ).invoke(CALL)
        assert await invocation.read() == b"one"
        with pytest.raises(ModelError, match="connection"):
            await invocation.read()
        server.close()

    asyncio.run(asyncio.wait_for(scenario(), HANG_SECONDS))


def test_missing_credentials_are_an_internal_error(environment: pytest.MonkeyPatch, engine: Any) -> None:
    environment.delenv("AWS_SECRET_ACCESS_KEY")
    environment.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(InternalError):
        run(response)
    assert engine.bodies == []


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": "localhost:8080"},
        {"AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": "http://localhost:http"},
        {"AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": "http://[localhost"},
        {"AWS_REGION": "us-east-1", "AWS_CA_BUNDLE": "/nonexistent"},
    ],
)
def test_invalid_settings(variables: dict[str, str]) -> None:
    with pytest.raises(SettingsError):
        Endpoints(variables)


@pytest.mark.parametrize(
    ("service", "host"), [("sagemaker-runtime", "runtime.sagemaker"), ("dynamodb", "dynamodb")]
)
def test_addresses_are_those_of_botocore(service: str, host: str) -> None:
    loader = Loader()
    partitions = loader.load_data("partitions")
    rules = loader.load_service_model(service, "endpoint-rule-set-1")
    provider = EndpointProvider(rules, partitions)
    regions = [region for partition in partitions["partitions"] for region in partition["regions"]]
    # Others are not regions, such as `aws-global`.
    regions = [region for region in regions if region[-1].isdigit()]
    assert {"us-east-1", "cn-north-1", "eusc-de-east-1"} <= set(regions)
    for region in [*regions, "eu-new-9"]:
        expected = provider.resolve_endpoint(Region=region, UseFIPS=False, UseDualStack=False).url
        assert service_url({}, host, region, "ANY") == expected


@pytest.mark.parametrize(
    ("host", "port", "expected"),
    [("localhost", 80, "localhost"), ("localhost", 8080, "localhost:8080"), ("::1", 8080, "[::1]:8080")],
)
def test_host_headers(host: str, port: int, expected: str) -> None:
    assert host_header(host, port, 80) == expected


def test_configured_addresses() -> None:
    both = {"AWS_ENDPOINT_URL": "http://a", "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": "http://b"}
    service = ("runtime.sagemaker", "us-east-1", "SAGEMAKER_RUNTIME")
    assert service_url(both, *service) == "http://b"
    assert service_url({"AWS_ENDPOINT_URL": "http://a"}, *service) == "http://a"
    ignored = service_url({**both, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, *service)
    assert ignored == "https://runtime.sagemaker.us-east-1.amazonaws.com"


CODES = st.sampled_from(["AccessDenied", "a.b#AccessDenied", "AccessDenied:http://x/", "a#b:c#d"])
TEXTS = st.text(min_size=1, max_size=20)
BODIES = st.one_of(
    st.dictionaries(st.sampled_from(["message", "Message"]), TEXTS).flatmap(
        lambda members: st.dictionaries(st.sampled_from(["code", "Code", "__type"]), CODES, max_size=1).map(
            lambda codes: json.dumps({**members, **codes}).encode()
        )
    ),
    st.sampled_from([b"", b"<html>Bad Gateway</html>", b"{", b"Service Unavailable"]),
)


@given(st.integers(400, 599), st.none() | CODES, BODIES)
def test_codes_and_messages_of_errors_are_those_of_botocore(
    status: int, code: str | None, body: bytes
) -> None:
    headers = {} if code is None else {"x-amzn-errortype": code}
    parsed = create_parser("rest-json").parse({"status_code": status, "headers": headers, "body": body}, None)
    error = response_error(status, headers, body)
    assert isinstance(error, InternalError)
    expected = parsed["Error"]
    if status < 500 or body.startswith((b"{", b"Service")):
        assert error.cause == f"{expected['Code']}: {expected['Message']}"
    else:
        # botocore ignores the header of a response without a document.
        assert error.cause.startswith(f"{expected['Code']}: ") or code is not None
