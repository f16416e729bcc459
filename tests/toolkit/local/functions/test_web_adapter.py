"""Functions that are web servers, behind the Lambda Web Adapter's contract."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.cloudprocess import CloudProcess
from tests.support.interrupts import wait_for

LAYER = "arn:aws:lambda:us-east-1:753240598075:layer:LambdaAdapterLayerArm64:27"
RUN = "#!/bin/sh\nexec python3 server.py\n"
SERVER = """
import json, os, sys, time
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path == "/ready":
            return self.whole(200, b"ok")
        if self.path == "/missing":
            return self.whole(404, b"not here")
        if self.path == "/exit":
            os._exit(7)
        if self.path == "/binary":
            return self.whole(200, b"\\xff\\x00")
        if self.path.startswith("/until"):
            return self.until(self.path.split("=")[1])
        if self.path.startswith("/stream"):
            return self.stream(int(self.path.split("=")[1]))
        seen = {"method": self.command, "target": self.path, "body": body.decode("latin1"),
                "headers": sorted([k.lower(), v] for k, v in self.headers.items()),
                "pid": os.getpid(), "port": os.environ["PORT"]}
        twice = [("set-cookie", "a=1"), ("set-cookie", "b=2"), ("x-two", "1"), ("x-two", "2")]
        self.whole(200, json.dumps(seen).encode(), twice)
    def whole(self, status, body, headers=()):
        self.send_response(status)
        for name, value in [*headers, ("content-type", "text/x"), ("content-length", str(len(body)))]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
    def until(self, file):
        self.send_response(200)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"5\\r\\nfirst\\r\\n")
        while not os.path.exists(file):
            time.sleep(0.01)
        self.wfile.write(b"4\\r\\nlast\\r\\n0\\r\\n\\r\\n")
    def stream(self, count):
        self.send_response(200)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for number in range(count):
            data = f"part {number}\\n".encode()
            try:
                self.wfile.write(b"%x\\r\\n%b\\r\\n" % (len(data), data))
            except OSError:
                print("the caller left", flush=True)
                return
            time.sleep(0.1)
        self.wfile.write(b"0\\r\\n\\r\\n")
    do_GET = do_POST = answer
    def log_message(self, *args): pass

print("starting", flush=True)
HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


def create(
    cloud: CloudProcess, name: str, mode: str = "response_stream", files: Any = None, **settings: Any
) -> None:
    variables = {
        "AWS_LAMBDA_EXEC_WRAPPER": "/opt/bootstrap",
        "AWS_LWA_INVOKE_MODE": mode,
        "AWS_LWA_READINESS_CHECK_PATH": "/ready",
        "PORT": "8080",
    }
    settings = {"Layers": [LAYER], "Environment": {"Variables": variables}, **settings}
    cloud.create_function(name, files or {"run.sh": RUN, "server.py": SERVER}, "run.sh", **settings)


def event(path: str, method: str = "GET", **members: Any) -> dict[str, Any]:
    context = {"requestId": "gw-1", "stage": "live", "identity": {"sourceIp": "127.0.0.1", "apiKeyId": "k"}}
    return {"httpMethod": method, "path": path, "requestContext": context, **members}


def stream(cloud: CloudProcess, name: str, payload: Any) -> tuple[dict[str, Any], bytes, dict[str, Any], Any]:
    """Invoke a function; returns the prelude, the body, the last event and the response."""
    response = cloud.functions.invoke_with_response_stream(FunctionName=name, Payload=json.dumps(payload))
    *chunks, complete = list(response["EventStream"])
    data = b"".join(chunk["PayloadChunk"]["Payload"] for chunk in chunks)
    prelude, _, body = data.partition(b"\0" * 8)
    return json.loads(prelude or "{}"), body, complete["InvokeComplete"], response


@dataclass(frozen=True)
class Exchange:
    """A request to a web function, and its response.

    Attributes:
        prelude: status and headers of the response.
        received: the request as the web server received it.
        complete: the last event.
        response: of Lambda's API.
    """

    prelude: dict[str, Any]
    received: dict[str, Any]
    complete: dict[str, Any]
    response: Any

    @property
    def headers(self) -> list[tuple[str, str]]:
        return [(name, value) for name, value in self.received["headers"]]


@pytest.fixture(scope="module")
def exchange(cloud: CloudProcess) -> Exchange:
    create(cloud, "web")
    request = event(
        "/v1/mödel",
        "POST",
        headers={"Accept": "*/*", "X-Many": "2", "X-Name": "grün", "X-Face": "🙂"},
        multiValueHeaders={"Accept": ["*/*"], "X-Many": ["1", "2"]},
        queryStringParameters={"q": "b c"},
        multiValueQueryStringParameters={"q": ["a&b", "b c"]},
        body=base64.b64encode(b"\xe9\x00").decode(),
        isBase64Encoded=True,
    )
    prelude, body, complete, response = stream(cloud, "web", request)
    return Exchange(prelude, json.loads(body), complete, response)


def test_responses_become_streams(exchange: Exchange) -> None:
    media_type = "application/vnd.awslambda.http-integration-response"
    assert exchange.response["ResponseStreamContentType"] == media_type
    assert exchange.prelude["statusCode"] == 200
    assert exchange.prelude["cookies"] == ["a=1", "b=2"]
    assert exchange.prelude["headers"]["x-two"] == ["1", "2"]
    assert exchange.prelude["headers"]["content-type"] == "text/x"
    assert exchange.complete == {}


def test_events_become_requests(exchange: Exchange) -> None:
    received = exchange.received
    assert (received["method"], received["target"]) == ("POST", "/v1/m%C3%B6del?q=a%26b&q=b%20c")
    assert received["body"] == "\xe9\x00"
    assert received["port"] != "8080"


def test_all_values_of_headers_reach_the_server(exchange: Exchange) -> None:
    # http.server reads latin-1.
    expected = [("x-many", "1"), ("x-many", "2"), ("x-name", "grün")]
    expected.append(("x-face", "🙂".encode().decode("latin1")))
    assert set(expected) <= set(exchange.headers)


def test_the_server_receives_both_contexts(exchange: Exchange) -> None:
    context = json.loads(dict(exchange.headers)["x-amzn-request-context"])
    assert (context["requestId"], context["identity"]["apiKeyId"]) == ("gw-1", "k")
    lambda_context = json.loads(dict(exchange.headers)["x-amzn-lambda-context"])
    assert lambda_context["request_id"] == exchange.response["ResponseMetadata"]["RequestId"]
    assert lambda_context["invoked_function_arn"].endswith(":function:web")
    assert lambda_context["env_config"]["function_name"] == "web"


def test_the_process_is_reused_with_a_new_deadline(cloud: CloudProcess, exchange: Exchange) -> None:
    before = time.time() * 1000
    received = json.loads(stream(cloud, "web", event("/again"))[1])
    assert received["pid"] == exchange.received["pid"]
    assert json.loads(dict(received["headers"])["x-amzn-lambda-context"])["deadline"] > before


def test_clients_cannot_set_the_headers_of_the_adapter(cloud: CloudProcess) -> None:
    create(cloud, "spoofed")
    names = ("X-Amzn-Request-Context", "x-amzn-lambda-context", "X-Amzn-Trace-Id")
    request = event(
        "/", headers=dict.fromkeys(names, "{}"), multiValueHeaders={name: ["{}"] for name in names}
    )
    received = json.loads(stream(cloud, "spoofed", request)[1])
    for name in names:
        values = [value for key, value in received["headers"] if key == name.lower()]
        assert len(values) == 1
        assert values != ["{}"]


def test_parts_arrive_while_the_server_writes(cloud: CloudProcess, tmp_path: Path) -> None:
    create(cloud, "streaming")
    marker = tmp_path / "seen"
    response = cloud.functions.invoke_with_response_stream(
        FunctionName="streaming", Payload=json.dumps(event(f"/until?file={marker}"))
    )
    body = b""
    for item in response["EventStream"]:
        body += item.get("PayloadChunk", {}).get("Payload", b"")
        if body.endswith(b"first"):
            # Only now the server continues.
            marker.touch()
    assert body.endswith(b"firstlast")


def test_a_disconnect_reaches_the_server(cloud: CloudProcess) -> None:
    create(cloud, "left", Timeout=900)
    response = cloud.functions.invoke_with_response_stream(
        FunctionName="left", Payload=json.dumps(event("/stream?n=1000"))
    )
    next(iter(response["EventStream"]))
    response["EventStream"].close()
    wait_for(lambda: "the caller left" in cloud.log_lines("left"), "the server to notice")


def test_a_domains_base_path_is_removed(cloud: CloudProcess) -> None:
    variables = {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/bootstrap", "AWS_LWA_READINESS_CHECK_PATH": "/ready"}
    variables |= {"AWS_LWA_INVOKE_MODE": "response_stream", "AWS_LWA_REMOVE_BASE_PATH": "/prod"}
    create(cloud, "based", Environment={"Variables": variables})
    paths = ("/prod/v1/m", "/v1/prod", "/prod", "/prod/prod/v1/m")
    targets = {path: stream(cloud, "based", event(path))[1] for path in paths}
    assert {path: json.loads(body)["target"] for path, body in targets.items()} == {
        "/prod/v1/m": "/v1/m",
        "/v1/prod": "/v1/prod",
        "/prod": "/",
        "/prod/prod/v1/m": "/v1/m",
    }


def test_a_buffered_function_returns_a_proxy_response(cloud: CloudProcess) -> None:
    create(cloud, "buffered", "buffered")

    def call(path: str) -> Any:
        response = cloud.functions.invoke(FunctionName="buffered", Payload=json.dumps(event(path)))
        return json.loads(response["Payload"].read())

    text = call("/missing")
    assert (text["statusCode"], text["body"], text["isBase64Encoded"]) == (404, "not here", False)
    binary = call("/binary")
    assert (binary["body"], binary["isBase64Encoded"]) == (base64.b64encode(b"\xff\x00").decode(), True)
    assert call("/any")["multiValueHeaders"]["x-two"] == ["1", "2"]


def test_other_events_use_the_pass_through_path(cloud: CloudProcess) -> None:
    create(cloud, "events")
    _, body, _, _ = stream(cloud, "events", {"Records": [1]})
    received = json.loads(body)
    assert (received["method"], received["target"], json.loads(received["body"])) == (
        "POST",
        "/events",
        {"Records": [1]},
    )


def test_an_invalid_event_fails_at_once(cloud: CloudProcess) -> None:
    create(cloud, "illegal")
    complete = stream(cloud, "illegal", event("/x", headers={"x-two": "lines\r\nx-smuggled: yes"}))[2]
    assert complete["ErrorCode"] == "Runtime.UnmarshalError"
    assert stream(cloud, "illegal", event("/x"))[0]["statusCode"] == 200


def test_a_server_that_exits_during_a_request(cloud: CloudProcess) -> None:
    create(cloud, "dying")
    assert stream(cloud, "dying", event("/exit"))[2]["ErrorCode"] == "Runtime.ExitError"
    assert stream(cloud, "dying", event("/missing"))[0]["statusCode"] == 404


def test_a_timed_out_stream_ends_with_an_error(cloud: CloudProcess) -> None:
    create(cloud, "overrun-stream", Timeout=3)
    _, body, complete, _ = stream(cloud, "overrun-stream", event("/stream?n=9000"))
    assert complete["ErrorCode"] == "Sandbox.Timedout"
    assert b"part 1\n" in body
    assert not [item for item in cloud.status()["processes"] if item["name"] == "overrun-stream"]


@pytest.mark.parametrize(
    ("files", "settings", "error"),
    [
        ({"run.sh": "#!/bin/sh\necho no; exit 4\n"}, {}, "exit status 4"),
        ({"server.py": SERVER}, {}, "No such file"),
        # Without the layer there is no /opt/bootstrap.
        ({"run.sh": RUN, "server.py": SERVER}, {"Layers": []}, "/opt/bootstrap"),
    ],
)
def test_a_server_that_does_not_start(cloud: CloudProcess, files: Any, settings: Any, error: str) -> None:
    name = f"nostart-{abs(hash(error))}"
    create(cloud, name, files=files, **settings)
    complete = stream(cloud, name, event("/"))[2]
    assert error in complete["ErrorDetails"]


def test_the_real_gateway_package_serves(cloud: CloudProcess, tmp_path: Path) -> None:
    import io

    from tests.support.checkout import ROOT
    from toolkit import packaging
    from toolkit.console import Console
    from toolkit.project import Project

    console = Console(out=io.StringIO(), err=io.StringIO(), interactive=False)
    package = packaging.build(Project(ROOT), console).gateway
    variables = {
        "AWS_LAMBDA_EXEC_WRAPPER": "/opt/bootstrap",
        "AWS_LWA_INVOKE_MODE": "response_stream",
        "AWS_LWA_READINESS_CHECK_PATH": "/healthz",
        "PORT": "8080",
        "GATEWAY_MODELS": json.dumps({"demo": {"endpoint": "nothing-there", "aliases": []}}),
    }
    settings: dict[str, Any] = {"Layers": [LAYER], "Environment": {"Variables": variables}, "Timeout": 30}
    cloud.create_function("gateway", package.path.read_bytes(), "run.sh", **settings)
    prelude, body, _, _ = stream(cloud, "gateway", event("/v1/models"))
    assert prelude["statusCode"] == 200
    assert prelude["headers"]["x-request-id"] == "gw-1"
    assert [model["id"] for model in json.loads(body)["data"]] == ["demo"]
    chat = {"model": "demo", "messages": [{"role": "user", "content": "Hi"}]}
    request = event(
        "/v1/chat/completions", "POST", body=json.dumps(chat), headers={"content-type": "application/json"}
    )
    prelude, body, _, _ = stream(cloud, "gateway", request)
    assert (prelude["statusCode"], json.loads(body)["error"]["code"]) == (503, "model_unavailable")
    wait_for(lambda: any('"status": 503' in line for line in cloud.log_lines("gateway")), "its log line")
