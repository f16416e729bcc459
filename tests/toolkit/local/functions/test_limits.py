"""Limits of time, memory and concurrency, and their metrics."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.cloudprocess import CloudProcess, zipped
from tests.support.interrupts import wait_for
from toolkit.local.functions.exceptions import RefusedError
from toolkit.local.functions.models import Function
from toolkit.local.functions.runtime import Concurrency
from toolkit.local.quotas import models as quotas

OVERRUN = """
import time
def handler(event, context):
    if event:
        time.sleep(600)
    return "done"
"""
GREEDY = """
import os, time
def handler(event, context):
    hoard = bytearray(event * 2**20)
    for i in range(0, len(hoard), 4096):
        hoard[i] = 1
    if event > 100:
        time.sleep(30)
    return os.getpid()
"""
WAITING = """
import pathlib, time
def handler(event, context):
    place = pathlib.Path(event["place"])
    (place / event["name"]).touch()
    while not (place / "go").exists():
        time.sleep(0.005)
    return "done"
"""


VALUES: dict[str, Any] = {
    **dict.fromkeys(("arn", "version", "role", "handler", "runtime", "log_group", "code_sha256"), ""),
    **{"memory_mb": 128, "timeout_seconds": 1, "environment": {}, "layers": (), "code": b""},
}


def invoke(cloud: CloudProcess, name: str, event: Any = None) -> tuple[Any, bool]:
    response = cloud.functions.invoke(FunctionName=name, Payload=json.dumps(event))
    return json.loads(response["Payload"].read()), "FunctionError" in response


def test_a_time_out_kills_the_instance(cloud: CloudProcess) -> None:
    cloud.create_function("overrun", {"app.py": OVERRUN}, Timeout=1)
    failed, is_error = invoke(cloud, "overrun", 1)
    assert is_error
    assert failed["errorMessage"].endswith("Task timed out after 1.00 seconds")
    assert not [item for item in cloud.status()["processes"] if item["name"] == "overrun"]
    # Others are not, however long they take on a busy machine.
    cloud.functions.update_function_configuration(FunctionName="overrun", Timeout=60)
    assert invoke(cloud, "overrun") == ("done", False)
    log = cloud.log_lines("overrun")
    assert sum(line.startswith("INIT_START") for line in log) == 2
    reports = [line for line in log if line.startswith("REPORT")]
    assert [line.endswith("Status: timeout") for line in reports].count(True) == 1
    for name, value in (("Invocations", 2), ("Errors", 1), ("Throttles", 0)):
        assert cloud.statistic("AWS/Lambda", name, "Sum", FunctionName="overrun") == value
    longest = cloud.statistic("AWS/Lambda", "Duration", "Maximum", FunctionName="overrun")
    assert longest is not None
    assert longest >= 1000


def test_exceeding_the_memory_kills_the_instance(cloud: CloudProcess) -> None:
    cloud.create_function("greedy", {"app.py": GREEDY}, Timeout=30, MemorySize=128)
    first, is_error = invoke(cloud, "greedy", 10)
    assert not is_error
    failed, is_error = invoke(cloud, "greedy", 300)
    assert is_error
    assert failed["errorMessage"].endswith("Error: Runtime exited with error: signal: 9")
    reports = [line for line in cloud.log_lines("greedy") if line.startswith("REPORT")]
    assert any(line.endswith("Status: error\tError Type: Runtime.OutOfMemory") for line in reports)
    second, is_error = invoke(cloud, "greedy", 10)
    assert (second != first, is_error) == (True, False)


def test_reserved_concurrency(cloud: CloudProcess, tmp_path: Path) -> None:
    cloud.create_function("reserved", {"app.py": WAITING}, Timeout=60)
    cloud.functions.put_function_concurrency(FunctionName="reserved", ReservedConcurrentExecutions=2)
    responses: list[Any] = []

    def ask(name: str) -> None:
        responses.append(invoke(cloud, "reserved", {"place": str(tmp_path), "name": name}))

    threads = [threading.Thread(target=ask, args=[name]) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    wait_for(lambda: all((tmp_path / name).exists() for name in "ab"), "both to run")
    with pytest.raises(ClientError, match="Rate Exceeded") as refused:
        ask("c")
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert refused.value.response["Error"]["Code"] == "TooManyRequestsException"
    assert refused.value.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    (tmp_path / "go").touch()
    for thread in threads:
        thread.join()
    ask("d")
    assert responses == [("done", False)] * 3
    assert cloud.statistic("AWS/Lambda", "Throttles", "Sum", FunctionName="reserved") == 1
    maximum = cloud.statistic("AWS/Lambda", "ConcurrentExecutions", "Maximum", FunctionName="reserved")
    assert maximum == 2
    cloud.functions.put_function_concurrency(FunctionName="reserved", ReservedConcurrentExecutions=0)
    function = cloud.functions.get_function(FunctionName="reserved")
    assert function["Concurrency"] == {"ReservedConcurrentExecutions": 0}
    with pytest.raises(ClientError, match="Rate Exceeded"):
        ask("e")


def test_functions_without_reserved_concurrency_share_the_rest() -> None:
    gateway, other = ({"region": "us-east-1", "name": name, "reserved_concurrency": None} for name in "ab")
    reserved = Function(**VALUES, region="us-east-1", name="authorizer", reserved_concurrency=1)
    concurrency = Concurrency()
    with ExitStack() as running:
        for _ in range(quotas.concurrency("us-east-1")):
            running.enter_context(concurrency.slot(Function(**VALUES, **gateway)))
        with pytest.raises(RefusedError) as refused:
            running.enter_context(concurrency.slot(Function(**VALUES, **other)))
        assert refused.value.members["Reason"] == "ConcurrentInvocationLimitExceeded"
        # Long streams do not occupy what is reserved.
        running.enter_context(concurrency.slot(reserved))


def test_a_part_of_the_account_stays_unreserved(cloud: CloudProcess) -> None:
    cloud.create_function("greediest", {"app.py": WAITING})
    with pytest.raises(ClientError, match="UnreservedConcurrentExecution below its minimum value"):
        cloud.functions.put_function_concurrency(
            FunctionName="greediest", ReservedConcurrentExecutions=quotas.concurrency("us-east-1")
        )


def test_variables_are_measured_as_json(cloud: CloudProcess) -> None:
    names = {"MODELS": '""'}
    fits = {**names, "FILL": "x" * (4096 - len(json.dumps({**names, "FILL": ""}, separators=(",", ":"))))}
    cloud.create_function("roomy", {"app.py": WAITING}, Environment={"Variables": fits})
    for change in ({"FILL": fits["FILL"] + "x"}, {"MODELS": '"x"'}):
        with pytest.raises(ClientError, match="exceeded the 4KB limit") as refused:
            cloud.functions.update_function_configuration(
                FunctionName="roomy", Environment={"Variables": {**fits, **change}}
            )
        assert refused.value.response["Error"]["Code"] == "InvalidParameterValueException"


VERSION = "def handler(event, context): return {}\n"


def test_updates_under_load_lose_no_request(cloud: CloudProcess) -> None:
    cloud.create_function("changing-under-load", {"app.py": VERSION.format(0)})
    responses: list[tuple[Any, bool]] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            responses.append(invoke(cloud, "changing-under-load"))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(1, 4):
        code = zipped({"app.py": VERSION.format(number)})
        cloud.functions.update_function_code(FunctionName="changing-under-load", ZipFile=code)
        # From here on the new code responds.
        assert invoke(cloud, "changing-under-load") == (number, False)
        cloud.functions.update_function_configuration(
            FunctionName="changing-under-load", MemorySize=128 + number
        )
        wait_for(_grows(responses), "a response")
    over.set()
    for thread in threads:
        thread.join()
    assert not [response for response, is_error in responses if is_error]


def _grows(responses: list[Any]) -> Callable[[], bool]:
    before = len(responses)
    return lambda: len(responses) > before


METRIC = """
import json
def handler(event, context):
    directive = {"Namespace": "Shop", "Dimensions": [["Model"], ["Model", "Key"]],
                 "Metrics": [{"Name": "Tokens", "Unit": "Count"}, {"Name": "Missing"}]}
    print(json.dumps({"_aws": {"Timestamp": 0, "CloudWatchMetrics": [directive]},
                      "Model": "m", "Key": "k", "Tokens": [3, 4]}))
    print('{"_aws": "not in the format"}')
    print('{"_aws": ')
"""


def test_metrics_embedded_in_logs_are_published(cloud: CloudProcess) -> None:
    cloud.create_function("counting", {"app.py": METRIC})
    for _ in range(2):
        assert invoke(cloud, "counting") == (None, False)

    def tokens() -> list[float | None]:
        sets: list[dict[str, str]] = [{"Model": "m"}, {"Model": "m", "Key": "k"}, {"Key": "k"}]
        return [cloud.statistic("Shop", "Tokens", "Sum", **dimensions) for dimensions in sets]

    wait_for(lambda: tokens() == [14, 14, None], "what both invocations have counted")
