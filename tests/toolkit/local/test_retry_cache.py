"""Retries of AWS SDKs after a lost response."""

from __future__ import annotations

import http.client
import json
import uuid
from urllib.parse import urlsplit

from toolkit.local.client import RunningCloud

SCOPE = "20261122/us-east-1/sagemaker/aws4_request"
SIGNED = f"AWS4-HMAC-SHA256 Credential=local/{SCOPE}, SignedHeaders=host, Signature=0"


def create_model(cloud: RunningCloud, name: str, invocation: str, attempt: int) -> tuple[int, dict[str, str]]:
    connection = http.client.HTTPConnection(urlsplit(cloud.endpoint_url).netloc)
    body = {
        "ModelName": name,
        "ExecutionRoleArn": "arn:aws:iam::123456789012:role/x",
        "PrimaryContainer": {"Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/llama-cpp:1"},
    }
    headers = {
        "Authorization": SIGNED,
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "SageMaker.CreateModel",
        "amz-sdk-invocation-id": invocation,
        "amz-sdk-request": f"attempt={attempt}; max=25",
    }
    connection.request("POST", "/", json.dumps(body), headers)
    response = connection.getresponse()
    content = json.loads(response.read())
    connection.close()
    return response.status, content


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
    delete = http.client.HTTPConnection(urlsplit(cloud.endpoint_url).netloc)
    headers = {"Authorization": SIGNED, "X-Amz-Target": "SageMaker.DeleteModel"}
    delete.request("POST", "/", json.dumps({"ModelName": name}), headers)
    assert delete.getresponse().status == 200
    delete.close()
    assert create_model(cloud, name, invocation, attempt=2)[0] == 200
