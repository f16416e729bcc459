"""Retries of AWS SDKs after a lost response."""

from __future__ import annotations

import asyncio
import http.client
import json
import uuid
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from tests.support.access import signed
from tests.support.cloud import LLAMA_IMAGE, ROLE, Aws, create_role
from toolkit.local.client import RunningCloud
from toolkit.local.retry_cache import RetryCacheMiddleware


@pytest.fixture(autouse=True)
def role(aws: Aws) -> None:
    create_role(aws("iam"))


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
        "ExecutionRoleArn": ROLE,
        "PrimaryContainer": {"Image": LLAMA_IMAGE},
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


@pytest.mark.parametrize(("path", "count"), [("/_aws/execute-api/api/stage/x", 2), ("/restapis", 1)])
def test_responses_of_deployed_apis_are_not_cached(path: str, count: int) -> None:
    """Another caller, whose key is not checked yet, may send the same header."""
    calls: list[str] = []

    async def respond(request: Request) -> PlainTextResponse:
        calls.append(request.url.path)
        return PlainTextResponse("for the first caller only")

    app = Starlette(
        routes=[Route("/{path:path}", respond, methods=["POST"])],
        middleware=[Middleware(RetryCacheMiddleware)],
    )

    async def send() -> None:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://cloud") as client:
            for _ in range(2):
                await client.post(path, headers={"amz-sdk-invocation-id": "1"})

    asyncio.run(send())
    assert len(calls) == count
