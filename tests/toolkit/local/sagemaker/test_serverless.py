"""Serverless endpoints, in a cloud where five idle minutes take 1.5 s."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.cloud import LLAMA_IMAGE, PATIENT, ROLE, Aws, Engine, Hosting, eventually, respond, stream
from tests.support.cloudprocess import CloudProcess, running
from tests.support.patience import HANG_SECONDS
from toolkit.local.sagemaker import serverless as serverless_module
from toolkit.local.sagemaker.serverless import Serverless

pytestmark = pytest.mark.slow

PROMPT = b'{"prompt": "p"}'


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudProcess]:
    with running(tmp_path_factory.mktemp("serverless"), TOOLKIT_LOCAL_TIME_SCALE="0.005") as cloud:
        yield cloud


@pytest.fixture
def aws(cloud: CloudProcess) -> Aws:
    return lambda service, region="us-east-1", **_: cloud.client(service, region)


def serverless(hosting: Hosting, engine: Engine, **config: int) -> str:
    """An endpoint in service."""
    name = f"serverless-{uuid.uuid4().hex[:8]}"
    hosting.sagemaker.create_model(
        ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer={"Image": LLAMA_IMAGE} | engine.container
    )
    config = {"MemorySizeInMB": 2048, "MaxConcurrency": 2, **config}
    hosting.sagemaker.create_endpoint_config(
        EndpointConfigName=name,
        ProductionVariants=[
            {"VariantName": "AllTraffic", "ModelName": name, "ServerlessConfig": config, **PATIENT}
        ],
    )
    endpoint = hosting.endpoint(name)
    [variant] = hosting.settled(endpoint)["ProductionVariants"]
    assert variant["CurrentServerlessConfig"] == variant["DesiredServerlessConfig"] == config
    assert "CurrentInstanceCount" not in variant
    return endpoint


def processes(cloud: CloudProcess, endpoint: str) -> list[Any]:
    return [item for item in cloud.status()["processes"] if item["name"].startswith(f"{endpoint}/")]


def test_an_idle_instance_stops_and_restarts(
    cloud: CloudProcess, aws: Aws, hosting: Hosting, engine: Engine
) -> None:
    endpoint, runtime = serverless(hosting, engine), aws("sagemaker-runtime")
    assert runtime.invoke_endpoint(EndpointName=endpoint, Body=PROMPT)["Body"].read() == b'{"ok": true}'
    eventually(lambda: not processes(cloud, endpoint))
    assert hosting.sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointStatus"] == "InService"

    release = threading.Event()

    def parts() -> Iterator[bytes]:
        yield b"one"
        release.wait(HANG_SECONDS)
        yield b"two"

    engine.behaviour = lambda handler, _: stream(handler, parts())
    response = runtime.invoke_endpoint_with_response_stream(EndpointName=endpoint, Body=PROMPT)
    events = (event["PayloadPart"]["Bytes"] for event in response["Body"])
    assert next(events) == b"one"
    # The instance keeps running while it has a request.
    assert len(processes(cloud, endpoint)) == 1
    release.set()
    assert list(events) == [b"two"]
    metrics = aws("cloudwatch").list_metrics(Namespace="AWS/SageMaker", MetricName="ModelSetupTime")[
        "Metrics"
    ]
    names = [{item["Name"]: item["Value"] for item in metric["Dimensions"]} for metric in metrics]
    assert {"EndpointName": endpoint, "VariantName": "AllTraffic"} in names


def test_provisioned_concurrency_keeps_the_instance(
    cloud: CloudProcess, aws: Aws, hosting: Hosting, engine: Engine
) -> None:
    warm = serverless(hosting, engine, ProvisionedConcurrency=1)
    [before] = processes(cloud, warm)
    cold = serverless(hosting, engine)
    eventually(lambda: not processes(cloud, cold))
    assert [item["pid"] for item in processes(cloud, warm)] == [before["pid"]]


def test_requests_beyond_max_concurrency_are_throttled(aws: Aws, hosting: Hosting, engine: Engine) -> None:
    endpoint, runtime, done = serverless(hosting, engine), aws("sagemaker-runtime"), threading.Event()

    def hang(handler: Any, _: dict[str, Any]) -> None:
        done.wait(HANG_SECONDS)
        respond(handler, 200, b"{}")

    engine.behaviour = hang
    threads = [
        threading.Thread(target=runtime.invoke_endpoint, kwargs={"EndpointName": endpoint, "Body": PROMPT})
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    eventually(lambda: len(engine.requests) == 2)
    with pytest.raises(ClientError, match=r"ThrottlingException") as error:
        runtime.invoke_endpoint(EndpointName=endpoint, Body=PROMPT)
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    done.set()
    for thread in threads:
        thread.join(HANG_SECONDS)
    assert runtime.invoke_endpoint(EndpointName=endpoint, Body=PROMPT)["Body"].read() == b"{}"


def test_invalid_serverless_requests_are_rejected(aws: Aws, hosting: Hosting, engine: Engine) -> None:
    endpoint = serverless(hosting, engine)
    with pytest.raises(ClientError, match="length less than or equal to 4194304"):
        aws("sagemaker-runtime").invoke_endpoint(EndpointName=endpoint, Body=b" " * (4 * 1024 * 1024 + 1))
    for settings, message in (
        ({"MemorySizeInMB": 1500}, "not a multiple of 1024"),
        ({"ProvisionedConcurrency": 3}, "greater than MaxConcurrency 2"),
    ):
        with pytest.raises(ClientError, match=message):
            serverless(hosting, engine, **settings)


def test_a_request_during_a_stop_starts_an_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serverless_module, "IDLE_SECONDS", -1)
    calls: list[tuple[str, int]] = []

    async def resize(count: int) -> None:
        calls.append(("begin", count))
        await asyncio.sleep(0)
        calls.append(("end", count))

    async def scenario() -> None:
        variant = Serverless({"MaxConcurrency": 1}, resize, lambda *_: None)
        stopping = asyncio.create_task(variant.stop_if_idle())
        await asyncio.sleep(0)
        async with variant.admit(0, lambda: False):
            await variant.stop_if_idle()  # keeps running: a request is in progress
        await stopping

    asyncio.run(scenario())
    assert calls == [("begin", 0), ("end", 0), ("begin", 1), ("end", 1)]


def test_uncompressed_weights_are_refused(hosting: Hosting, engine: Engine) -> None:
    name = f"uncompressed-{uuid.uuid4().hex[:8]}"
    hosting.aws("s3").create_bucket(Bucket="weights")
    hosting.aws("s3").put_object(Bucket="weights", Key="m/a.gguf", Body=b"weights")
    source = {"S3Uri": "s3://weights/m/", "S3DataType": "S3Prefix", "CompressionType": "None"}
    container = {"Image": LLAMA_IMAGE, **engine.container, "ModelDataSource": {"S3DataSource": source}}
    hosting.sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
    config = {"MemorySizeInMB": 2048, "MaxConcurrency": 2}
    variant = {"VariantName": "AllTraffic", "ModelName": name, "ServerlessConfig": config}
    with pytest.raises(ClientError, match="uses ModelDataSource, which serverless endpoints do not support"):
        hosting.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
