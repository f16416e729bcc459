"""Functions with a handler, created, invoked and updated through boto3."""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket
import sys
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from tests.support.cloudprocess import TIMEOUT_SECONDS, CloudProcess, zipped
from tests.support.interrupts import wait_for
from tests.support.patience import HANG_SECONDS
from toolkit.local.functions.runtime_api import _is_connected

ECHO = """
import os, sys
cold = True
def handler(event, context):
    global cold
    was, cold = cold, False
    print("seen", event)
    return {"event": event, "cold": was, "pid": os.getpid(), "environment": dict(os.environ),
            "function": context.function_name, "request": context.aws_request_id,
            "arn": context.invoked_function_arn, "left": context.get_remaining_time_in_millis(),
            "log": context.log_stream_name, "cwd": os.getcwd(), "path": sys.path}
"""


def invoke(cloud: CloudProcess, name: str, event: Any = None, **more: Any) -> tuple[Any, dict[str, Any]]:
    response = cloud.functions.invoke(FunctionName=name, Payload=json.dumps(event), **more)
    return json.loads(response["Payload"].read() or "null"), response


def test_a_function_has_lambdas_environment_only(cloud: CloudProcess) -> None:
    arn = cloud.create_function(
        "echo", {"app.py": ECHO}, Environment={"Variables": {"COLOUR": "grün", "PATH": "/x"}}
    )
    content, response = invoke(cloud, "echo", {"word": "🙂"})
    assert content["event"] == {"word": "🙂"}
    assert (content["function"], content["arn"]) == ("echo", arn)
    assert 0 < content["left"] <= TIMEOUT_SECONDS * 1000
    assert content["request"] == response["ResponseMetadata"]["RequestId"]
    assert "FunctionError" not in response
    environment = content["environment"]
    expected = {
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": cloud.endpoint_url,
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
        "AWS_LAMBDA_FUNCTION_NAME": "echo",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/echo",
        "AWS_LAMBDA_LOG_STREAM_NAME": content["log"],
        "LAMBDA_TASK_ROOT": content["cwd"],
        "_HANDLER": "app.handler",
        "COLOUR": "grün",
        "PATH": "/x",
    }
    assert {name: environment.get(name) for name in expected} == expected
    assert set(environment) - set(expected) <= {
        "HOME", "LANG", "TZ", "LC_CTYPE", "AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_RUNTIME_API",
        "LAMBDA_RUNTIME_DIR", "_X_AMZN_TRACE_ID",
        # Of its role: see test_roles.py.
        "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
    }  # fmt: skip


SLOW = """
import os, pathlib, time
def handler(event, context):
    place = pathlib.Path(event["place"])
    (place / event["name"]).touch()
    while not (place / "go").exists():
        time.sleep(0.005)
    return os.getpid()
"""


def test_warm_instances_serve_one_request_at_a_time(cloud: CloudProcess, tmp_path: Path) -> None:
    cloud.create_function("slow", {"app.py": SLOW})
    pids: list[int] = []

    def call(name: str) -> None:
        pids.append(invoke(cloud, "slow", {"place": str(tmp_path), "name": name})[0])

    threads = [threading.Thread(target=call, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(list(tmp_path.iterdir())) == 3, "three requests at a time")
    (tmp_path / "go").touch()
    for thread in threads:
        thread.join()
    assert len(set(pids)) == 3
    call("again")
    assert pids[-1] in pids[:3]


def test_log_lines(cloud: CloudProcess) -> None:
    cloud.create_function(
        "talk", {"app.py": "def handler(event, context):\n    print('one')\n    print('zwei ü')\n"}
    )
    _, response = invoke(cloud, "talk", LogType="Tail")
    request_id = response["ResponseMetadata"]["RequestId"]
    cold, start, one, two, end, report = cloud.log_lines("talk")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert cold.startswith(f"INIT_START Runtime Version: python:{version}")
    assert ("has no python3.13" in cold) == (version != "3.13")
    assert start == f"START RequestId: {request_id} Version: $LATEST"
    assert (one, two) == ("one", "zwei ü")
    assert end == f"END RequestId: {request_id}"
    fields = report.split("\t")
    assert fields[0] == f"REPORT RequestId: {request_id}"
    assert [field.split(":")[0] for field in fields[1:]] == [
        "Duration", "Billed Duration", "Memory Size", "Max Memory Used", "Init Duration",
    ]  # fmt: skip
    assert base64.b64decode(response["LogResult"]).decode().splitlines() == [start, one, two, end, report]
    invoke(cloud, "talk")
    assert "Init Duration" not in cloud.log_lines("talk")[-1]


def test_an_exception_is_an_unhandled_error_with_a_traceback(cloud: CloudProcess) -> None:
    cloud.create_function(
        "fail", {"app.py": "def handler(event, context):\n    raise KeyError('nothing here')\n"}
    )
    error, response = invoke(cloud, "fail")
    assert response["StatusCode"] == 200
    assert response["FunctionError"] == "Unhandled"
    assert (error["errorType"], error["errorMessage"]) == ("KeyError", "'nothing here'")
    assert "app.py" in error["stackTrace"][-1]
    assert any("[ERROR] KeyError" in line for line in cloud.log_lines("fail"))


ENDLESS = """
import time
def handler(event, context):
    time.sleep(600)
"""


def test_a_time_out_kills_the_process(cloud: CloudProcess) -> None:
    cloud.create_function("endless", {"app.py": ENDLESS}, Timeout=1)
    error, response = invoke(cloud, "endless", 1)
    assert response["FunctionError"] == "Unhandled"
    assert error["errorType"] == "Sandbox.Timedout"
    assert error["errorMessage"].endswith("Error: Task timed out after 1.00 seconds")
    assert cloud.log_lines("endless")[-1].endswith("Status: timeout")
    assert not [item for item in cloud.status()["processes"] if item["name"] == "endless"]


def test_an_exited_process_is_reported_and_replaced(cloud: CloudProcess) -> None:
    code = "import os\ndef handler(event, context):\n    if event: os._exit(3)\n    return 'fine'\n"
    cloud.create_function("quitter", {"app.py": code})
    error, _ = invoke(cloud, "quitter", 1)
    assert error["errorType"] == "Runtime.ExitError"
    assert error["errorMessage"].endswith("Runtime exited with error: exit status 3")
    assert invoke(cloud, "quitter")[0] == "fine"


@pytest.mark.parametrize(
    ("files", "handler", "error_type"),
    [
        ({"app.py": "import nonexistent_module"}, "app.handler", "Runtime.ImportModuleError"),
        ({"app.py": "def handler(:"}, "app.handler", "Runtime.UserCodeSyntaxError"),
        ({"app.py": "x = 1"}, "app.handler", "Runtime.HandlerNotFound"),
        ({"app.py": "1/0"}, "app.handler", "ZeroDivisionError"),
        ({"app.py": "import os; os._exit(9)"}, "app.handler", "Runtime.ExitError"),
        # A package that neither the zip nor AWS's runtime contains must be missing.
        ({"app.py": "import pydantic"}, "app.handler", "Runtime.ImportModuleError"),
        ({"app.py": "import toolkit"}, "app.handler", "Runtime.ImportModuleError"),
    ],
)
def test_a_failed_start_is_reported(
    cloud: CloudProcess, files: dict[str, str], handler: str, error_type: str
) -> None:
    name = f"broken-{abs(hash(json.dumps(files)))}"
    cloud.create_function(name, files, handler)
    error, response = invoke(cloud, name)
    assert response["FunctionError"] == "Unhandled"
    assert error["errorType"] == error_type
    reports = [line for line in cloud.log_lines(name) if line.startswith("INIT_REPORT")]
    assert len(reports) == 1
    assert reports[0].endswith(f"Phase: init\tStatus: error\tError Type: {error_type}")


def test_boto3_is_installed_and_uses_the_cloud(cloud: CloudProcess) -> None:
    code = "import boto3\ndef handler(*_): return boto3.client('sts').get_caller_identity()['Account']"
    cloud.create_function("inside", {"app.py": code}, Timeout=30)
    assert invoke(cloud, "inside")[0] == "123456789012"


def test_updates_start_new_processes(cloud: CloudProcess) -> None:
    def code(response: int) -> dict[str, str]:
        lines = [
            "import os",
            "def handler(*_):",
            f"    return [{response}, os.environ.get('XY'), os.getpid()]",
        ]
        return {"app.py": "\n".join(lines)}

    cloud.create_function("changing", code(1))
    first, _ = invoke(cloud, "changing")
    cloud.functions.update_function_code(FunctionName="changing", ZipFile=zipped(code(2)))
    second, _ = invoke(cloud, "changing")
    cloud.functions.update_function_configuration(
        FunctionName="changing", Environment={"Variables": {"XY": "y"}}
    )
    third, _ = invoke(cloud, "changing")
    assert [first[:2], second[:2], third[:2]] == [[1, None], [2, None], [2, "y"]]
    assert len({first[2], second[2], third[2]}) == 3
    (status,) = [item for item in cloud.status()["functions"] if item["name"] == "changing"]
    assert status["instances"] == 1


def test_a_deleted_function_leaves_no_process(cloud: CloudProcess) -> None:
    cloud.create_function("gone", {"app.py": "def handler(event, context): return 1"})
    invoke(cloud, "gone")
    assert [item for item in cloud.status()["processes"] if item["name"] == "gone"]
    cloud.functions.delete_function(FunctionName="gone")
    assert not [item for item in cloud.status()["processes"] if item["name"] == "gone"]
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        invoke(cloud, "gone")


def test_invocation_types(cloud: CloudProcess, tmp_path: Any) -> None:
    mark = tmp_path / "mark"
    cloud.create_function(
        "mark", {"app.py": f"def handler(event, context): open({str(mark)!r}, 'w').close()"}
    )
    assert invoke(cloud, "mark", InvocationType="DryRun")[1]["StatusCode"] == 204
    assert not mark.exists()
    assert invoke(cloud, "mark", InvocationType="Event")[1]["StatusCode"] == 202
    wait_for(mark.exists, "the asynchronous invocation")


def test_the_client_context_is_passed_on(cloud: CloudProcess) -> None:
    code = "def handler(event, context): return context.client_context.custom"
    cloud.create_function("context", {"app.py": code})
    context = base64.b64encode(json.dumps({"custom": {"a": "b"}}).encode()).decode()
    assert invoke(cloud, "context", ClientContext=context)[0] == {"a": "b"}


def test_oversized_requests_and_responses(cloud: CloudProcess) -> None:
    cloud.create_function("large", {"app.py": "def handler(event, context): return 'x' * 7_000_000"})
    error, response = invoke(cloud, "large")
    assert (response["FunctionError"], error["errorType"]) == ("Unhandled", "Function.ResponseSizeTooLarge")
    with pytest.raises(ClientError, match="RequestEntityTooLargeException"):
        invoke(cloud, "large", "x" * 7_000_000)
    with pytest.raises(ClientError, match="InvalidRequestContent"):
        cloud.functions.invoke(FunctionName="large", Payload=b"{")


def test_a_streamed_invocation_of_a_plain_handler(cloud: CloudProcess) -> None:
    cloud.create_function("plain", {"app.py": "def handler(event, context): return {'a': 1 / event}"})

    def stream(event: Any) -> list[dict[str, Any]]:
        response = cloud.functions.invoke_with_response_stream(
            FunctionName="plain", Payload=json.dumps(event)
        )
        return list(response["EventStream"])

    chunk, complete = stream(1)
    assert json.loads(chunk["PayloadChunk"]["Payload"]) == {"a": 1.0}
    assert complete == {"InvokeComplete": {}}
    (failed,) = stream(0)
    assert failed["InvokeComplete"]["ErrorCode"] == "ZeroDivisionError"


def test_an_unknown_function(cloud: CloudProcess) -> None:
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        invoke(cloud, "nobody")


def test_other_processes_cannot_fetch_invocations(cloud: CloudProcess) -> None:
    """Any user of this machine can reach the Runtime API, and events contain API keys."""
    cloud.create_function("private", {"app.py": "def handler(event, context):\n    return event\n"})

    def invoke(event: str) -> Any:
        return json.load(cloud.functions.invoke(FunctionName="private", Payload=json.dumps(event))["Payload"])

    assert invoke("first") == "first"
    [pid] = [item["pid"] for item in cloud.status()["processes"] if item["name"] == "private"]
    address = psutil.Process(pid).environ()["AWS_LAMBDA_RUNTIME_API"]
    for method, path in (
        ("GET", "invocation/next"),
        ("POST", "invocation/x/response"),
        ("POST", "init/error"),
    ):
        stranger = http.client.HTTPConnection(address, timeout=HANG_SECONDS)
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            stranger.request(method, f"/2018-06-01/runtime/{path}", "{}")
            stranger.getresponse()
    assert invoke("second") == "second"


def test_a_process_is_known_by_both_ends_of_its_connection() -> None:
    """Another user's connection to another port may have the same local port."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_server(("127.0.0.1", 0)) as other,
        socket.create_connection(server.getsockname()) as connection,
    ):
        local = connection.getsockname()
        assert _is_connected(os.getpid(), (local, server.getsockname()))
        assert not _is_connected(os.getpid(), (local, other.getsockname()))
