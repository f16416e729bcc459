"""A real model, from S3 to its last token."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.cloud import Aws, Hosting, aws_clients, eventually, is_gone
from toolkit.console import Console
from toolkit.local import client
from toolkit.project import Project

pytestmark = pytest.mark.slow

BUCKET = "model-store"


def container(prefix: str, **environment: str) -> dict[str, Any]:
    source = {
        "S3Uri": f"s3://{BUCKET}/{prefix}/",
        "S3DataType": "S3Prefix",
        "CompressionType": "None",
    }
    return {"ModelDataSource": {"S3DataSource": source}, "Environment": environment}


def upload(aws: Aws, prefix: str, file: Path) -> None:
    s3 = aws("s3")
    if BUCKET not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]:
        s3.create_bucket(Bucket=BUCKET)
    s3.upload_file(str(file), BUCKET, f"{prefix}/{file.name}")


def chat(**members: Any) -> bytes:
    """A deterministic chat request."""
    request = {"messages": [{"role": "user", "content": "Say hello."}], "temperature": 0}
    return json.dumps({**request, **members}).encode()


@pytest.fixture(scope="module")
def weights(aws: Aws, gguf: Path) -> str:
    upload(aws, "smollm2", gguf)
    return "smollm2"


@pytest.fixture
def endpoint(hosting: Hosting, weights: str) -> str:
    options = {"SM_LLAMA_CPP_CTX_SIZE": "2048", "SM_LLAMA_CPP_ALIAS": "smollm2"}
    endpoint = hosting.endpoint(hosting.configuration(container=container(weights, **options)))
    assert hosting.settled(endpoint)["EndpointStatus"] == "InService"
    return endpoint


def test_a_model_serves_a_whole_response(hosting: Hosting, endpoint: str) -> None:
    runtime = hosting.aws("sagemaker-runtime")
    response = runtime.invoke_endpoint(EndpointName=endpoint, Body=chat(max_tokens=8))
    completion = json.loads(response["Body"].read())
    assert completion["object"] == "chat.completion"
    assert completion["model"] == "smollm2"
    assert 1 <= completion["usage"]["completion_tokens"] <= 8
    assert completion["choices"][0]["message"]["content"]


def test_a_model_serves_a_streamed_response(hosting: Hosting, endpoint: str) -> None:
    options = {"stream": True, "stream_options": {"include_usage": True}}
    response = hosting.aws("sagemaker-runtime").invoke_endpoint_with_response_stream(
        EndpointName=endpoint, Body=chat(max_tokens=60, ignore_eos=True, **options)
    )
    text = b"".join(event["PayloadPart"]["Bytes"] for event in response["Body"]).decode()
    *lines, done = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    assert done == "[DONE]"
    *chunks, last = map(json.loads, lines)
    assert last["usage"]["completion_tokens"] == 60
    # A chunk has one token, or several if they form one character.
    words = [chunk["choices"][0]["delta"].get("content") for chunk in chunks]
    assert 1 < len(list(filter(None, words))) <= 60


def test_a_model_server_logs_and_exits_with_its_endpoint(
    hosting: Hosting, endpoint: str, shared_checkout: Project
) -> None:
    assert any("model loaded" in line for line in hosting.log(endpoint))
    status = client.status(shared_checkout)
    assert status is not None
    [process] = [item for item in status.processes if item.name.startswith(endpoint)]
    assert process.memory_bytes < 2_000_000_000
    hosting.delete(endpoint)
    assert is_gone(process.pid)


def test_closing_a_stream_frees_the_model(hosting: Hosting, weights: str) -> None:
    # With context shift, a response can be endless.
    options = {"CTX_SIZE": "256", "CONTEXT_SHIFT": "true", "PARALLEL": "1"}
    variables = {f"SM_LLAMA_CPP_{name}": value for name, value in options.items()}
    endpoint = hosting.endpoint(hosting.configuration(container=container(weights, **variables)))
    hosting.settled(endpoint)
    runtime = hosting.aws("sagemaker-runtime")
    body = chat(max_tokens=-1, stream=True, ignore_eos=True)
    streamed = runtime.invoke_endpoint_with_response_stream(EndpointName=endpoint, Body=body)
    # The first part arrives although the response never ends.
    assert next(iter(streamed["Body"]))["PayloadPart"]["Bytes"]
    streamed["Body"].close()
    # With one slot, the next request has to wait for the first one.
    response = runtime.invoke_endpoint(EndpointName=endpoint, Body=chat(max_tokens=1))
    assert json.loads(response["Body"].read())["usage"]["completion_tokens"] == 1


@pytest.fixture(scope="module")
def broken_weights(aws: Aws, tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("weights") / "broken.gguf"
    file.write_bytes(b"this is no model")
    upload(aws, "broken", file)
    return "broken"


@pytest.mark.parametrize(
    ("files", "environment", "message"),
    [
        ("broken_weights", {}, "failed to load model"),
        ("weights", {"SM_LLAMA_CPP_CTX_SIZES": "1"}, "--ctx-sizes: no such option"),
        ("weights", {"SM_LLAMA_CPP_MODEL": "other.gguf"}, "other.gguf is not among the model's"),
    ],
)
def test_a_model_that_cannot_load_fails_with_a_logged_reason(
    hosting: Hosting, request: pytest.FixtureRequest, files: str, environment: dict[str, str], message: str
) -> None:
    weights = request.getfixturevalue(files)
    endpoint = hosting.endpoint(hosting.configuration(container=container(weights, **environment)))
    description = hosting.settled(endpoint)
    assert description["EndpointStatus"] == "Failed"
    assert "did not pass the ping health check" in description["FailureReason"]
    assert "exit code" in description["FailureReason"]
    log = hosting.log(endpoint)
    assert any(message in line for line in log), log
    [stream] = hosting.aws("logs").describe_log_streams(logGroupName=f"/aws/sagemaker/Endpoints/{endpoint}")[
        "logStreams"
    ]
    assert stream["logStreamName"].startswith("AllTraffic/i-")


def test_model_servers_exit_with_a_killed_cloud(project: Project, gguf: Path) -> None:
    cloud = client.ensure_running(project, Console())
    aws = aws_clients(cloud)
    upload(aws, "smollm2", gguf)
    hosting = Hosting(aws, aws("sagemaker"))
    options = {"SM_LLAMA_CPP_CTX_SIZE": "512"}
    endpoint = hosting.endpoint(hosting.configuration(container=container("smollm2", **options)))
    hosting.settled(endpoint)
    family = [process.pid for process in psutil.Process(cloud.pid).children(recursive=True)]
    assert len(family) == 2
    psutil.Process(cloud.pid).kill()
    eventually(lambda: all(is_gone(pid) for pid in family))
    # The next cloud starts empty.
    restarted = client.ensure_running(project, Console())
    assert aws_clients(restarted)("sagemaker").list_endpoints()["Endpoints"] == []
    leftovers = list((project.local_cloud / "run").iterdir())
    assert [directory.name for directory in leftovers] == [restarted.instance_id]
