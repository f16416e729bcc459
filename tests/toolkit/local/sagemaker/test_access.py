"""Containers have the permissions of their model's execution role, which also reads the weights."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import psutil
import pytest
from botocore.exceptions import ClientError
from starlette.applications import Starlette
from starlette.testclient import TestClient

from tests.support.access import call, enforce_iam
from tests.support.cloud import LLAMA_IMAGE, PATIENT, ROLE, Aws, Engine, Hosting
from tests.support.iam import allow, document, trust
from tests.support.patience import HANG_SECONDS
from toolkit.local.client import RunningCloud
from toolkit.local.iam import enforcement
from toolkit.local.iam.enforcement import Enforcement
from toolkit.local.sagemaker.access import ContainerCredentials, ExecutionRole

pytestmark = pytest.mark.slow

WEIGHTS = {
    "ModelDataSource": {
        "S3DataSource": {"S3Uri": "s3://guarded/m/", "S3DataType": "S3Prefix", "CompressionType": "None"}
    }
}


@pytest.fixture
def enforced(cloud: RunningCloud) -> Iterator[None]:
    enforce_iam(cloud, True)
    yield
    enforce_iam(cloud, False)


def test_an_endpoint_reads_weights_with_its_role(hosting: Hosting, engine: Engine, enforced: None) -> None:
    s3, iam = hosting.aws("s3"), hosting.aws("iam")
    s3.create_bucket(Bucket="guarded")
    s3.put_object(Bucket="guarded", Key="m/a.gguf", Body=b"weights")
    name = ROLE.rpartition("/")[2]
    configuration = hosting.configuration(container=engine.container | WEIGHTS)
    iam.delete_role(RoleName=name)

    def failure() -> str:
        return str(hosting.settled(hosting.endpoint(configuration)).get("FailureReason", ""))

    assert "does not exist" in failure()
    trust_policy = document(trust({"Service": "sagemaker.amazonaws.com"}))
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust_policy)
    listing = allow("s3:ListBucket", "arn:aws:s3:::guarded", Condition={"StringLike": {"s3:prefix": "m/*"}})
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document(listing))
    assert "s3:GetObject" in failure()
    reading = allow("s3:GetObject", "arn:aws:s3:::guarded/m/*")
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document(listing, reading))
    assert failure() == ""
    iam.delete_role_policy(RoleName=name, PolicyName="p")
    iam.delete_role(RoleName=name)


# A program in the container that uses AWS.
PUT = """
import boto3, json, sys
from botocore.exceptions import ClientError
results = [boto3.client("sts").get_caller_identity()["Arn"]]
for key in sys.argv[1:]:
    try:
        boto3.client("s3").put_object(Bucket="shelf", Key=key, Body=b"x")
        results.append("done")
    except ClientError as error:
        results.append(error.response["Error"]["Code"])
print(json.dumps(results))
"""
KINDS: dict[str, dict[str, Any]] = {
    "realtime": {},
    "async": {"AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://shelf/outputs/"}}},
    "serverless": {
        "ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 2, "ProvisionedConcurrency": 1}
    },
}


@pytest.fixture(scope="module")
def writer(aws: Aws) -> str:
    """A role that may write one object."""
    aws("s3").create_bucket(Bucket="shelf")
    iam = aws("iam")
    trust_policy = document(trust({"Service": "sagemaker.amazonaws.com"}))
    role = iam.create_role(RoleName="shelf-writer", AssumeRolePolicyDocument=trust_policy)["Role"]
    policy = document(allow("s3:PutObject", "arn:aws:s3:::shelf/mine"))
    iam.put_role_policy(RoleName="shelf-writer", PolicyName="p", PolicyDocument=policy)
    return str(role["Arn"])


def endpoint(hosting: Hosting, engine: Engine, kind: str, role: str) -> str:
    name = f"{kind}-{uuid.uuid4().hex[:8]}"
    container = {"Image": LLAMA_IMAGE, **engine.container}
    hosting.sagemaker.create_model(ModelName=name, ExecutionRoleArn=role, PrimaryContainer=container)
    settings = dict(KINDS[kind])
    variant = {"VariantName": "AllTraffic", "ModelName": name, **PATIENT}
    if kind == "serverless":
        variant |= settings
        settings = {}
    else:
        variant |= {"InstanceType": "ml.c7i.xlarge", "InitialInstanceCount": 1}
    hosting.sagemaker.create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=[variant], **settings
    )
    return hosting.endpoint(name)


def get(url: str, authorization: str = "") -> httpx.Response:
    return httpx.get(url, headers={"authorization": authorization}, timeout=HANG_SECONDS)


def container_environment(cloud: RunningCloud, endpoint: str) -> dict[str, str]:
    """The environment of the running model server."""
    processes = call(cloud, "/_toolkit/status")["processes"]
    [pid] = [item["pid"] for item in processes if item["name"].startswith(f"{endpoint}/")]
    return psutil.Process(pid).environ()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("enforced")
def test_a_container_has_the_permissions_of_its_role(
    cloud: RunningCloud, hosting: Hosting, engine: Engine, writer: str, kind: str
) -> None:
    name = endpoint(hosting, engine, kind, writer)
    assert hosting.settled(name)["EndpointStatus"] == "InService"
    environment = container_environment(cloud, name)
    assert not {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} & set(environment)
    process = subprocess.run(
        [sys.executable, "-c", PUT, "mine", "yours"], env=environment, capture_output=True, check=True
    )
    session = "arn:aws:sts::123456789012:assumed-role/shelf-writer/SageMaker"
    assert json.loads(process.stdout) == [session, "done", "AccessDenied"]


def test_credentials_require_the_containers_token(
    cloud: RunningCloud, hosting: Hosting, engine: Engine, writer: str
) -> None:
    name = endpoint(hosting, engine, "realtime", writer)
    hosting.settled(name)
    environment = container_environment(cloud, name)
    address = environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
    token = environment["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
    assert get(address, token).json()["RoleArn"] == writer
    for url, authorization in ((address, ""), (address, "x"), (f"{address}0", token)):
        response = get(url, authorization)
        assert (response.status_code, response.json()["code"]) == (403, "AccessDenied")


def test_a_role_must_trust_sagemaker(hosting: Hosting, engine: Engine, aws: Aws, enforced: None) -> None:
    trust_policy = document(trust({"Service": "lambda.amazonaws.com"}))
    role = aws("iam").create_role(RoleName="functions-only", AssumeRolePolicyDocument=trust_policy)["Role"]
    with pytest.raises(ClientError, match=f"Could not assume role {role['Arn']}"):
        endpoint(hosting, engine, "realtime", role["Arn"])


@pytest.mark.parametrize(("lifetime", "renewed"), [(12 * 3600, False), (1800, True)])
def test_expiring_credentials_are_renewed(
    lifetime: int, renewed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enforcement, "SESSION_SECONDS", lifetime)
    agent = ContainerCredentials("http://testserver")
    environment = agent.environment(ExecutionRole(Enforcement(), ROLE), "us-east-1")
    container = TestClient(Starlette(routes=agent.routes()))
    headers = {"authorization": environment["AWS_CONTAINER_AUTHORIZATION_TOKEN"]}
    first, second = (
        container.get(environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"], headers=headers).json()
        for _ in range(2)
    )
    assert (first["AccessKeyId"] != second["AccessKeyId"]) == renewed
