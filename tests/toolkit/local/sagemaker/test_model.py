"""A real model, from S3 to its last token."""

from __future__ import annotations

import json
import time
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
    return json.dumps({"messages": [{"role": "user", "content": "Say hello."}], **members}).encode()


@pytest.fixture(scope="module")
def weights(aws: Aws, gguf: Path) -> str:
    upload(aws, "smollm2", gguf)
    return "smollm2"


def test_it_serves_whole_and_streamed_and_leaves_nothing(
    hosting: Hosting, weights: str, shared_checkout: Project
) -> None:
    options = {"SM_LLAMA_CPP_CTX_SIZE": "2048", "SM_LLAMA_CPP_ALIAS": "smollm2"}
    endpoint = hosting.endpoint(hosting.configuration(container=container(weights, **options)))
    assert hosting.settled(endpoint)["EndpointStatus"] == "InService"
    runtime = hosting.aws("sagemaker-runtime")

    whole = runtime.invoke_endpoint(EndpointName=endpoint, Body=chat(max_tokens=8))
    completion = json.loads(whole["Body"].read())
    assert completion["object"] == "chat.completion"
    assert completion["model"] == "smollm2"
    assert 1 <= completion["usage"]["completion_tokens"] <= 8
    assert completion["choices"][0]["message"]["content"]

    body = chat(max_tokens=60, stream=True, ignore_eos=True)
    streamed = runtime.invoke_endpoint_with_response_stream(EndpointName=endpoint, Body=body)
    arrivals = [(time.monotonic(), event["PayloadPart"]["Bytes"]) for event in streamed["Body"]]
    assert len(arrivals) > 30
    assert arrivals[-1][0] - arrivals[0][0] > 0.2
    halfway = arrivals[0][0] + (arrivals[-1][0] - arrivals[0][0]) / 2
    assert 5 < sum(moment < halfway for moment, _ in arrivals) < len(arrivals) - 5
    text = b"".join(part for _, part in arrivals)
    assert text.rstrip().endswith(b"data: [DONE]")

    assert any("model loaded" in line for line in hosting.log(endpoint))
    status = client.status(shared_checkout)
    assert status is not None
    [process] = [item for item in status.processes if item.name.startswith(endpoint)]
    assert 100_000_000 < process.memory_bytes < 800_000_000
    hosting.delete(endpoint)
    assert is_gone(process.pid)


def test_leaving_a_stream_frees_the_model(hosting: Hosting, weights: str) -> None:
    options = {"SM_LLAMA_CPP_CTX_SIZE": "2048", "SM_LLAMA_CPP_PARALLEL": "1"}
    endpoint = hosting.endpoint(hosting.configuration(container=container(weights, **options)))
    hosting.settled(endpoint)
    runtime = hosting.aws("sagemaker-runtime", read_timeout=20)
    body = chat(max_tokens=2000, stream=True, ignore_eos=True)
    streamed = runtime.invoke_endpoint_with_response_stream(EndpointName=endpoint, Body=body)
    next(iter(streamed["Body"]))
    streamed["Body"].close()
    # There is one slot: the next request waits for as long as the first is worked on.
    start = time.monotonic()
    runtime.invoke_endpoint(EndpointName=endpoint, Body=chat(max_tokens=1))
    assert time.monotonic() - start < 5


@pytest.fixture(scope="module")
def broken_weights(aws: Aws, tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("weights") / "broken.gguf"
    file.write_bytes(b"this is no model")
    upload(aws, "broken", file)
    return "broken"


@pytest.mark.parametrize(
    ("files", "environment", "said"),
    [
        ("broken_weights", {}, "failed to load model"),
        ("weights", {"SM_LLAMA_CPP_CTX_SIZES": "1"}, "--ctx-sizes: no such option"),
        ("weights", {"SM_LLAMA_CPP_MODEL": "other.gguf"}, "other.gguf, which is not among the model's"),
    ],
)
def test_what_cannot_be_served_fails_and_the_log_tells_why(
    hosting: Hosting, request: pytest.FixtureRequest, files: str, environment: dict[str, str], said: str
) -> None:
    weights = request.getfixturevalue(files)
    endpoint = hosting.endpoint(hosting.configuration(container=container(weights, **environment)))
    description = hosting.settled(endpoint)
    assert description["EndpointStatus"] == "Failed"
    assert "did not pass the ping health check" in description["FailureReason"]
    assert "exit code" in description["FailureReason"]
    log = hosting.log(endpoint)
    assert any(said in line for line in log), log
    [stream] = hosting.aws("logs").describe_log_streams(logGroupName=f"/aws/sagemaker/Endpoints/{endpoint}")[
        "logStreams"
    ]
    assert stream["logStreamName"].startswith("AllTraffic/i-")


def test_model_servers_die_with_a_cloud_that_is_killed(project: Project, gguf: Path) -> None:
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
    eventually(lambda: all(is_gone(pid) for pid in family), seconds=3)
    # The next one starts from nothing, at the same address.
    again = client.ensure_running(project, Console())
    assert again.endpoint_url == cloud.endpoint_url
    assert aws_clients(again)("sagemaker").list_endpoints()["Endpoints"] == []
    leftovers = list((project.local_cloud / "run").iterdir())
    assert [directory.name for directory in leftovers] == [again.instance_id]
