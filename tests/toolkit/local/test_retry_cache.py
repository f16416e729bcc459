"""Retries of AWS SDKs after a lost response."""

from __future__ import annotations

import http.client
import json
import uuid
from typing import Any
from urllib.parse import urlsplit

from tests.support.access import signed
from toolkit.local.client import RunningCloud


def post(cloud: RunningCloud, body: dict[str, Any], headers: dict[str, str]) -> tuple[int, dict[str, str]]:
    connection = http.client.HTTPConnection(urlsplit(cloud.endpoint_url).netloc)
    text = json.dumps(body)
    connection.request("POST", "/", text, signed(cloud, "sagemaker", "/", text, **headers))
    response = connection.getresponse()
    content = json.loads(response.read() or "{}")
    connection.close()
    return response.status, content


def create_model(cloud: RunningCloud, name: str, invocation: str, attempt: int) -> tuple[int, dict[str, str]]:
    body = {
        "ModelName": name,
        "ExecutionRoleArn": "arn:aws:iam::123456789012:role/x",
        "PrimaryContainer": {"Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/llama-cpp:1"},
    }
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "SageMaker.CreateModel",
        "amz-sdk-invocation-id": invocation,
        "amz-sdk-request": f"attempt={attempt}; max=25",
    }
    return post(cloud, body, headers)


def test_a_retry_gets_the_first_response(cloud: RunningCloud) -> None:
    invocation, name = str(uuid.uuid4()), f"repeated-{uuid.uuid4().hex[:8]}"
    first = create_model(cloud, name, invocation, attempt=1)
    second = create_model(cloud, name, invocation, attempt=2)
    assert first == second
    assert first[0] == 200


def test_another_request_is_not_a_retry(cloud: RunningCloud) -> None:
    name = f"twice-{uuid.uuid4().hex[:8]}"
    assert create_model(cloud, name, str(uuid.uuid4()), attempt=1)[0] == 200
    status, response = create_model(cloud, name, str(uuid.uuid4()), attempt=1)
    assert status == 400
    assert "already existing" in response["message"]


def test_failures_are_not_cached(cloud: RunningCloud) -> None:
    # A client that retries a failure must not get the old response forever.
    invocation, name = str(uuid.uuid4()), f"failed-{uuid.uuid4().hex[:8]}"
    other = str(uuid.uuid4())
    assert create_model(cloud, name, other, attempt=1)[0] == 200
    assert create_model(cloud, name, invocation, attempt=1)[0] == 400
    assert post(cloud, {"ModelName": name}, {"X-Amz-Target": "SageMaker.DeleteModel"})[0] == 200
    assert create_model(cloud, name, invocation, attempt=2)[0] == 200
