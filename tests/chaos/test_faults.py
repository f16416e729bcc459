"""The fault proxy, between real AWS clients and the embedded cloud."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, HTTPClientError

from tests.support import cloudprocess, faults
from tests.support.cloud import LLAMA_IMAGE, ROLE, create_role
from tests.support.cloudprocess import CloudProcess
from tests.support.faults import AwsRequest, Fault, Proxy, Rate

pytestmark = pytest.mark.slow
# One reading operation of each service, and its error for too many requests.
READS = [
    ("sagemaker", "list_models", "ThrottlingException"),
    ("logs", "describe_log_groups", "ThrottlingException"),
    ("application-autoscaling", "describe_scalable_targets", "ThrottlingException"),
    ("apigateway", "get_rest_apis", "TooManyRequestsException"),
    ("lambda", "list_functions", "TooManyRequestsException"),
    ("iam", "list_roles", "Throttling"),
    ("cloudwatch", "describe_alarms", "ThrottlingException"),
    ("s3", "list_buckets", "SlowDown"),
    ("route53", "list_hosted_zones", "Throttling"),
]
MORE: dict[str, dict[str, str]] = {"application-autoscaling": {"ServiceNamespace": "sagemaker"}}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudProcess]:
    with cloudprocess.running(tmp_path_factory.mktemp("chaos") / "cloud") as cloud:
        create_role(cloud.client("iam"))
        yield cloud


@pytest.fixture(scope="module")
def shared(own: CloudProcess) -> Iterator[Proxy]:
    with faults.running() as proxy:
        proxy.upstream = int(own.endpoint_url.rpartition(":")[2])
        yield proxy


@pytest.fixture
def proxy(shared: Proxy) -> Proxy:
    shared.begin()
    return shared


def through(proxy: Proxy, cloud: CloudProcess, service: str, attempts: int = 1) -> Any:
    """Return a client whose requests pass through the proxy."""
    direct = cloud.client(service)
    credentials = direct._request_signer._credentials
    return boto3.client(
        service,  # type: ignore[call-overload]
        endpoint_url=f"http://127.0.0.1:{proxy.port}",
        region_name="us-east-1",
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        config=Config(retries={"mode": "standard", "total_max_attempts": attempts}),
    )


def first(number: int, fault: Fault) -> faults.Chooser:
    """The first requests fail."""
    return lambda request: fault if request.number <= number else None


def create_model(sagemaker: Any, name: str) -> None:
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer={"Image": LLAMA_IMAGE})


def models(cloud: CloudProcess) -> list[str]:
    return [model["ModelName"] for model in cloud.client("sagemaker").list_models()["Models"]]


@pytest.mark.parametrize(("service", "operation", "throttled"), READS)
def test_errors_have_the_format_of_the_service(
    proxy: Proxy, own: CloudProcess, service: str, operation: str, throttled: str
) -> None:
    arguments = MORE.get(service, {})
    for fault in (Fault.THROTTLE, Fault.SERVER_ERROR):
        proxy.begin(first(1, fault))
        with pytest.raises(ClientError) as raised:
            getattr(through(proxy, own, service), operation)(**arguments)
        response = raised.value.response
        assert response["Error"]["Message"] == faults.MESSAGES[fault]
        if fault is Fault.THROTTLE:
            assert response["Error"]["Code"] == throttled
        else:
            assert response["ResponseMetadata"]["HTTPStatusCode"] in (500, 503)
        # SDKs recognize it as temporary.
        proxy.begin(first(1, fault))
        getattr(through(proxy, own, service, attempts=2), operation)(**arguments)
        assert [entry.fault for entry in proxy.journal] == [fault, None]


def test_a_reset_before_the_request_leaves_nothing(proxy: Proxy, own: CloudProcess) -> None:
    proxy.begin(first(1, Fault.RESET_BEFORE))
    with pytest.raises((ConnectionClosedError, HTTPClientError)):
        create_model(through(proxy, own, "sagemaker"), "before")
    assert "before" not in models(own)


@pytest.mark.parametrize("fault", [Fault.LOST_RESPONSE, Fault.RESET_INSIDE])
def test_a_lost_response_was_executed(proxy: Proxy, own: CloudProcess, fault: Fault) -> None:
    proxy.begin(first(1, fault))
    with pytest.raises((ConnectionClosedError, HTTPClientError)):
        create_model(through(proxy, own, "sagemaker"), fault.value)
    assert fault.value in models(own)


def test_uploads_and_downloads_pass_unharmed(proxy: Proxy, own: CloudProcess, tmp_path: Path) -> None:
    content = bytes(range(256)) * 40_000
    (tmp_path / "weights").write_bytes(content)
    s3 = through(proxy, own, "s3")
    s3.create_bucket(Bucket="passed")
    s3.upload_file(str(tmp_path / "weights"), "passed", "some/weights")
    assert s3.get_object(Bucket="passed", Key="some/weights")["Body"].read() == content
    assert s3.head_object(Bucket="passed", Key="some/weights")["ContentLength"] == len(content)
    with pytest.raises(ClientError, match="404"):
        s3.head_object(Bucket="passed", Key="missing")


def test_a_seed_decides_which_requests_fail(proxy: Proxy, own: CloudProcess) -> None:
    def failed(seed: str) -> list[bool]:
        proxy.begin(Rate(seed, [Fault.THROTTLE], 0.5, ["sagemaker"]))
        for _ in range(20):
            try:
                through(proxy, own, "sagemaker").list_models()
            except ClientError as error:
                assert error.response["Error"]["Code"] == "ThrottlingException"
        through(proxy, own, "iam").list_roles()
        return [entry.fault is not None for entry in proxy.journal]

    once = failed("one")
    assert failed("one") == once
    assert failed("two") != once
    assert 3 < sum(once) < 18
    assert once[-1] is False  # not of the service


def test_an_outage_outlasts_retries_and_ends(proxy: Proxy, own: CloudProcess) -> None:
    proxy.begin(faults.Outage(Fault.SERVER_ERROR, "iam", first=2, length=3))
    through(proxy, own, "iam").list_roles()
    through(proxy, own, "sagemaker").list_models()
    with pytest.raises(ClientError):
        through(proxy, own, "iam", attempts=3).list_roles()
    through(proxy, own, "iam").list_roles()


def test_requests_are_named_and_can_be_held(proxy: Proxy, own: CloudProcess) -> None:
    operations: list[str] = []

    def observe(request: AwsRequest, moment: str) -> None:
        exists = "held" in models(own)
        operations.append(f"{moment}: {request.sender} {request.operation} {request.changes} {exists}")

    proxy.begin(observe=observe)
    create_model(through(proxy, own, "sagemaker"), "held")
    assert operations == [
        "before: toolkit SageMaker.CreateModel True False",
        "after: toolkit SageMaker.CreateModel True True",
    ]
