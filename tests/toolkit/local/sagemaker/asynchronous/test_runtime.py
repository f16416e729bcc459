"""InvokeEndpointAsync, with endpoints that relay to a server of the test."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.access import call
from tests.support.asynchronous import PROMPT, Asynchronous
from tests.support.cloud import Aws, Engine, Hosting, eventually, respond
from tests.support.patience import HANG_SECONDS
from toolkit.local.client import RunningCloud


@pytest.fixture
def asynchronous(aws: Aws, hosting: Hosting, engine: Engine) -> Asynchronous:
    bucket = f"outputs-{uuid.uuid4().hex[:12]}"
    aws("s3").create_bucket(Bucket=bucket)
    return Asynchronous(aws, hosting, engine, bucket)


def test_a_response_is_stored_in_s3(asynchronous: Asynchronous) -> None:
    asynchronous.start(S3FailurePath=f"s3://{asynchronous.bucket}/failures")
    response = asynchronous.invoke(InferenceId="mine", CustomAttributes="trace=1")
    assert response["InferenceId"] == "mine"
    assert response["OutputLocation"].startswith(f"s3://{asynchronous.bucket}/answers/")
    assert response["OutputLocation"].endswith(".out")
    assert response["FailureLocation"].startswith(f"s3://{asynchronous.bucket}/failures/")

    output = asynchronous.read(response["OutputLocation"])
    assert (output["Body"].read(), output["ContentType"]) == (b'{"ok": true}', "application/json")
    [request] = asynchronous.engine.requests
    assert request["body"]["prompt"] == PROMPT["prompt"]
    headers = {name.lower(): value for name, value in request["headers"].items()}
    assert headers["x-amzn-sagemaker-inference-id"] == "mine"
    assert headers["x-amzn-sagemaker-custom-attributes"] == "trace=1"


def test_a_response_is_notified_and_logged(asynchronous: Asynchronous) -> None:
    topic, queue = asynchronous.topic()
    notify = {"SuccessTopic": topic, "IncludeInferenceResponseIn": ["SUCCESS_NOTIFICATION_TOPIC"]}
    asynchronous.start(NotificationConfig=notify)
    location = asynchronous.put()
    response = asynchronous.invoke(InputLocation=location, ContentType="application/json", InferenceId="mine")
    message = asynchronous.next_message(queue)
    assert message["invocationStatus"] == "Completed"
    assert message["eventName"] == "InferenceResult"
    assert message["inferenceId"] == "mine"
    assert message["requestParameters"] == {
        "endpointName": asynchronous.endpoint,
        "inputLocation": location,
        "contentType": "application/json",
    }
    assert message["responseParameters"]["outputLocation"] == response["OutputLocation"]
    assert base64.b64decode(message["responseBody"]["content"]) == b'{"ok": true}'
    [line] = [line for line in asynchronous.hosting.log(asynchronous.endpoint) if "[mine]" in line]
    assert "Inference request succeeded. TimeInBacklog: " in line


def test_output_file_and_inline_body_are_supported(asynchronous: Asynchronous) -> None:
    asynchronous.start()
    runtime = asynchronous.aws("sagemaker-runtime")
    response = runtime.invoke_endpoint_async(
        EndpointName=asynchronous.endpoint,
        Body=json.dumps(PROMPT),
        S3OutputPathExtension="today",
        Filename="first.json",
    )
    assert response["OutputLocation"] == f"s3://{asynchronous.bucket}/answers/today/first.json"
    assert "FailureLocation" not in response
    assert asynchronous.read(response["OutputLocation"])["Body"].read() == b'{"ok": true}'


def test_a_failure_is_stored_in_s3_and_notified(asynchronous: Asynchronous) -> None:
    topic, queue = asynchronous.topic()
    asynchronous.start(
        S3FailurePath=f"s3://{asynchronous.bucket}/failures", NotificationConfig={"ErrorTopic": topic}
    )
    asynchronous.engine.behaviour = lambda handler, _: respond(handler, 400, b'{"error": "too long"}')
    response = asynchronous.invoke()
    failure = asynchronous.read(response["FailureLocation"])
    assert failure["Body"].read() == b'{"error": "too long"}'
    message = asynchronous.next_message(queue)
    assert message["invocationStatus"] == "Failed"
    assert "Received client error (400) from primary" in message["failureReason"]
    assert "responseBody" not in message


def test_a_missing_request_body_is_a_failure(asynchronous: Asynchronous) -> None:
    asynchronous.start(S3FailurePath=f"s3://{asynchronous.bucket}/failures")
    missing_object = f"s3://{asynchronous.bucket}/nothing"
    failure = asynchronous.read(asynchronous.invoke(InputLocation=missing_object)["FailureLocation"])
    assert failure["Body"].read().decode() == f"Could not download {missing_object}: there is no such object."
    assert asynchronous.engine.requests == []


def test_an_instance_has_limited_concurrency(asynchronous: Asynchronous) -> None:
    asynchronous.start(concurrency=2)
    lock, gate = threading.Lock(), threading.Semaphore(0)
    running, maximum = 0, 0

    def counted(handler: Any, _: dict[str, Any]) -> None:
        nonlocal running, maximum
        with lock:
            running += 1
            maximum = max(maximum, running)
        gate.acquire(timeout=HANG_SECONDS)
        with lock:
            running -= 1
        respond(handler, 200, b"{}")

    asynchronous.engine.behaviour = counted
    responses = [asynchronous.invoke() for _ in range(5)]
    eventually(lambda: running == 2)
    gate.release(5)
    for response in responses:
        asynchronous.read(response["OutputLocation"])
    assert maximum == 2


@pytest.fixture
def hanging(asynchronous: Asynchronous) -> Iterator[threading.Event]:
    """An endpoint with one request at a time, which responds once this event is set."""
    asynchronous.start(concurrency=1, S3FailurePath=f"s3://{asynchronous.bucket}/failures")
    done = threading.Event()

    def hang(handler: Any, _: dict[str, Any]) -> None:
        done.wait(HANG_SECONDS)
        respond(handler, 200, b"{}")

    asynchronous.engine.behaviour = hang
    yield done
    done.set()


def test_a_request_expires_in_the_queue(asynchronous: Asynchronous, hanging: threading.Event) -> None:
    """Waiting is scaled: 60 s in the queue take little more than one."""
    working = asynchronous.invoke()
    eventually(lambda: len(asynchronous.engine.requests) == 1)
    waiting = asynchronous.invoke(RequestTTLSeconds=60)
    expired = asynchronous.read(waiting["FailureLocation"])["Body"].read()
    assert b"longer than its RequestTTLSeconds" in expired
    hanging.set()
    assert asynchronous.read(working["OutputLocation"])["Body"].read() == b"{}"


def test_a_slow_invocation_times_out(asynchronous: Asynchronous, hanging: threading.Event) -> None:
    working = asynchronous.invoke(InvocationTimeoutSeconds=1)
    timed_out = asynchronous.read(working["FailureLocation"])["Body"].read()
    assert b"Your invocation timed out" in timed_out


def test_a_request_of_a_lost_instance_is_retried(cloud: RunningCloud, asynchronous: Asynchronous) -> None:
    asynchronous.start()
    first = threading.Event()

    def once(handler: Any, _: dict[str, Any]) -> None:
        if not first.is_set():
            first.set()
            with contextlib.suppress(OSError):
                handler.rfile.read(1)  # until the instance stops
            handler.close_connection = True
            return
        respond(handler, 200, b'"second"')

    asynchronous.engine.behaviour = once
    response = asynchronous.invoke()
    assert first.wait(HANG_SECONDS)
    processes = call(cloud, "/_toolkit/status")["processes"]
    [pid] = [item["pid"] for item in processes if item["name"].startswith(f"{asynchronous.endpoint}/")]
    os.kill(pid, signal.SIGKILL)
    assert asynchronous.read(response["OutputLocation"])["Body"].read() == b'"second"'


def test_invalid_requests_are_rejected(asynchronous: Asynchronous) -> None:
    runtime = asynchronous.aws("sagemaker-runtime")
    realtime = asynchronous.hosting.endpoint(
        asynchronous.hosting.configuration(container=asynchronous.engine.container)
    )
    asynchronous.start()
    asynchronous.hosting.settled(realtime)
    location = asynchronous.put()
    with pytest.raises(ClientError, match=r"ValidationError.*is asynchronous: use InvokeEndpointAsync"):
        runtime.invoke_endpoint(EndpointName=asynchronous.endpoint, Body=b"{}")
    with pytest.raises(ClientError, match=r"ValidationError.*is asynchronous: use InvokeEndpointAsync"):
        runtime.invoke_endpoint_with_response_stream(EndpointName=asynchronous.endpoint, Body=b"{}")
    with pytest.raises(ClientError, match=r"ValidationError.*is not asynchronous"):
        runtime.invoke_endpoint_async(EndpointName=realtime, InputLocation=location)
    with pytest.raises(ClientError, match=r"ValidationError.*not found"):
        runtime.invoke_endpoint_async(EndpointName="nowhere", InputLocation=location)
    with pytest.raises(ClientError, match=r"inputLocation.*regular expression"):
        asynchronous.invoke(InputLocation="/a/file")
    with pytest.raises(ClientError, match="Exactly one of Body and InputLocation"):
        asynchronous.invoke(Body=b"{}")
    with pytest.raises(ClientError, match="length less than or equal to 128000"):
        runtime.invoke_endpoint_async(EndpointName=asynchronous.endpoint, Body=b" " * 128_001)
