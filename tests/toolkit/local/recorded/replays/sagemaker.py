"""SageMaker."""

from __future__ import annotations

import threading
from typing import Any

from botocore.exceptions import ClientError

from tests.support.cloud import respond
from tests.support.patience import HANG_SECONDS
from tests.toolkit.local.recorded.lab import ACCOUNT, REGION, SMOLLM2, Lab
from tests.toolkit.local.recorded.replays.base import REPLAYS, Replay, ask, keys, replay

IMAGE = f"763104351884.dkr.ecr.{REGION}.amazonaws.com/llama-cpp:server-sagemaker-cpu-v1"
SAGEMAKER_ROLE = f"arn:aws:iam::{ACCOUNT}:role/HuggingfaceExecuteRole"
VARIANT = {
    "VariantName": "v",
    "InstanceType": "ml.c7i.xlarge",
    "InitialInstanceCount": 1,
    "InitialVariantWeight": 1,
}


def model(name: str, role: str = SAGEMAKER_ROLE, **container: Any) -> Replay:
    request = {"ModelName": name, "ExecutionRoleArn": role, "PrimaryContainer": {"Image": IMAGE} | container}
    return ask("sagemaker", "create_model", **request)


def created(lab: Lab, name: str = "") -> str:
    """Create a model and a configuration of the same name."""
    name = name or lab.name()
    client = lab.client("sagemaker")
    client.create_model(ModelName=name, ExecutionRoleArn=SAGEMAKER_ROLE, PrimaryContainer={"Image": IMAGE})
    variants = [{**VARIANT, "ModelName": name}]
    client.create_endpoint_config(EndpointConfigName=name, ProductionVariants=variants)
    return name


def twice(method: str, name: str) -> Replay:
    def run(lab: Lab) -> str:
        _ = name in lab.__dict__.setdefault("made", set()) or created(lab, name)
        lab.__dict__["made"].add(name)
        if method == "create_model":
            return str(model(name)(lab))
        variants = [{**VARIANT, "ModelName": name}]
        return lab.ask("sagemaker", method, EndpointConfigName=name, ProductionVariants=variants)

    return run


def upper_case(lab: Lab) -> str:
    request = {"ExecutionRoleArn": SAGEMAKER_ROLE, "PrimaryContainer": {"Image": IMAGE}}
    return str(lab.client("sagemaker").create_model(ModelName="Fid-Upper", **request)["ModelArn"])


def busy(method: str, **parameters: Any) -> Replay:
    def run(lab: Lab) -> str:
        return lab.ask("sagemaker", method, EndpointName=lab.creating, **parameters).replace(
            lab.creating, SMOLLM2
        )

    return run


def update_in_progress(lab: Lab) -> str:
    name = created(lab)
    return str(busy("update_endpoint", EndpointConfigName=name)(lab))


WEIGHTS = [{"VariantName": "AllTraffic", "DesiredWeight": 1}]
NOPE = {"endpoint": {"EndpointName": "nope"}, "endpoint_config": {"EndpointConfigName": "nope"}}


REPLAYS |= {
    **{
        f"{verb}_{kind} of what is not there": ask("sagemaker", f"{verb}_{kind}", **name)
        for kind, name in {**NOPE, "model": {"ModelName": "nope"}}.items()
        for verb in ("describe", "delete")
    },
    "update_endpoint of what is not there": ask(
        "sagemaker", "update_endpoint", EndpointName="nope", EndpointConfigName="nope"
    ),
    "update_endpoint_weights_and_capacities of what is not there": ask(
        *("sagemaker", "update_endpoint_weights_and_capacities"),
        EndpointName="nope",
        DesiredWeightsAndCapacities=WEIGHTS,
    ),
    "create_endpoint without its configuration": ask(
        "sagemaker", "create_endpoint", EndpointName="x", EndpointConfigName="nope"
    ),
    "DescribeModel: members of the answer": lambda lab: keys(
        lab.client("sagemaker").describe_model(ModelName=created(lab))
    ),
    "create_model twice": twice("create_model", "fid-m"),
    "ARN of a name with capitals is lower-case": upper_case,
    "create_model: image of another registry": model("fid-bad1", Image="public.ecr.aws/x/vllm:1"),
    "create_model: model data that is not there": model(
        "fid-bad2", ModelDataUrl="s3://fid-no-such-bucket/m.tar.gz"
    ),
    "create_model: role that is not there": model(
        "fid-bad3", role=f"arn:aws:iam::{ACCOUNT}:role/fid-no-such"
    ),
    "create_model: ECR repository that is not there": model(
        "fid-bad4", Image=f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/fid-no-such:1"
    ),
    "DescribeEndpointConfig: members": lambda lab: keys(
        lab.client("sagemaker").describe_endpoint_config(EndpointConfigName=created(lab))
    ),
    "create_endpoint_config twice": twice("create_endpoint_config", "fid-c"),
    "DescribeEndpoint InService: members of a variant": lambda lab: keys(
        lab.endpoint["ProductionVariants"][0]
    ),
    "InvokeEndpoint of what is not there": ask(
        "sagemaker-runtime", "invoke_endpoint", EndpointName="nope", Body=b""
    ),
    "DeleteEndpoint in progress": busy("delete_endpoint"),
    "UpdateEndpoint in progress": update_in_progress,
    "UpdateEndpointWeightsAndCapacities in progress": busy(
        "update_endpoint_weights_and_capacities", DesiredWeightsAndCapacities=WEIGHTS
    ),
}


@replay("instance type ml.m7g.xlarge (AWS: not in enum for hosting, ValidationException)")
def wrong_type(lab: Lab) -> str:
    variants = [{**VARIANT, "ModelName": "m", "InstanceType": "ml.m7g.xlarge"}]
    response_text = lab.ask(
        "sagemaker", "create_endpoint_config", EndpointConfigName="x", ProductionVariants=variants
    )
    return (
        "400 ValidationException enum"
        if response_text.startswith("400 ValidationException") and "enum" in response_text
        else response_text
    )


def summary(method: str, kind: str) -> Replay:
    def run(lab: Lab) -> list[str]:
        created(lab)
        _ = lab.endpoint
        return keys(getattr(lab.client("sagemaker"), method)()[kind][0])

    return run


REPLAYS |= {
    "list_endpoints: members of a summary": summary("list_endpoints", "Endpoints"),
    "list_models: members of a summary": summary("list_models", "Models"),
    "list_endpoint_configs: members of a summary": summary("list_endpoint_configs", "EndpointConfigs"),
}


@replay("DescribeEndpoint when Failed: members")
def failed(lab: Lab) -> list[str]:
    name = unloadable(lab)
    lab.client("sagemaker").create_endpoint(EndpointName=name, EndpointConfigName=name)
    return keys(lab.hosting.settled(name))


def unloadable(lab: Lab) -> str:
    """A configuration whose model cannot start: its data are deleted after the model was created."""
    s3, bucket, name = lab.client("s3"), f"{lab.name()}-data", lab.name()
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="m/model.gguf", Body=b"x")
    source = {"S3Uri": f"s3://{bucket}/m/", "S3DataType": "S3Prefix", "CompressionType": "None"}
    container = {"Image": IMAGE, "ModelDataSource": {"S3DataSource": source}}
    client = lab.client("sagemaker")
    client.create_model(ModelName=name, ExecutionRoleArn=SAGEMAKER_ROLE, PrimaryContainer=container)
    client.create_endpoint_config(
        EndpointConfigName=name,
        ProductionVariants=[{**VARIANT, "VariantName": "AllTraffic", "ModelName": name}],
    )
    s3.delete_object(Bucket=bucket, Key="m/model.gguf")
    return name


@replay("update to a model whose data is gone: Updating → InService, old configuration, FailureReason")
def update_fails(lab: Lab) -> list[Any]:
    _ = lab.endpoint
    client = lab.client("sagemaker")
    before = client.describe_endpoint(EndpointName=SMOLLM2)["EndpointConfigName"]
    client.update_endpoint(EndpointName=SMOLLM2, EndpointConfigName=unloadable(lab))
    last = lab.hosting.settled(SMOLLM2)
    same = (
        "llm-local-smollm2-a78af694" if last["EndpointConfigName"] == before else last["EndpointConfigName"]
    )
    reason = "FailureReason set" if last.get("FailureReason") else "none"
    # Here, the update fails before the next request.
    return ["Updating", last["EndpointStatus"], same, reason]


@replay("a later successful update clears FailureReason")
def update_succeeds(lab: Lab) -> str:
    if "FailureReason" not in lab.client("sagemaker").describe_endpoint(
        EndpointName=lab.endpoint["EndpointName"]
    ):
        update_fails(lab)
    last = updated(lab)[-1]
    return str(last.get("FailureReason") or "no FailureReason")


def updated(lab: Lab, count: int = 1, **parameters: Any) -> list[dict[str, Any]]:
    """The descriptions during and after an update to a configuration that starts."""
    _ = lab.endpoint
    client = lab.client("sagemaker")
    name = lab.hosting.configuration(container=lab.engine.container, InitialInstanceCount=count)
    client.update_endpoint(EndpointName=SMOLLM2, EndpointConfigName=name, **parameters)
    first = client.describe_endpoint(EndpointName=SMOLLM2)
    return [first, lab.hosting.settled(SMOLLM2)]


@replay("state sequence of an update: Updating → InService")
def states(lab: Lab) -> str:
    sequence = ", ".join(description["EndpointStatus"] for description in updated(lab))
    return f"{sequence} (ACK sagemaker-controller tests, tfp waiters)"


@replay("RetainAllVariantProperties keeps the count of a variant of the same name")
def retained(lab: Lab) -> list[int]:
    _ = lab.endpoint
    client = lab.client("sagemaker")
    expected = [{"VariantName": "AllTraffic", "DesiredInstanceCount": 2}]
    client.update_endpoint_weights_and_capacities(EndpointName=SMOLLM2, DesiredWeightsAndCapacities=expected)
    lab.hosting.settled(SMOLLM2)
    (variant,) = updated(lab, RetainAllVariantProperties=True)[-1]["ProductionVariants"]
    return [variant["DesiredInstanceCount"], variant["CurrentInstanceCount"]]


@replay("ModelError: 424, members OriginalStatusCode, OriginalMessage, LogStreamArn")
def model_error(lab: Lab) -> str:
    _ = lab.endpoint
    before, lab.engine.behaviour = lab.engine.behaviour, lambda handler, _: respond(handler, 500, b"{}")
    try:
        lab.client("sagemaker-runtime").invoke_endpoint(EndpointName=SMOLLM2, Body=b'{"prompt": "p"}')
    except ClientError as error:
        response = error.response
        count = len({"OriginalStatusCode", "OriginalMessage", "LogStreamArn"} & set(response))
        return (
            f"{response['ResponseMetadata']['HTTPStatusCode']} {response['Error']['Code']} + {count} members"
        )
    finally:
        lab.engine.behaviour = before
    return "accepted"


@replay("InvokeEndpoint answer has x-amzn-requestid and x-amzn-invoked-production-variant")
def invoked(lab: Lab) -> str:
    _ = lab.endpoint
    response = lab.client("sagemaker-runtime").invoke_endpoint(EndpointName=SMOLLM2, Body=b'{"prompt": "p"}')
    headers = response["ResponseMetadata"]["HTTPHeaders"]
    expected = {"x-amzn-requestid", "x-amzn-invoked-production-variant"}
    return "both" if expected <= set(headers) else str(sorted(headers))


@replay("throttled (serverless concurrency)")
def serverless(lab: Lab) -> str:
    client, name, free = lab.client("sagemaker"), lab.name(), threading.Event()
    engine = lab.engine
    container = {"Image": IMAGE, **engine.container}
    client.create_model(ModelName=name, ExecutionRoleArn=SAGEMAKER_ROLE, PrimaryContainer=container)
    settings = {"MemorySizeInMB": 2048, "MaxConcurrency": 1}
    variant = {"VariantName": "v", "ModelName": name, "ServerlessConfig": settings}
    client.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    lab.hosting.endpoint(name, name)
    lab.hosting.settled(name)
    busy_now = threading.Event()

    def hang(handler: Any, _: Any) -> None:
        busy_now.set()
        free.wait(HANG_SECONDS)
        respond(handler, 200, b"{}")

    before, engine.behaviour = engine.behaviour, hang
    request = {"EndpointName": name, "Body": b'{"prompt": "p"}'}
    thread = threading.Thread(target=lambda: lab.client("sagemaker-runtime").invoke_endpoint(**request))
    thread.start()
    try:
        assert busy_now.wait(HANG_SECONDS)
        lab.client("sagemaker-runtime").invoke_endpoint(**request)
    except ClientError as error:
        details, status = error.response["Error"], error.response["ResponseMetadata"]["HTTPStatusCode"]
        message = details.get("Message") or "null"
        return (
            f"{status} {details['Code']}, message {message} (Service: AmazonSageMakerRuntime; "
            f"Status Code: {status}; Error Code: {details['Code']})"
        )
    finally:
        free.set()
        thread.join()
        engine.behaviour = before
    return "accepted"
