"""The operations on models, endpoint configurations, endpoints and tags, through boto3."""

from __future__ import annotations

import json
import threading
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from tests.support.cloud import (
    LLAMA_IMAGE,
    ROLE,
    UNKNOWN_IMAGE,
    Aws,
    Engine,
    Hosting,
    create_role,
    eventually,
    is_gone,
    push_image,
    respond,
)
from tests.support.iam import document, trust
from tests.support.patience import HANG_SECONDS
from toolkit.local import client
from toolkit.project import Project

pytestmark = pytest.mark.slow

MODEL: dict[str, Any] = {
    "ExecutionRoleArn": ROLE,
    "EnableNetworkIsolation": True,
    "PrimaryContainer": {
        "Image": LLAMA_IMAGE,
        "Environment": {"SM_LLAMA_CPP_CTX_SIZE": "4096"},
        "ModelDataSource": {
            "S3DataSource": {
                "S3Uri": "s3://weights-bucket/model/",
                "S3DataType": "S3Prefix",
                "CompressionType": "None",
            }
        },
    },
}


@pytest.fixture
def sagemaker(aws: Aws) -> Any:
    create_role(aws("iam"))
    s3 = aws("s3")
    if "weights-bucket" not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]:
        s3.create_bucket(Bucket="weights-bucket")
        s3.put_object(Bucket="weights-bucket", Key="model/a.gguf", Body=b"weights")
    return aws("sagemaker")


def error_of(call: Any, **members: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as error:
        call(**members)
    return error.value.response["Error"]["Code"], error.value.response["Error"]["Message"]


def test_a_model_is_described_as_created(sagemaker: Any) -> None:
    arn = sagemaker.create_model(ModelName="described", **MODEL)["ModelArn"]
    assert arn == "arn:aws:sagemaker:us-east-1:123456789012:model/described"
    description = sagemaker.describe_model(ModelName="described")
    assert description["CreationTime"].year > 2000
    # Terraform treats members that were not set as a difference.
    members = description.keys() - {"ResponseMetadata", "CreationTime"}
    assert members == {*MODEL, "ModelName", "ModelArn"}
    assert {name: description[name] for name in MODEL} == MODEL


def test_names_are_unique_until_deletion(sagemaker: Any) -> None:
    sagemaker.create_model(ModelName="once", **MODEL)
    arn = "arn:aws:sagemaker:us-east-1:123456789012:model/once"
    assert error_of(sagemaker.create_model, ModelName="once", **MODEL) == (
        "ValidationException",
        f'Cannot create already existing model "{arn}".',
    )
    sagemaker.delete_model(ModelName="once")
    assert error_of(sagemaker.describe_model, ModelName="once") == (
        "ValidationException",
        f'Could not find model "{arn}".',
    )
    assert error_of(sagemaker.delete_model, ModelName="once")[1] == f'Could not find model "{arn}".'
    sagemaker.create_model(ModelName="once", **MODEL)


def test_regions_do_not_see_each_other(aws: Aws) -> None:
    aws("sagemaker").create_model(ModelName="regional", **MODEL)
    other = aws("sagemaker", region="eu-central-1")
    assert "eu-central-1" in error_of(other.describe_model, ModelName="regional")[1]
    other.create_model(ModelName="regional", **MODEL)


def test_a_configuration_is_described_as_created(sagemaker: Any, hosting: Hosting) -> None:
    name = hosting.configuration(ContainerStartupHealthCheckTimeoutInSeconds=300)
    description = sagemaker.describe_endpoint_config(EndpointConfigName=name)
    [variant] = description["ProductionVariants"]
    assert variant == {
        "VariantName": "AllTraffic",
        "ModelName": name,
        "InstanceType": "ml.c7i.xlarge",
        "InitialInstanceCount": 1,
        "InitialVariantWeight": 1.0,
        "ContainerStartupHealthCheckTimeoutInSeconds": 300,
    }
    assert "DataCaptureConfig" not in description
    # On since 17 June 2026.
    assert description["MetricsConfig"]["EnableDetailedObservability"] is True
    assert description["EndpointConfigArn"].endswith(f":endpoint-config/{name}")


@pytest.mark.parametrize(
    ("variants", "message"),
    [
        (
            [{"VariantName": "v", "ModelName": "no-such", "InstanceType": "ml.c7i.xlarge"}],
            'Could not find model "arn:aws:sagemaker:us-east-1:123456789012:model/no-such".',
        ),
        (
            [{"VariantName": "v", "ModelName": "m", "InstanceType": "ml.nonsense"}],
            "Member must satisfy enum value set",
        ),
        ([{"VariantName": "v", "ModelName": "for-variants"}], "InstanceType is required"),
        (
            [{"VariantName": "v", "ModelName": "m", "RoutingConfig": {"RoutingStrategy": "PREFIX_AWARE"}}],
            "PrefixLength and ConcurrencyThreshold are required",
        ),
        ([{"VariantName": "v"}], "ModelName is required"),
        ([{"VariantName": "v"}, {"VariantName": "v"}], "Duplicate production variant names"),
    ],
)
def test_invalid_variants_are_rejected(sagemaker: Any, variants: list[Any], message: str) -> None:
    if "for-variants" not in [model["ModelName"] for model in sagemaker.list_models()["Models"]]:
        sagemaker.create_model(ModelName="for-variants", **MODEL)
    call = sagemaker.create_endpoint_config
    code, error = error_of(call, EndpointConfigName="wrong", ProductionVariants=variants)
    assert code == "ValidationException"
    assert message in error


def test_a_model_needs_a_container_and_a_role(sagemaker: Any) -> None:
    assert "PrimaryContainer" in error_of(sagemaker.create_model, ModelName="m", ExecutionRoleArn=ROLE)[1]
    container = MODEL["PrimaryContainer"]
    _, error = error_of(sagemaker.create_model, ModelName="m", PrimaryContainer=container)
    assert "ExecutionRoleArn" in error


def test_tags_are_added_changed_and_removed(sagemaker: Any) -> None:
    tags = [{"Key": "team", "Value": "平台"}, {"Key": "env", "Value": "local"}]
    arn = sagemaker.create_model(ModelName="tagged", Tags=tags, **MODEL)["ModelArn"]
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == sorted(tags, key=lambda tag: tag["Key"])
    sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "env", "Value": "other"}])
    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["team", "missing"])
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "env", "Value": "other"}]
    sagemaker.delete_model(ModelName="tagged")
    sagemaker.create_model(ModelName="tagged", **MODEL)
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == []


def test_lists_are_filtered_sorted_and_paged(sagemaker: Any) -> None:
    for number in range(5):
        sagemaker.create_model(ModelName=f"listed-{number}", **MODEL)
    pages = sagemaker.get_paginator("list_models").paginate(
        NameContains="listed", SortBy="Name", SortOrder="Ascending", PaginationConfig={"PageSize": 2}
    )
    names = [[model["ModelName"] for model in page["Models"]] for page in pages]
    assert names == [["listed-0", "listed-1"], ["listed-2", "listed-3"], ["listed-4"]]
    newest_first = sagemaker.list_models(NameContains="listed", MaxResults=1)["Models"]
    assert newest_first[0]["ModelName"] == "listed-4"


def test_missing_resources_are_validation_errors(sagemaker: Any) -> None:
    assert sagemaker.list_training_jobs()["TrainingJobSummaries"] == []
    source = {"SourceUri": "s3://b/k"}
    code, message = error_of(sagemaker.create_context, ContextName="c", Source=source, ContextType="t")
    assert code == "UnknownOperationException"
    assert "embedded cloud does not support" in message


def processes(project: Project, endpoint: str) -> list[int]:
    status = client.status(project)
    assert status is not None
    return [process.pid for process in status.processes if process.name.startswith(f"{endpoint}/")]


def invoke(hosting: Hosting, endpoint: str) -> Any:
    response = hosting.aws("sagemaker-runtime").invoke_endpoint(
        EndpointName=endpoint, Body=b'{"prompt": "p"}'
    )
    return json.loads(response["Body"].read())


def test_an_endpoint_is_created_invoked_and_deleted(
    hosting: Hosting, engine: Engine, shared_checkout: Project
) -> None:
    configuration = hosting.configuration(container=engine.container)
    tags = [{"Key": "team", "Value": "platform"}]
    engine.healthy = False
    endpoint = hosting.endpoint(configuration, Tags=tags)
    first = hosting.sagemaker.describe_endpoint(EndpointName=endpoint)
    assert first["EndpointStatus"] == "Creating"
    engine.healthy = True
    description = hosting.settled(endpoint)
    assert description["EndpointStatus"] == "InService"
    assert description["EndpointConfigName"] == configuration
    assert hosting.sagemaker.list_tags(ResourceArn=description["EndpointArn"])["Tags"] == tags
    [variant] = description["ProductionVariants"]
    assert (variant["VariantName"], variant["CurrentInstanceCount"]) == ("AllTraffic", 1)
    assert invoke(hosting, endpoint) == {"ok": True}
    pids = processes(shared_checkout, endpoint)
    assert len(pids) == 1
    hosting.delete(endpoint)
    assert all(is_gone(pid) for pid in pids)
    with pytest.raises(ClientError, match="Could not find endpoint"):
        hosting.sagemaker.describe_endpoint(EndpointName=endpoint)


def test_a_taken_name_or_missing_configuration_is_rejected(hosting: Hosting, engine: Engine) -> None:
    configuration = hosting.configuration(container=engine.container)
    endpoint = hosting.endpoint(configuration)
    with pytest.raises(ClientError, match="Cannot create already existing endpoint"):
        hosting.sagemaker.create_endpoint(EndpointName=endpoint, EndpointConfigName=configuration)
    with pytest.raises(ClientError, match="Could not find endpoint configuration"):
        hosting.sagemaker.create_endpoint(EndpointName="other", EndpointConfigName="no-such")


def test_an_endpoint_in_service_has_a_healthy_container(hosting: Hosting, engine: Engine) -> None:
    engine.healthy = False
    endpoint = hosting.endpoint(hosting.configuration(container=engine.container))
    with pytest.raises(ClientError, match=f"Endpoint {endpoint} of account 123456789012 not found"):
        invoke(hosting, endpoint)
    with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
        hosting.sagemaker.delete_endpoint(EndpointName=endpoint)
    engine.healthy = True
    assert hosting.settled(endpoint)["EndpointStatus"] == "InService"


def test_an_unsupported_image_fails_with_a_remedy(hosting: Hosting) -> None:
    image = "763104351884.dkr.ecr.us-east-1.amazonaws.com/vllm:server-sagemaker-cuda-v2.0"
    description = hosting.settled(hosting.endpoint(hosting.configuration(image=image)))
    assert description["EndpointStatus"] == "Failed"
    assert image in description["FailureReason"]
    assert "llama_cpp" in description["FailureReason"]


def test_a_multi_model_container_fails(hosting: Hosting) -> None:
    description = hosting.settled(hosting.endpoint(hosting.configuration(container={"Mode": "MultiModel"})))
    assert description["EndpointStatus"] == "Failed"
    assert "multi-model container, which the embedded cloud cannot run" in description["FailureReason"]


def test_weights_that_were_deleted_fail_with_their_uri(hosting: Hosting) -> None:
    uri = "s3://emptied/model/"
    s3 = hosting.aws("s3")
    s3.create_bucket(Bucket="emptied")
    s3.put_object(Bucket="emptied", Key="model/a.gguf", Body=b"weights")
    source = {"S3DataSource": {"S3Uri": uri, "S3DataType": "S3Prefix", "CompressionType": "None"}}
    configuration = hosting.configuration(container={"ModelDataSource": source})
    s3.delete_object(Bucket="emptied", Key="model/a.gguf")
    description = hosting.settled(hosting.endpoint(configuration))
    assert description["EndpointStatus"] == "Failed"
    assert description["FailureReason"] == f"Could not find model data at {uri}."


REFUSED = "arn:aws:iam::123456789012:role/missing"


@pytest.mark.parametrize(
    ("members", "container", "message"),
    [
        ({"ExecutionRoleArn": REFUSED}, {}, f"Could not assume role {REFUSED}."),
        ({"ExecutionRoleArn": "lambda"}, {}, "allows principal 'sagemaker.amazonaws.com'"),
        ({}, {"Image": "public.ecr.aws/x/vllm:1"}, 'Using non-ECR image "public.ecr.aws/x/vllm:1"'),
        (
            {},
            {"Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/none:1"},
            "Requested image 123456789012.",
        ),
        ({}, {"ModelDataUrl": "s3://none/m.tar.gz"}, "Could not access model data at s3://none/m.tar.gz."),
    ],
)
def test_a_model_needs_what_it_refers_to(
    aws: Aws, sagemaker: Any, members: dict[str, Any], container: dict[str, Any], message: str
) -> None:
    iam = aws("iam")
    if members.get("ExecutionRoleArn") == "lambda":
        policy = document(trust({"Service": "lambda.amazonaws.com"}))
        role = iam.create_role(RoleName="of-lambda", AssumeRolePolicyDocument=policy)["Role"]
        members = {"ExecutionRoleArn": role["Arn"]}
    request = {"ModelName": "refused", "ExecutionRoleArn": ROLE, "PrimaryContainer": {"Image": LLAMA_IMAGE}}
    request |= {**members, "PrimaryContainer": {"Image": LLAMA_IMAGE, **container}}
    code, text = error_of(sagemaker.create_model, **request)
    assert code == "ValidationException"
    assert message in text


def test_images_of_private_registries_and_own_repositories(aws: Aws, sagemaker: Any) -> None:
    own = push_image(aws("ecr"), "own")
    private = {"Image": "registry.example.com/x:1", "ImageConfig": {"RepositoryAccessMode": "Vpc"}}
    for number, container in enumerate((private, {"Image": own})):
        sagemaker.create_model(ModelName=f"image-{number}", ExecutionRoleArn=ROLE, PrimaryContainer=container)


def test_a_process_that_exits_fails_the_endpoint(hosting: Hosting) -> None:
    container = {"Environment": {"OPENAI_BASE_URL": "http://192.0.2.1/v1"}}
    endpoint = hosting.endpoint(hosting.configuration(container=container))
    description = hosting.settled(endpoint)
    assert description["EndpointStatus"] == "Failed"
    assert "exit code 1" in description["FailureReason"]
    assert any("not this machine" in line for line in hosting.log(endpoint))
    hosting.delete(endpoint)


def test_a_container_that_exits_in_service_restarts(
    hosting: Hosting, engine: Engine, shared_checkout: Project
) -> None:
    endpoint = hosting.endpoint(hosting.configuration(container=engine.container))
    hosting.settled(endpoint)
    [old] = processes(shared_checkout, endpoint)
    psutil.Process(old).kill()
    eventually(lambda: processes(shared_checkout, endpoint) not in ([], [old]))

    def is_serving() -> bool:
        try:
            return invoke(hosting, endpoint) == {"ok": True}
        except ClientError as error:
            # Until the restart, clients get a retryable error.
            assert error.response["Error"]["Code"] == "ServiceUnavailable"
            return False

    eventually(is_serving)
    assert any("restarts" in line for line in hosting.log(endpoint))


def test_an_update_deploys_the_new_configuration(
    hosting: Hosting, engine: Engine, shared_checkout: Project
) -> None:
    old = hosting.configuration(container=engine.container)
    endpoint = hosting.endpoint(old)
    hosting.settled(endpoint)
    pids = processes(shared_checkout, endpoint)
    new = hosting.configuration(container=engine.container, InitialInstanceCount=2)
    engine.healthy = False
    hosting.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=new)
    during = hosting.sagemaker.describe_endpoint(EndpointName=endpoint)
    assert (during["EndpointStatus"], during["EndpointConfigName"]) == ("Updating", old)
    assert during["PendingDeploymentSummary"]["EndpointConfigName"] == new
    assert invoke(hosting, endpoint) == {"ok": True}
    with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
        hosting.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=new)
    engine.healthy = True
    description = hosting.settled(endpoint)
    assert (description["EndpointStatus"], description["EndpointConfigName"]) == ("InService", new)
    assert description["ProductionVariants"][0]["CurrentInstanceCount"] == 2
    assert "FailureReason" not in description
    assert "PendingDeploymentSummary" not in description
    assert all(is_gone(pid) for pid in pids)
    assert invoke(hosting, endpoint) == {"ok": True}


def test_a_failed_update_keeps_the_old_configuration_in_service(
    hosting: Hosting, engine: Engine, shared_checkout: Project
) -> None:
    old = hosting.configuration(container=engine.container)
    endpoint = hosting.endpoint(old)
    hosting.settled(endpoint)
    pids = processes(shared_checkout, endpoint)
    broken = hosting.configuration(image=UNKNOWN_IMAGE)
    hosting.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=broken)
    description = hosting.settled(endpoint)
    assert (description["EndpointStatus"], description["EndpointConfigName"]) == ("InService", old)
    assert "unknown" in description["FailureReason"]
    assert processes(shared_checkout, endpoint) == pids
    assert invoke(hosting, endpoint) == {"ok": True}


def test_a_failed_endpoint_can_only_be_deleted(hosting: Hosting, engine: Engine) -> None:
    endpoint = hosting.endpoint(hosting.configuration(image=UNKNOWN_IMAGE))
    assert hosting.settled(endpoint)["EndpointStatus"] == "Failed"
    configuration = hosting.configuration(container=engine.container)
    with pytest.raises(ClientError, match="its status is Failed"):
        hosting.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=configuration)
    hosting.delete(endpoint)


def test_requests_in_progress_survive_an_update(hosting: Hosting, engine: Engine) -> None:
    started, finish = threading.Event(), threading.Event()

    def slow(handler: Any, _: dict[str, Any]) -> None:
        started.set()
        finish.wait(HANG_SECONDS)
        respond(handler, 200, b'{"ok": "late"}')

    engine.behaviour = slow
    endpoint = hosting.endpoint(hosting.configuration(container=engine.container))
    hosting.settled(endpoint)
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(invoke(hosting, endpoint)))
    thread.start()
    assert started.wait(HANG_SECONDS)
    new = hosting.configuration(container=engine.container)
    hosting.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=new)

    def new_fleet_serves() -> bool:
        description = hosting.sagemaker.describe_endpoint(EndpointName=endpoint)
        return "PendingDeploymentSummary" in description and len(hosting.log(endpoint)) >= 2

    eventually(new_fleet_serves)
    finish.set()
    thread.join(HANG_SECONDS)
    assert results == [{"ok": "late"}]
    assert hosting.settled(endpoint)["EndpointConfigName"] == new


def test_an_update_needs_the_old_configuration(hosting: Hosting, engine: Engine) -> None:
    old, new = (hosting.configuration(container=engine.container) for _ in range(2))
    endpoint = hosting.endpoint(old)
    hosting.settled(endpoint)
    hosting.sagemaker.delete_endpoint_config(EndpointConfigName=old)
    with pytest.raises(ClientError, match=f'Could not find endpoint configuration ".*/{old}"'):
        hosting.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=new)


def test_weights_and_counts_are_updated_and_retained(hosting: Hosting, engine: Engine) -> None:
    endpoint = hosting.endpoint(hosting.configuration(container=engine.container))
    hosting.settled(endpoint)
    change = {"VariantName": "AllTraffic", "DesiredWeight": 3.0, "DesiredInstanceCount": 4}
    hosting.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=endpoint, DesiredWeightsAndCapacities=[change]
    )
    [variant] = hosting.settled(endpoint)["ProductionVariants"]
    assert (variant["CurrentWeight"], variant["CurrentInstanceCount"]) == (3.0, 4)
    new = hosting.configuration(container=engine.container)
    hosting.sagemaker.update_endpoint(
        EndpointName=endpoint, EndpointConfigName=new, RetainAllVariantProperties=True
    )
    [variant] = hosting.settled(endpoint)["ProductionVariants"]
    assert (variant["CurrentWeight"], variant["CurrentInstanceCount"]) == (3.0, 4)
    with pytest.raises(ClientError, match='"other" is/are not present'):
        hosting.sagemaker.update_endpoint_weights_and_capacities(
            EndpointName=endpoint, DesiredWeightsAndCapacities=[{"VariantName": "other"}]
        )
