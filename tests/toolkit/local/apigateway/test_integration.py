"""Functions behind a REST API, called over HTTP."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.cloudprocess import zipped
from tests.support.patience import HANG_SECONDS

ECHO = "import json\ndef handler(event, context): return {'statusCode': 201, 'body': json.dumps(event)}\n"


@pytest.fixture
def response(api: Any, function: Any, operation: Any) -> httpx.Response:
    """The response of an integration that returns its event."""
    method = {**operation(function(ECHO)), "operationId": "makeThing"}
    api.put({"paths": {"/v1/things/{thing}": {"post": method}}})
    api.deploy()
    response: httpx.Response = api.post(
        "/v1/things/a%2Fb%20c?x=1&x=2&y=%C3%BC&z=",
        content="grüße".encode(),
        headers=[("content-type", "text/plain"), ("x-many", "1"), ("x-many", "2")],
    )
    assert response.status_code == 201
    return response


def test_the_event_contains_the_request(response: httpx.Response) -> None:
    assert response.headers["content-type"] == "application/json"
    event = response.json()
    assert (event["resource"], event["path"]) == ("/v1/things/{thing}", "/v1/things/a%2Fb%20c")
    assert event["httpMethod"] == "POST"
    assert event["pathParameters"] == {"thing": "a%2Fb%20c"}
    assert event["queryStringParameters"] == {"x": "2", "y": "ü", "z": ""}
    assert event["multiValueQueryStringParameters"] == {"x": ["1", "2"], "y": ["ü"], "z": [""]}
    assert event["headers"]["x-many"] == "2"
    assert event["multiValueHeaders"]["x-many"] == ["1", "2"]
    assert event["headers"]["X-Forwarded-For"] == "127.0.0.1"
    assert (event["body"], event["isBase64Encoded"], event["stageVariables"]) == ("grüße", False, None)


def test_the_event_contains_the_request_context(api: Any, response: httpx.Response) -> None:
    context = response.json()["requestContext"]
    assert context["requestId"] == response.headers["x-amzn-requestid"]
    assert 0 <= time.time() - context["requestTimeEpoch"] / 1000 + 1 <= HANG_SECONDS
    expected = {
        "accountId": "123456789012",
        "apiId": api.id,
        "deploymentId": api.deployments[0],
        "httpMethod": "POST",
        "operationName": "makeThing",
        "path": "/live/v1/things/a%2Fb%20c",
        "resourcePath": "/v1/things/{thing}",
        "stage": "live",
    }
    assert {name: context[name] for name in expected} == expected
    assert context["identity"]["sourceIp"] == "127.0.0.1"
    assert "apiKey" not in context["identity"]
    assert "authorizer" not in context


def test_a_request_without_body_and_query(api: Any, function: Any, operation: Any) -> None:
    api.put({"paths": {"/": {"get": operation(function(ECHO))}}})
    api.deploy()
    event = api.get("/").json()
    assert (event["body"], event["queryStringParameters"], event["pathParameters"]) == (None, None, None)
    assert api.get("").json()["path"] == "/"


MIRROR = """
def handler(event, context):
    kind = {"Content-Type": "image/png"}
    encoded = event["isBase64Encoded"]
    return {"statusCode": 200, "headers": kind, "body": event["body"], "isBase64Encoded": encoded}
"""


def test_binary_bodies_both_ways(api: Any, function: Any, operation: Any) -> None:
    api.put(
        {
            "paths": {"/": {"post": operation(function(MIRROR))}},
            "x-amazon-apigateway-binary-media-types": ["image/*"],
        }
    )
    api.deploy()
    data = b"\xff\x00\xfe"
    response = api.post("/", content=data, headers={"content-type": "image/png", "accept": "image/png"})
    assert (response.content, response.headers["content-type"]) == (data, "image/png")
    # As on AWS, clients that do not accept the binary type get the text.
    text = api.post("/", content=data, headers={"content-type": "image/png", "accept": "text/html"})
    assert text.content == base64.b64encode(data)


HEADERS = """
def handler(event, context):
    headers = {"X-One": "a", "content-length": "9"}
    return {"statusCode": "404", "headers": headers,
            "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"], "x-one": ["b", "c"]}}
"""


def test_headers_and_cookies_of_a_response(api: Any, function: Any, operation: Any) -> None:
    api.put({"paths": {"/": {"get": operation(function(HEADERS))}}})
    api.deploy()
    response = api.get("/")
    assert response.status_code == 404
    assert response.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert response.headers.get_list("x-one") == ["b", "c", "a"]
    assert response.content == b""


@pytest.mark.parametrize(
    "code",
    [
        "def handler(e, c): raise ValueError('secret of the inside')",
        "def handler(e, c): return 'hello'",
        "def handler(e, c): return {'statusCode': 200, 'unknown': 'member'}",
        "def handler(e, c): return {'statusCode': 200, 'multiValueHeaders': {'a': 'no list'}}",
        "def handler(e, c): return {'statusCode': 200, 'headers': {'a': {}}}",
        "def handler(e, c): return {'statusCode': 'many'}",
        "def handler(e, c): return {'statusCode': 200, 'body': {'not': 'a text'}}",
        "import os\ndef handler(e, c): os._exit(1)",
        "import missing_module",
    ],
)
def test_a_failed_function_is_a_502_without_details(
    api: Any, function: Any, operation: Any, code: str
) -> None:
    api.put({"paths": {"/": {"get": operation(function(code))}}})
    api.deploy()
    response = api.get("/")
    assert (response.status_code, response.json()) == (502, {"message": "Internal server error"})
    assert response.headers["x-amzn-errortype"] == "InternalServerErrorException"


def test_a_slow_function_is_a_504(api: Any, function: Any, operation: Any) -> None:
    slow = "import time\ndef handler(e, c): time.sleep(600)"
    api.put({"paths": {"/": {"get": operation(function(slow, Timeout=900), timeoutInMillis=300)}}})
    api.deploy()
    response = api.get("/")
    assert (response.status_code, response.json()) == (504, {"message": "Endpoint request timed out"})


@pytest.mark.parametrize("problem", ["no permission", "other api", "no function", "other type", "wrong uri"])
def test_a_misconfigured_integration_is_a_500(api: Any, function: Any, operation: Any, problem: str) -> None:
    arn = function(ECHO, permitted=problem not in ("no permission", "other api"))
    if problem == "other api":
        api.cloud.functions.add_permission(
            FunctionName=arn,
            StatementId="s",
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
            SourceArn="arn:aws:execute-api:us-east-1:123456789012:other/*",
        )
    definition = operation(f"{arn}-gone" if problem == "no function" else arn)
    extension = definition["x-amazon-apigateway-integration"]
    if problem == "other type":
        extension["type"] = "aws"
    elif problem == "wrong uri":
        extension["responseTransferMode"] = "STREAM"
    api.put({"paths": {"/": {"get": definition}}})
    api.deploy()
    response = api.get("/")
    assert (response.status_code, response.json()) == (500, {"message": "Internal server error"})


def test_a_permission_for_the_method_is_sufficient(api: Any, function: Any, operation: Any) -> None:
    arn = function(ECHO, permitted=False)
    api.cloud.functions.add_permission(
        FunctionName=arn,
        StatementId="s",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn=f"arn:aws:execute-api:us-east-1:123456789012:{api.id}/live/GET/things/*",
    )
    api.put({"paths": {"/things/{id}": {"get": operation(arn)}, "/": {"get": operation(arn)}}})
    api.deploy()
    assert api.get("/things/7").status_code == 201
    assert api.get("/").status_code == 500


WEB = """
import json, os, time
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path == "/ready":
            return self.send_error(404)
        if self.path == "/late":
            time.sleep(600)
        self.send_response(206)
        self.send_header("transfer-encoding", "chunked")
        self.send_header("content-type", "text/event-stream")
        self.send_header("set-cookie", "a=1")
        self.send_header("set-cookie", "b=2")
        self.end_headers()
        for number in range(6):
            data = f"data: {number}\\n\\n".encode()
            self.wfile.write(b"%x\\r\\n%b\\r\\n" % (len(data), data))
            # The next part follows when the client has received this one.
            while "SEEN" in os.environ and not os.path.exists(os.environ["SEEN"] + str(number)):
                time.sleep(0.01)
            if self.path == "/broken" and number == 2:
                os._exit(1)
            if self.path == "/endless" and number == 2:
                time.sleep(600)
        self.wfile.write(b"0\\r\\n\\r\\n")
    def log_message(self, *args): pass
HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


@pytest.fixture
def web(function: Any) -> str:
    return streaming(function, 60)


def streaming(function: Any, timeout: int, **variables: str) -> str:
    """A function that is a web server, with a time-out."""
    files = {"run.sh": "#!/bin/sh\nexec python3 server.py\n", "server.py": WEB}
    variables |= {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/bootstrap", "AWS_LWA_INVOKE_MODE": "response_stream"}
    variables["AWS_LWA_READINESS_CHECK_PATH"] = "/ready"
    layer = "arn:aws:lambda:us-east-1:753240598075:layer:LambdaAdapterLayerX86:30"
    environment = {"Variables": variables}
    settings = {"Layers": [layer], "Environment": environment, "Timeout": timeout}
    return str(function(zipped(files), handler="run.sh", **settings))


def test_a_streamed_response_arrives_in_parts(
    api: Any, function: Any, operation: Any, tmp_path: Path
) -> None:
    arn = streaming(function, 900, SEEN=f"{tmp_path}/")
    api.put({"paths": {"/{proxy+}": {"get": operation(arn, stream=True)}}})
    api.deploy()
    arrived = []
    with httpx.stream("GET", f"{api.url}/stream", timeout=HANG_SECONDS) as response:
        assert response.status_code == 206
        assert response.headers["content-type"] == "text/event-stream"
        assert response.headers.get_list("set-cookie") == ["a=1", "b=2"]
        for line in filter(None, response.iter_lines()):
            (tmp_path / str(len(arrived))).touch()
            arrived.append(line)
    assert arrived == [f"data: {number}" for number in range(6)]


def test_an_aborted_stream_is_an_error(api: Any, web: str, operation: Any) -> None:
    api.put({"paths": {"/{proxy+}": {"get": operation(web, stream=True)}}})
    api.deploy()
    with pytest.raises(httpx.RemoteProtocolError):
        api.get("/broken")


def test_a_stream_ends_with_the_functions_time_out(api: Any, function: Any, operation: Any) -> None:
    arn = streaming(function, 2)
    api.put({"paths": {"/{proxy+}": {"get": operation(arn, stream=True)}}})
    api.deploy()
    lines = []
    with (
        pytest.raises(httpx.RemoteProtocolError),
        httpx.stream("GET", f"{api.url}/endless", timeout=HANG_SECONDS) as response,
    ):
        lines += [line for line in response.iter_lines() if line]
    log = api.cloud.log_lines(arn.rpartition(":")[2])
    assert any(line.endswith("Task timed out after 2.00 seconds") for line in log)
    assert api.get("/again").status_code == 206


def test_a_throttled_function_is_a_500(api: Any, function: Any, operation: Any) -> None:
    arn = function(ECHO)
    api.put({"paths": {"/": {"get": operation(arn)}}})
    api.deploy()
    name = arn.rpartition(":")[2]
    api.cloud.functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    assert (api.get("/").status_code, api.get("/").json()) == (500, {"message": "Internal server error"})
    api.cloud.functions.delete_function_concurrency(FunctionName=name)
    assert api.get("/").status_code == 201


def test_a_stream_without_a_beginning_is_a_504(api: Any, web: str, operation: Any) -> None:
    api.put({"paths": {"/{proxy+}": {"get": operation(web, stream=True, timeoutInMillis=1000)}}})
    api.deploy()
    assert api.get("/late").status_code == 504


def test_a_streamed_integration_of_a_plain_function_is_a_502(api: Any, function: Any, operation: Any) -> None:
    api.put({"paths": {"/": {"get": operation(function(ECHO), stream=True)}}})
    api.deploy()
    assert (api.get("/").status_code, api.get("/").json()) == (502, {"message": "Internal server error"})


def test_json_is_passed_on_unchanged(api: Any, function: Any, operation: Any) -> None:
    api.put({"paths": {"/": {"post": operation(function(ECHO))}}})
    api.deploy()
    body = '{"a": "\\u00fc", "a":1.0}'
    assert json.loads(api.post("/", content=body).text)["body"] == body


def test_headers_have_the_names_that_the_client_sent(api: Any, function: Any, operation: Any) -> None:
    api.put({"paths": {"/": {"get": operation(function(ECHO))}}})
    api.deploy()
    sent = {"x-CasE": "a", "authorization": "b", "Connection": "keep-alive", "x-forwarded-for": "10.1.2.3"}
    headers = api.get("/", headers=sent).json()["headers"]
    assert (headers["x-CasE"], headers["Authorization"]) == ("a", "b")
    assert {"Accept", "Host", "User-Agent"} <= set(headers)
    assert not {name for name in headers if name.lower() in ("connection", "content-length")}
    # One header, which ends with the address that API Gateway saw.
    assert headers["X-Forwarded-For"] == "10.1.2.3, 127.0.0.1"
    assert "x-forwarded-for" not in headers


@pytest.mark.parametrize("path", ["/proxy", "//proxy"])
def test_paths_are_as_sent(api: Any, function: Any, operation: Any, path: str) -> None:
    api.put({"paths": {"/{proxy+}": {"get": operation(function(ECHO))}}})
    api.deploy()
    event = api.get(f"{path}/a%2Bb+c//d/").json()
    assert event["path"] == "/proxy/a%2Bb+c//d/"
    assert event["pathParameters"] == {"proxy": "proxy/a%2Bb+c//d"}
    assert event["requestContext"]["path"] == f"/live{path}/a%2Bb+c//d/"


TRACE = "Root=1-3152b799-8954dae64eda91bc9a23a7e8"
TRACED = """
import json, os
def handler(event, context):
    body = [event["headers"]["X-Amzn-Trace-Id"], os.environ["_X_AMZN_TRACE_ID"]]
    return {"body": json.dumps(body)}
"""


@pytest.mark.parametrize(
    ("sent", "root"),
    [(None, "Root=1-"), (TRACE, f"{TRACE};"), (f"{TRACE};Parent=7fa8c0f79203be72;Sampled=1",) * 2],
)
def test_the_trace_reaches_the_function(
    api: Any, function: Any, operation: Any, sent: str | None, root: str
) -> None:
    api.put({"paths": {"/": {"get": operation(function(TRACED))}}})
    api.deploy()
    response = api.get("/", headers={"x-amzn-trace-id": sent} if sent else {})
    trace = response.headers["x-amzn-trace-id"]
    assert trace.startswith(root)
    in_event, in_environment = response.json()
    assert in_environment == trace
    assert trace.startswith(in_event)


def test_lambda_is_invoked_with_post(api: Any, function: Any, operation: Any) -> None:
    api.put({"paths": {"/": {"get": operation(function(ECHO), httpMethod="GET")}}})
    api.deploy()
    response = api.get("/")
    assert (response.status_code, response.json()) == (500, {"message": "Internal server error"})
