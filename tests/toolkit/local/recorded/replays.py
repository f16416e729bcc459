"""The recorded requests of `cases.jsonl`, by their name there."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import boto3
import httpx
from botocore.exceptions import ClientError

from tests.support.cloud import respond
from tests.support.cloudprocess import zipped
from tests.support.iam import document, trust
from tests.support.patience import HANG_SECONDS
from tests.toolkit.local.apigateway.conftest import integration
from tests.toolkit.local.recorded.lab import ACCOUNT, GATEWAY, REGION, ROLE, SMOLLM2, Lab, error_text

IMAGE = f"763104351884.dkr.ecr.{REGION}.amazonaws.com/llama-cpp:server-sagemaker-cpu-v1"
SAGEMAKER_ROLE = f"arn:aws:iam::{ACCOUNT}:role/HuggingfaceExecuteRole"
VARIANT = {
    "VariantName": "v",
    "InstanceType": "ml.c7i.xlarge",
    "InitialInstanceCount": 1,
    "InitialVariantWeight": 1,
}
TRACE = "Root=1-3152b799-8954dae64eda91bc9a23a7e8"
ENCODED = (
    "/echo/api?dateTimeOffset=2023-06-12T18:05:10.123456+00:00&email=test%2Balias@gmail.com&plus=test+alias@gmail.com"
    "&url=https://www.google.com/&whitespace=foo%20bar&zhash=abort/%23"
)
EMAIL = "/proxy-value/api/user/test%2Balias@gmail.com/plus/test+alias@gmail.com"
MULTI = "/proxy-value?category=electronics&category=books&price=10&price=20&price=30"
SENT = {"user-agent": "test", "tEsT-HEADeR": "aValUE", "authorization": "random-value"}

Replay = Callable[[Lab], Any]
REPLAYS: dict[str, Replay] = {}


def keys(response: Any) -> list[str]:
    return sorted(key for key in response if key != "ResponseMetadata")


def ask(service: str, method: str, **parameters: Any) -> Replay:
    return lambda lab: lab.ask(service, method, **parameters)


def members(service: str, method: str, **parameters: Any) -> Replay:
    return lambda lab: keys(getattr(lab.client(service), method)(**parameters))


def replay(case: str) -> Callable[[Replay], Replay]:
    def add(function: Replay) -> Replay:
        REPLAYS[case] = function
        return function

    return add


def of_gateway(response: httpx.Response) -> list[Any]:
    """Status, body, error type, media type, and whether the two ids are there."""
    headers = response.headers
    ids = ["x-amzn-requestid" in headers, "x-amz-apigw-id" in headers]
    return [
        response.status_code,
        response.text,
        headers.get("x-amzn-errortype"),
        headers["content-type"],
        *ids,
    ]


# --- Deployed APIs


def context_keys(lab: Lab) -> dict[str, Any]:
    context = lab.event("/echo", headers=SENT)["requestContext"]
    return {**dict.fromkeys(context), "identity": sorted(context["identity"])}


def proxied(document: Any, *headers: str) -> Replay:
    """Status, body, and some headers of the response to what the function returns."""

    def run(lab: Lab) -> list[Any]:
        response = lab.responded(document)
        body = response.json() if response.status_code >= 400 else response.text
        sent = [{name: response.headers.get(name) for name in headers}] if headers else []
        return [response.status_code, body, *sent]

    return run


NAMES = (
    "event header names keep the client's case "
    "(tEsT-HEADeR; Authorization, Host, User-Agent, Accept canonical)"
)
EVENT = "event.{} / invocation-payload-with-params-encoding"
REPLAYS |= {
    NAMES: lambda lab: sorted(lab.event("/echo", headers=SENT)["headers"]),
    "event.requestContext keys (and identity's)": context_keys,
    "event top-level keys": lambda lab: sorted(lab.event("/echo")),
    EVENT.format("path"): lambda lab: lab.event(ENCODED)["path"].replace("echo", "proxy-value"),
    EVENT.format("queryStringParameters"): lambda lab: lab.event(ENCODED)["queryStringParameters"],
    EVENT.format("requestContext.path+resourcePath"): lambda lab: [
        lab.event(ENCODED)["requestContext"]["path"].replace("/live/echo", "/stage/proxy-value"),
        lab.event(ENCODED)["requestContext"]["resourcePath"],
    ],
    EVENT.format("queryStringParameters") + "-multi": lambda lab: lab.event(MULTI)["queryStringParameters"],
    EVENT.format("multiValueQueryStringParameters") + "-multi": (
        lambda lab: lab.event(MULTI)["multiValueQueryStringParameters"]
    ),
    "response headers of AWS_PROXY (x-amzn-requestid, x-amz-apigw-id, x-amzn-trace-id, content-type…)": (
        lambda lab: sorted(lab.api_request("/x").headers)
    ),
    "a sent x-amzn-trace-id comes back in the answer's header": (
        lambda lab: lab.api_request("/x", headers={"x-amzn-trace-id": TRACE}).headers.get(
            "x-amzn-trace-id", ""
        )
    ),
    "proxy answer: invoke-api-no-body": proxied({"statusCode": 200}),
    "proxy answer: invoke-api-with-headers": proxied(
        {"statusCode": 200, "headers": {"test-header": "value", "header-bool": True}},
        *("content-type", "header-bool", "test-header"),
    ),
    "proxy answer: invoke-api-with-headers-null": proxied(
        {"statusCode": 200, "headers": None}, "content-type"
    ),
    "proxy answer: invoke-api-wrong-format": proxied({"statusCode": 200, "wrongValue": "value"}),
    "proxy answer: invoke-api-b64-encoded-false": proxied({"statusCode": 200, "body": "dGVzdC1kYXRh"}),
    "proxy answer: invoke-api-multi-headers-valid": proxied(
        {"statusCode": 200, "multiValueHeaders": {"test-multi": ["value1", "value2"]}}, "test-multi"
    ),
    "proxy answer: invoke-api-multi-headers-invalid": proxied(
        {"statusCode": 200, "multiValueHeaders": {"test-multi-invalid": "value1"}}
    ),
    "proxy answer: invoke-api-invalid-status-code": proxied({"statusCode": "test"}),
    "proxy answer: invoke-api-status-code-str": proxied({"statusCode": "201"}),
    "proxy answer: invoke-api-just-string": proxied("justAString"),
    "proxy answer: invoke-api-only-headers": proxied({"headers": {"test-header": "value"}}),
    "proxy answer: function raised": lambda lab: [
        lab.api_request("/raise").status_code,
        lab.api_request("/raise").json(),
    ],
    "AWS_PROXY with integration httpMethod GET": lambda lab: [
        lab.api_request("/by-get").status_code,
        lab.api_request("/by-get").json(),
    ],
    "bad api key": lambda lab: of_gateway(lab.api_request("/keyed", headers={"x-api-key": "x" * 20})),
    "function error": lambda lab: of_gateway(lab.api_request("/raise")),
    "integration timeout": lambda lab: of_gateway(lab.api_request("/slow")),
    "unknown API": lambda lab: unknown(lab, "nosuchapi1/live").replace("403", "403 Forbidden"),
    "unknown stage": lambda lab: unknown(lab, f"{lab.api.id}/nosuchstage"),
    "authorizer raises": lambda lab: of_gateway(
        lab.api_request("/bearer", headers={"authorization": "raise"})
    )[:3],
    "authorizer denies": lambda lab: of_gateway(
        lab.api_request("/bearer", headers={"authorization": "deny"})
    )[:3],
    "no token": lambda lab: of_gateway(lab.api_request("/bearer"))[:3],
}


def unknown(lab: Lab, path: str) -> str:
    response = httpx.get(f"{lab.cloud.endpoint_url}/_aws/execute-api/{path}/x", timeout=HANG_SECONDS)
    body = response.text.replace('"', "'")
    return f"{response.status_code} {body}"


@replay("known path, other method: 403 Missing Authentication Token")
def other_method(lab: Lab) -> list[Any]:
    api = lab.new_api()
    api.put({"paths": {"/get-only": {"get": integration(lab.gateway)}}})
    api.deploy()
    response = api.post("/get-only")
    return [response.status_code, response.text]


@replay("throttled by usage plan")
def throttled(lab: Lab) -> list[Any]:
    client = lab.api.client
    stage = {"apiId": lab.api.id, "stage": lab.api.stage}
    plan = client.create_usage_plan(
        name="p", apiStages=[stage], throttle={"burstLimit": 1, "rateLimit": 0.0001}
    )
    key = client.create_api_key(name="k", enabled=True)
    client.create_usage_plan_key(usagePlanId=plan["id"], keyId=key["id"], keyType="API_KEY")
    responses = [lab.api_request("/keyed", headers={"x-api-key": key["value"]}) for _ in range(3)]
    return of_gateway(responses[-1])[:3]


@replay("body over 10 MB")
def too_large(lab: Lab) -> str:
    response = lab.api_request("/x", "POST", content=b"x" * (10 * 1024 * 1024 + 1))
    return f"{response.status_code} {response.text}"


# --- API Gateway


def imported(**extension: Any) -> Replay:
    def run(lab: Lab) -> str:
        method = integration(lab.gateway)
        method["x-amazon-apigateway-integration"] |= extension
        body = {"openapi": "3.0.1", "info": {"title": "t", "version": "1"}, "paths": {"/x": {"get": method}}}
        return lab.ask(
            "apigateway", "put_rest_api", restApiId=lab.new_api().id, mode="overwrite", body=json.dumps(body)
        )

    return run


def staged(**patch: str) -> Replay:
    def run(lab: Lab) -> str:
        operations = [{"op": "replace", "path": path, "value": value} for path, value in patch.items()]
        return lab.ask(
            "apigateway",
            "update_stage",
            restApiId=lab.api.id,
            stageName=lab.api.stage,
            patchOperations=operations,
        )

    return run


def unfinished(lab: Lab) -> str:
    client, api = lab.client("apigateway"), lab.new_api()
    root = client.get_resources(restApiId=api.id)["items"][0]["id"]
    client.put_method(restApiId=api.id, resourceId=root, httpMethod="GET", authorizationType="NONE")
    return lab.ask("apigateway", "create_deployment", restApiId=api.id)


def same_key(lab: Lab) -> str:
    lab.client("apigateway").create_api_key(name="k", value="x" * 24)
    return lab.ask("apigateway", "create_api_key", name="k", value="x" * 24)


GROUP = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:fid"
REPLAYS |= {
    "import: timeoutInMillis 60000 on a buffered integration": imported(timeoutInMillis=60000),
    "import: integration uri is a bare function ARN": imported(
        uri=f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"
    ),
    "import: integration uri is no ARN": imported(uri="nonsense"),
    "create_deployment: a method without integration": unfinished,
    "create_deployment: no methods": lambda lab: lab.ask(
        "apigateway", "create_deployment", restApiId=lab.new_api().id
    ),
    "create_stage twice": lambda lab: lab.ask(
        *("apigateway", "create_stage"),
        restApiId=lab.api.id,
        stageName=lab.api.stage,
        deploymentId=lab.api.deployments[0],
    ),
    "delete an active deployment": lambda lab: lab.ask(
        "apigateway", "delete_deployment", restApiId=lab.api.id, deploymentId=lab.api.deployments[0]
    ),
    "access log format without requestId": staged(
        **{"/accessLogSettings/format": "$context.status", "/accessLogSettings/destinationArn": GROUP}
    ),
    "execution logging without an account-wide CloudWatch role": staged(**{"/*/*/logging/loglevel": "INFO"}),
    "api key of 5 characters": ask("apigateway", "create_api_key", name="k", value="short"),
    "the same api key value again": same_key,
    "usage plan for a stage that is not there": lambda lab: lab.ask(
        "apigateway", "create_usage_plan", name="p", apiStages=[{"apiId": lab.api.id, "stage": "nope"}]
    ),
    "CreateApiKey: members": members("apigateway", "create_api_key", name="k", enabled=True),
    "get_rest_api unknown": ask("apigateway", "get_rest_api", restApiId="nope"),
    "delete_rest_api unknown": ask("apigateway", "delete_rest_api", restApiId="nope"),
    "get_stage unknown": lambda lab: lab.ask(
        "apigateway", "get_stage", restApiId=lab.api.id, stageName="nope"
    ),
    "get_api_key unknown": ask("apigateway", "get_api_key", apiKey="nope"),
    "get_usage_plan unknown": ask("apigateway", "get_usage_plan", usagePlanId="nope"),
}

# --- SageMaker


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


# --- Lambda

FUNCTION = {"Runtime": "python3.13", "Handler": "app.handler"}


def with_gateway(method: str, **parameters: Any) -> Replay:
    def run(lab: Lab) -> str:
        _ = lab.gateway
        return lab.ask("lambda", method, FunctionName=GATEWAY, **parameters)

    return run


def create_function(**settings: Any) -> Replay:
    def run(lab: Lab) -> str:
        _ = lab.cloud.functions
        code = {"ZipFile": zipped({"app.py": "def handler(*_): pass"})}
        return lab.ask(
            "lambda", "create_function", FunctionName=lab.name(), Code=code, **FUNCTION, **settings
        )

    return run


REPLAYS |= {
    **{
        f"{method} of what is not there": ask("lambda", method, FunctionName="nope")
        for method in ("get_function", "delete_function", "get_function_configuration")
    },
    "get_function of an unknown alias": with_gateway("get_function", Qualifier="Dev"),
    "get_alias unknown": with_gateway("get_alias", Name="Dev"),
    "create_function with a role that is not there / cannot be assumed": create_function(
        Role=f"arn:aws:iam::{ACCOUNT}:role/fid-no-such"
    ),
    "reserved environment variable AWS_REGION": create_function(
        Role=ROLE, Environment={"Variables": {"AWS_REGION": "x"}}
    ),
}


@replay("get_policy of a function without one")
def without_policy(lab: Lab) -> str:
    arn = lab.cloud.create_function(lab.name(), {"app.py": "def handler(*_): pass"})
    return lab.ask("lambda", "get_policy", FunctionName=arn)


# --- IAM and STS


@replay("delete_role with inline policies")
def delete_role(lab: Lab) -> str:
    iam, name = lab.client("iam"), lab.name()
    iam.create_role(
        RoleName=name, AssumeRolePolicyDocument=document(trust({"Service": "lambda.amazonaws.com"}))
    )
    policy = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document(policy))
    return lab.ask("iam", "delete_role", RoleName=name)


@replay("detach_role_policy unknown")
def detach(lab: Lab) -> str:
    _ = lab.role
    arn = "arn:aws:iam::aws:policy/AdministratorAccessDoesNotExist"
    return lab.ask("iam", "detach_role_policy", RoleName="fid-lambda", PolicyArn=arn)


NO_SUCH = f"arn:aws:iam::{ACCOUNT}:role/fid-no-such"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/accounts.google.com"
REPLAYS |= {
    "get_role unknown": ask("iam", "get_role", RoleName="nope"),
    "get_policy unknown": ask("iam", "get_policy", PolicyArn=f"arn:aws:iam::{ACCOUNT}:policy/nope"),
    "get_open_id_connect_provider unknown": ask(
        "iam", "get_open_id_connect_provider", OpenIDConnectProviderArn=PROVIDER
    ),
    "malformed policy document": ask(
        *("iam", "create_policy"),
        PolicyName="fid-p",
        PolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*"}]}
        ),
    ),
    "trust policy for a principal that is not there": ask(
        "iam", "create_role", RoleName="fid-tr", AssumeRolePolicyDocument=document(trust({"AWS": NO_SUCH}))
    ),
    "apigateway.get_account": lambda lab: lab.as_user("apigateway", "get_account"),
    "sagemaker-runtime.invoke_endpoint": lambda lab: lab.as_user(
        "sagemaker-runtime", "invoke_endpoint", EndpointName="x", Body=b""
    ),
    "sts.assume_role": lambda lab: lab.as_user("sts", "assume_role", RoleArn=lab.role, RoleSessionName="ab"),
}


@replay("s3.get_object")
def get_object(lab: Lab) -> str:
    lab.client("s3").create_bucket(Bucket="fid-bucket")
    lab.client("s3").put_object(Bucket="fid-bucket", Key="x", Body=b"")
    return lab.as_user("s3", "get_object", Bucket="fid-bucket", Key="x")


@replay("unknown access key: sagemaker")
def unknown_key(lab: Lab) -> str:

    keys = {"aws_access_key_id": "AKIAUNKNOWNUNKNOWN00", "aws_secret_access_key": "x"}
    client = boto3.client("sagemaker", endpoint_url=lab.cloud.endpoint_url, region_name=REGION, **keys)  # type: ignore[call-overload]
    try:
        client.list_models()
    except ClientError as error:
        return error_text(error)
    return "accepted"


@replay("lambda.create_function")
def pass_role(lab: Lab) -> str:
    policy = {"Effect": "Allow", "Action": "lambda:CreateFunction", "Resource": "*"}
    _ = lab.user
    lab.client("iam").put_user_policy(
        UserName="fid-user", PolicyName="create", PolicyDocument=document(policy)
    )
    code = {"ZipFile": zipped({"app.py": ""})}
    try:
        return lab.as_user(
            "lambda", "create_function", FunctionName="fid-pass", Role=lab.role, Code=code, **FUNCTION
        )
    finally:
        lab.client("iam").delete_user_policy(UserName="fid-user", PolicyName="create")


# --- S3


def new_bucket(lab: Lab) -> str:
    name = f"{lab.name()}-bucket"
    lab.client("s3").create_bucket(Bucket=name)
    return name


def unconfigured(method: str) -> Replay:
    def run(lab: Lab) -> str:
        bucket = new_bucket(lab)
        if method == "get_public_access_block":
            # A new bucket has one.
            lab.client("s3").delete_public_access_block(Bucket=bucket)
        if method == "get_bucket_ownership_controls":
            lab.client("s3").delete_bucket_ownership_controls(Bucket=bucket)
        return lab.ask("s3", method, Bucket=bucket)

    return run


def by_default(lab: Lab) -> str:
    bucket, s3 = new_bucket(lab), lab.client("s3")
    try:
        block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
        rules = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
    except s3.exceptions.ClientError as error:
        return str(error)
    is_default = all(block.values()) and rules == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    return "both configured" if is_default else str((block, rules))


def encryption(lab: Lab) -> str:
    s3 = lab.client("s3")
    try:
        response = s3.get_bucket_encryption(Bucket=new_bucket(lab))
    except s3.exceptions.ClientError as error:
        return str(error)
    (rule,) = response["ServerSideEncryptionConfiguration"]["Rules"]
    return f"200 {rule['ApplyServerSideEncryptionByDefault']['SSEAlgorithm']}"


REPLAYS |= {
    **{
        f"{method}: nothing configured": unconfigured(method)
        for method in (
            *("get_bucket_policy", "get_bucket_lifecycle_configuration", "get_bucket_ownership_controls"),
            *("get_bucket_replication", "get_bucket_website", "get_object_lock_configuration"),
            "get_public_access_block",
        )
    },
    "get_bucket_encryption of a new bucket: SSE-S3 by default (since January 2023)": encryption,
    "new bucket has BlockPublicAccess on and BucketOwnerEnforced by default (since April 2023)": by_default,
    "get_bucket_policy of no bucket": ask("s3", "get_bucket_policy", Bucket="fid-no-such-bucket"),
}

# --- Application Auto Scaling, CloudWatch, WAF

DIMENSION = {"ServiceNamespace": "sagemaker", "ScalableDimension": "sagemaker:variant:DesiredInstanceCount"}
TARGET = {**DIMENSION, "ResourceId": f"endpoint/{SMOLLM2}/variant/AllTraffic"}
UNKNOWN_TARGET = {**DIMENSION, "ResourceId": "endpoint/nope/variant/v"}
PREDEFINED = {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}


def registered(lab: Lab) -> Any:
    _ = lab.endpoint
    scaling = lab.client("application-autoscaling")
    scaling.register_scalable_target(**TARGET, MinCapacity=1, MaxCapacity=4)
    return scaling


def again_with_tags(lab: Lab) -> str:
    registered(lab)
    return lab.ask(
        *("application-autoscaling", "register_scalable_target"),
        **TARGET,
        MinCapacity=1,
        MaxCapacity=4,
        Tags={"a": "b"},
    )


def scaling_role(lab: Lab) -> str:
    targets = registered(lab).describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    role = str(targets[0]["RoleARN"])
    prefix = f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/sagemaker.application-autoscaling.amazonaws.com/"
    name = role.removeprefix(prefix)
    if name != "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint":
        return role
    return (
        "arn:aws:iam::…:role/aws-service-role/<ns>.application-autoscaling.amazonaws.com/"
        "AWSServiceRoleForApplicationAutoScaling_<X> (SageMakerEndpoint)"
    )


def alarm(**members: Any) -> Replay:
    base = {"AlarmName": "fid", "Namespace": "n", "MetricName": "m", "Statistic": "Sum", "Period": 60}
    base |= {"EvaluationPeriods": 1, "Threshold": 1, "ComparisonOperator": "GreaterThanThreshold"}
    return ask("cloudwatch", "put_metric_alarm", **{**base, **members})


REPLAYS |= {
    "register an existing target with tags": again_with_tags,
    "deregister unknown": ask("application-autoscaling", "deregister_scalable_target", **UNKNOWN_TARGET),
    "delete_scaling_policy unknown": lambda lab: (
        registered(lab)
        and lab.ask("application-autoscaling", "delete_scaling_policy", PolicyName="nope", **TARGET)
    ),
    "put_scaling_policy without target": ask(
        *("application-autoscaling", "put_scaling_policy"),
        **UNKNOWN_TARGET,
        PolicyName="p",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 1,
            "PredefinedMetricSpecification": PREDEFINED,
        },
    ),
    "RoleARN of the service-linked role": scaling_role,
    "alarm period 61": alarm(Period=61),
    "alarm DatapointsToAlarm > EvaluationPeriods": alarm(DatapointsToAlarm=2),
    "put_logging/get unknown web ACL": ask(
        "wafv2", "get_web_acl", Name="nope", Scope="REGIONAL", Id="11111111-1111-1111-1111-111111111111"
    ),
}


# --- More of LocalStack's snapshots


def patched(path: str, value: str = "wrong") -> Replay:
    patch = {"op": "replace", "path": path, "value": value}
    return lambda lab: lab.ask(
        "apigateway", "update_rest_api", restApiId=lab.new_api().id, patchOperations=[patch]
    )


def prepended(lab: Lab) -> list[str]:
    event = lab.event("//proxy-value")
    return [event["path"], event["requestContext"]["path"].replace("/live", "/stage")]


def pending(lab: Lab) -> str:
    code = {"ZipFile": zipped({"app.py": "def handler(*_): pass"})}
    _ = lab.cloud.functions
    created = lab.client("lambda").create_function(FunctionName=lab.name(), Role=ROLE, Code=code, **FUNCTION)
    return f"{created['State']} {created['StateReasonCode']}"


def permitted_twice(lab: Lab) -> str:
    permission = {"Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com", "StatementId": "s3"}
    with_gateway("add_permission", **permission)(lab)
    return str(with_gateway("add_permission", **permission)(lab))


REPLAYS |= {
    "create_rest_api: empty description": ask("apigateway", "create_rest_api", name="x", description=""),
    "create_rest_api: two endpoint types": ask(
        "apigateway", "create_rest_api", name="x", endpointConfiguration={"types": ["REGIONAL", "EDGE"]}
    ),
    "create_rest_api: unknown endpoint type": ask(
        "apigateway", "create_rest_api", name="x", endpointConfiguration={"types": ["wrong"]}
    ),
    "update_rest_api unknown": ask("apigateway", "update_rest_api", restApiId="nope", patchOperations=[]),
    "update_rest_api: unknown patch operation": lambda lab: lab.ask(
        "apigateway",
        "update_rest_api",
        restApiId=lab.api.id,
        patchOperations=[{"op": "wrong", "path": "/name"}],
    ),
    "put_rest_api: neither JSON nor YAML of an API": lambda lab: lab.ask(
        "apigateway", "put_rest_api", restApiId=lab.new_api().id, body=b"nonsense"
    ),
    "api key of 129 characters": ask("apigateway", "create_api_key", name="k", value="x" * 129),
    "api key with a name of 1025 characters": ask("apigateway", "create_api_key", name="x" * 1025),
    "update_usage_plan unknown": ask(
        "apigateway", "update_usage_plan", usagePlanId="nope", patchOperations=[]
    ),
    "proxy answer: invoke-api-multi-headers-overwrite": proxied(
        {"multiValueHeaders": {"test-multi": ["value-multi"]}, "headers": {"test-multi": "value-solo"}},
        "test-multi",
    ),
    "event.path / invocation-payload-with-path-encoded-email": lambda lab: lab.event(EMAIL)["path"],
    "event.pathParameters / invocation-payload-with-path-encoded-email": lambda lab: lab.event(EMAIL)[
        "pathParameters"
    ],
    "event.pathParameters / invocation-payload-with-trailing-slash": lambda lab: lab.event("/proxy-value/")[
        "pathParameters"
    ],
    "event.path / invocation-payload-with-prepended-slash": prepended,
    "create_function: not a zip": lambda lab: lab.ask(
        "lambda", "create_function", FunctionName="x", Role=ROLE, Code={"ZipFile": b"x"}, **FUNCTION
    ),
    "create_function: malformed role": create_function(Role="r1"),
    "create_function: unknown architecture": create_function(Role=ROLE, Architectures=["X86_64"]),
    "create_function: State first": pending,
    "add_permission twice": permitted_twice,
    "add_permission: statement id with a dot": with_gateway(
        "add_permission",
        StatementId="example.com",
        Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com",
    ),
    "put_function_concurrency: more than the account has": with_gateway(
        "put_function_concurrency", ReservedConcurrentExecutions=990
    ),
    "set_alarm_state: unknown state": ask(
        "cloudwatch", "set_alarm_state", AlarmName="a", StateValue="INVALID", StateReason="r"
    ),
    "assume_role: malformed session name": ask(
        "sts", "assume_role", RoleArn=NO_SUCH, RoleSessionName="Session1:2"
    ),
    "filter_log_events: limit": ask("logs", "filter_log_events", logGroupName="g", limit=10001),
    "generate_random: too many bytes": ask("kms", "generate_random", NumberOfBytes=1025),
    "put_targets: malformed id": ask(
        "events",
        "put_targets",
        Rule="r",
        Targets=[{"Id": "!@#$@!#$", "Arn": "arn:aws:sqs:us-east-1:123456789012:q"}],
    ),
    "create_rest_api: private with ipv4": ask(
        "apigateway",
        "create_rest_api",
        name="x",
        endpointConfiguration={"types": ["PRIVATE"], "ipAddressType": "ipv4"},
    ),
    "update_rest_api: unknown address type": patched("/endpointConfiguration/ipAddressType"),
    "update_rest_api: unknown endpoint type": patched("/endpointConfiguration/types/REGIONAL"),
    "update_rest_api: compression of negative size": patched("/minimumCompressionSize", "-1"),
}
