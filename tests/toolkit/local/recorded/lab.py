"""The resources that the recorded requests need in an embedded cloud."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import boto3
import httpx
from botocore.exceptions import ClientError

from tests.support.access import call as cloud_call
from tests.support.cloud import PATIENT, Engine, Hosting, create_role
from tests.support.cloudprocess import ROLE, CloudProcess
from tests.support.iam import document, trust
from tests.support.patience import HANG_SECONDS
from tests.toolkit.local.apigateway.conftest import Api, integration

REGION, ACCOUNT = "us-east-1", "123456789012"
SMOLLM2, GATEWAY = "llm-local-smollm2", "llm-local-gateway"
# Returns its event, or what the request's body says, or misbehaves, by the request's path.
CODE = """
import json, time
def handler(event, context):
    path = event.get("path") or ""
    if path.startswith("/echo") or event.get("queryStringParameters"):
        return {"statusCode": 200, "body": json.dumps(event)}
    if path.startswith("/raise"):
        raise RuntimeError("no")
    if path.startswith("/slow"):
        time.sleep(60)
    if path.startswith("/respond"):
        return json.loads(event["body"])
    return {"statusCode": 200, "body": json.dumps(event)}
"""
AUTHORIZER = """
def handler(event, context):
    token = event["authorizationToken"]
    if token == "raise":
        raise RuntimeError("no")
    effect = "Allow" if token == "allow" else "Deny"
    statement = {"Effect": effect, "Action": "execute-api:Invoke", "Resource": "*"}
    return {"principalId": "p", "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}}
"""


def text(value: Any) -> str:
    """A value as in `cases.jsonl`."""
    return value if isinstance(value, str) else json.dumps(value)


@dataclass
class Lab:
    """The cloud, and what the requests share in it."""

    cloud: CloudProcess
    engine: Engine

    def __post_init__(self) -> None:
        self._numbers = itertools.count(1)
        create_role(self.client("iam"))

    def client(self, service: str) -> Any:
        return self.cloud.client(service)

    def name(self) -> str:
        """A unique name."""
        return f"fid-{next(self._numbers)}"

    def ask(self, service: str, method: str, **parameters: Any) -> str:
        """The error of a request, or `accepted`, as in `cases.jsonl`."""
        try:
            response = getattr(self.client(service), method)(**parameters)
        except ClientError as error:
            return error_text(error)
        return f"accepted ({response['ResponseMetadata']['HTTPStatusCode']})"

    @cached_property
    def hosting(self) -> Hosting:
        return Hosting(lambda service, **_: self.client(service), self.client("sagemaker"))

    @cached_property
    def endpoint(self) -> dict[str, Any]:
        """An endpoint in service."""
        name = self.hosting.configuration(container=self.engine.container, **PATIENT)
        self.hosting.endpoint(name, SMOLLM2)
        return self.hosting.settled(SMOLLM2)

    @cached_property
    def creating(self) -> str:
        """An endpoint that stays in creation."""
        slow = Engine()
        slow.healthy = False
        name = self.hosting.configuration(container=slow.container, **PATIENT)
        self.client("sagemaker").create_endpoint(EndpointName="fid-creating", EndpointConfigName=name)
        return "fid-creating"

    @cached_property
    def gateway(self) -> str:
        """A function."""
        return self.cloud.create_function(GATEWAY, {"app.py": CODE})

    @cached_property
    def api(self) -> Api:
        """A deployed API."""
        arn = self.permitted(self.gateway)
        uri = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions"
        authorizer = self.permitted(self.cloud.create_function(self.name(), {"app.py": AUTHORIZER}))
        bearer = {"type": "apiKey", "name": "Authorization", "in": "header"}
        extension = {"type": "token", "authorizerUri": f"{uri}/{authorizer}/invocations"}
        bearer |= {"x-amazon-apigateway-authtype": "custom", "x-amazon-apigateway-authorizer": extension}  # type: ignore[dict-item]
        key = {"type": "apiKey", "name": "x-api-key", "in": "header"}
        paths = {
            "/{proxy+}": {"x-amazon-apigateway-any-method": integration(arn)},
            "/get-only": {"get": integration(arn)},
            "/by-get": {"get": integration(arn, httpMethod="GET")},
            "/slow": {"get": integration(arn, timeoutInMillis=50)},
            "/keyed": {"get": {**integration(arn), "security": [{"key": []}]}},
            "/bearer": {"get": {**integration(arn), "security": [{"bearer": []}]}},
        }
        api = self.new_api()
        api.put({"paths": paths, "components": {"securitySchemes": {"bearer": bearer, "key": key}}})
        api.deploy()
        return api

    def new_api(self) -> Api:
        return Api(self.cloud, self.client("apigateway").create_rest_api(name="fid")["id"])

    def permitted(self, arn: str) -> str:
        self.cloud.functions.add_permission(
            FunctionName=arn,
            StatementId="s",
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
        )
        return arn

    def api_request(self, path: str, method: str = "GET", **options: Any) -> httpx.Response:
        return httpx.request(method, self.api.url + path, timeout=HANG_SECONDS, **options)

    def responded(self, document: Any) -> httpx.Response:
        """The response when the function returns a document."""
        return self.api_request("/respond", "POST", json=document)

    def event(self, path: str, **options: Any) -> dict[str, Any]:
        """The event of a request."""
        return dict(self.api_request(path, **options).json())

    @cached_property
    def user(self) -> dict[str, str]:
        """An access key without permissions."""
        iam = self.client("iam")
        iam.create_user(UserName="fid-user")
        created: dict[str, str] = iam.create_access_key(UserName="fid-user")["AccessKey"]
        return created

    @cached_property
    def role(self) -> str:
        _ = self.cloud.functions
        iam = self.client("iam")
        policy = document(trust({"Service": "lambda.amazonaws.com"}))
        return str(iam.create_role(RoleName="fid-lambda", AssumeRolePolicyDocument=policy)["Role"]["Arn"])

    def as_user(self, service: str, method: str, **parameters: Any) -> str:
        """The denial of a request by a user without permissions."""
        key = self.user
        client = boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.cloud.endpoint_url,
            region_name=REGION,
            aws_access_key_id=key["AccessKeyId"],
            aws_secret_access_key=key["SecretAccessKey"],
        )
        cloud_call(self.cloud, "/_toolkit/iam", {"enforce": True})
        try:
            getattr(client, method)(**parameters)
        except ClientError as error:
            return error_text(error)
        finally:
            cloud_call(self.cloud, "/_toolkit/iam", {"enforce": False})
        return "accepted"


def error_text(error: ClientError) -> str:
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return f"{status} {error.response['Error']['Code']}: {error.response['Error'].get('Message')}"


__all__ = ["ACCOUNT", "GATEWAY", "REGION", "ROLE", "SMOLLM2", "Lab", "error_text", "text"]
