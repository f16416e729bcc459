"""IAM authorization, and policies of authorizers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.support.access import enforce_iam
from tests.support.iam import allow, document
from tests.support.patience import HANG_SECONDS
from toolkit.local.apigateway.access import decide

CODE = """
import json
def handler(event, context):
    who = event["requestContext"]["identity"]["userArn"]
    return {"statusCode": 200, "body": json.dumps([who, event["body"]])}
"""
SCHEME = {
    "type": "apiKey",
    "name": "Authorization",
    "in": "header",
    "x-amazon-apigateway-authtype": "awsSigv4",
}


@pytest.fixture
def signed(api: Any, function: Any, operation: Any) -> Any:
    method = {**operation(function(CODE)), "security": [{"iam": []}]}
    paths = {"/a/{x}": {"post": method}, "/b": {"post": method}}
    api.put({"paths": paths, "components": {"securitySchemes": {"iam": SCHEME}}})
    api.deploy()
    return api


def root(api: Any) -> Credentials:
    return Credentials(*api.cloud.root_key)


def post(
    api: Any,
    path: str,
    credentials: Credentials,
    body: bytes = b"{}",
    service: str = "execute-api",
    **more: str,
) -> httpx.Response:
    request = AWSRequest("POST", api.url + path, {"content-type": "application/json"}, body)
    SigV4Auth(credentials, service, "us-east-1").add_auth(request)
    headers = {**dict(request.headers.items()), **more}
    return httpx.post(api.url + path, headers=headers, content=body, timeout=HANG_SECONDS)


def test_signed_requests_are_admitted(signed: Any) -> None:
    response = post(signed, "/a/1%20%2F?x=%C3%BC&b=2&b=1", root(signed), b'{"a": "\xc3\xbc"}')
    assert (response.status_code, response.json()) == (200, ["arn:aws:iam::123456789012:root", '{"a": "ü"}'])


def test_invalid_signatures_are_rejected(signed: Any) -> None:
    unsigned = signed.post("/b", content=b"{}")
    assert (unsigned.status_code, unsigned.json()) == (403, {"message": "Missing Authentication Token"})
    refusals = [
        post(signed, "/b", Credentials("local", "wrong")),
        post(signed, "/b", Credentials("AKIAUNKNOWN", "local")),
        post(signed, "/b", root(signed), service="s3"),
        post(signed, "/b", root(signed), **{"content-type": "text/plain"}),
    ]
    assert [response.status_code for response in refusals] == [403] * 4
    assert {response.headers["x-amzn-errortype"] for response in refusals} == {"InvalidSignatureException"}


@pytest.fixture
def enforced(signed: Any) -> Iterator[None]:
    enforce_iam(signed.cloud, True)
    yield
    enforce_iam(signed.cloud, False)


def test_iam_policies_apply_while_enforced(signed: Any, enforced: None) -> None:
    iam = signed.cloud.client("iam")
    iam.create_user(UserName="caller")
    resource = f"arn:aws:execute-api:us-east-1:123456789012:{signed.id}/live/POST/a/*"
    policy = document(allow("execute-api:Invoke", resource))
    iam.put_user_policy(UserName="caller", PolicyName="p", PolicyDocument=policy)
    key = iam.create_access_key(UserName="caller")["AccessKey"]
    caller = Credentials(key["AccessKeyId"], key["SecretAccessKey"])
    assert post(signed, "/a/1", caller).json() == ["arn:aws:iam::123456789012:user/caller", "{}"]
    denied = post(signed, "/b", caller)
    assert denied.status_code == 403
    assert "is not authorized to perform: execute-api:Invoke" in json.dumps(denied.json())


ARN = "arn:aws:execute-api:us-east-1:123456789012:abc/live/POST/v1/chat/completions"
STAGE = "arn:aws:execute-api:us-east-1:123456789012:abc/live"


def statement(effect: str, resource: Any, action: Any = "execute-api:Invoke") -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": resource}


@pytest.mark.parametrize(
    ("statements", "decision"),
    [
        ([statement("Allow", f"{STAGE}/*")], "allow"),
        ([statement("Allow", ["other", ARN])], "allow"),
        ([statement("Allow", "*", "*")], "allow"),
        ([statement("Allow", "*", ["execute-api:*"])], "allow"),
        ([statement("Allow", "*"), statement("Deny", f"{STAGE}/POST/*")], "deny"),
        ([statement("Allow", "*"), statement("Deny", f"{STAGE}/GET/*")], "allow"),
        ([statement("Allow", f"{STAGE}/GET/*")], "none"),
        ([statement("Allow", "*", "execute-api:ManageConnections")], "none"),
        ([statement("Allow", STAGE.replace("live", "dev") + "/*")], "none"),
        ([statement("Allow", ARN.replace("/v1/", "/v?/"))], "allow"),
        # A pattern is not a regular expression.
        ([statement("Allow", ARN.replace("us-east-1", "us.east.1"))], "none"),
        ([], "none"),
        (statement("Allow", "*"), "allow"),
    ],
)
def test_decisions(statements: Any, decision: str) -> None:
    assert decide({"Version": "2012-10-17", "Statement": statements}, ARN) == decision


@pytest.mark.parametrize("policy", [{}, {"Statement": "Allow"}, {"Statement": ["Allow"]}])
def test_an_invalid_policy_document_raises(policy: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Statement"):
        decide(policy, ARN)
