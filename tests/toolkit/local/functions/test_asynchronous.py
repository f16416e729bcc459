"""Asynchronous invocations, with waits scaled to fractions of a second."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.cloudprocess import CloudProcess, running, zipped
from tests.support.interrupts import wait_for

# Appends its request id to the file that the event names, and fails.
FAILING = """
def handler(event, context):
    with open(event, "a") as file:
        file.write(context.aws_request_id + "\\n")
    raise ValueError("always")
"""
WORKING = FAILING.replace('raise ValueError("always")', "return 'done'")


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudProcess]:
    with running(tmp_path_factory.mktemp("events"), TOOLKIT_LOCAL_TIME_SCALE="0.003") as process:
        yield process


def send(cloud: CloudProcess, name: str, file: Path) -> str:
    """Invoke a function asynchronously; returns the request id."""
    response = cloud.functions.invoke(
        FunctionName=name, InvocationType="Event", Payload=json.dumps(str(file))
    )
    assert response["StatusCode"] == 202
    return str(response["ResponseMetadata"]["RequestId"])


def attempts(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def dropped(cloud: CloudProcess, name: str) -> float | None:
    return cloud.statistic("AWS/Lambda", "AsyncEventsDropped", "Sum", FunctionName=name)


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [
        ("by-default", [], 3),
        ("once-more", [{"MaximumRetryAttempts": 1}], 2),
        ("put-twice", [{"MaximumRetryAttempts": 2}, {"MaximumRetryAttempts": 0}], 1),
        ("too-old", [{"MaximumEventAgeInSeconds": 60}], 1),
    ],
)
def test_a_failed_function_is_retried(
    cloud: CloudProcess, tmp_path: Path, name: str, settings: list[dict[str, int]], expected: int
) -> None:
    cloud.create_function(name, {"app.py": FAILING})
    for setting in settings:
        cloud.functions.put_function_event_invoke_config(FunctionName=name, **setting)
    request_id = send(cloud, name, tmp_path / "attempts")
    wait_for(lambda: dropped(cloud, name) == 1, "the last attempt")
    assert attempts(tmp_path / "attempts") == [request_id] * expected
    assert cloud.statistic("AWS/Lambda", "AsyncEventsReceived", "Sum", FunctionName=name) == 1


def test_event_invoke_settings_are_updated_one_by_one(cloud: CloudProcess) -> None:
    cloud.create_function("settings", {"app.py": WORKING})
    cloud.functions.put_function_event_invoke_config(FunctionName="settings", MaximumRetryAttempts=1)
    cloud.functions.update_function_event_invoke_config(FunctionName="settings", MaximumEventAgeInSeconds=600)
    settings = cloud.functions.get_function_event_invoke_config(FunctionName="settings")
    assert (settings["MaximumRetryAttempts"], settings["MaximumEventAgeInSeconds"]) == (1, 600)


def test_retries_run_fixed_code(cloud: CloudProcess, tmp_path: Path) -> None:
    fixed = {"ZipFile": zipped({"app.py": WORKING.replace("\\n", " fixed\\n")})}
    # It fixes itself after its first failure, so that no wait is too short.
    fixing = FAILING.replace(
        "    raise",
        "    import boto3\n"
        f"    code = {fixed!r}\n"
        "    boto3.client('lambda').update_function_code(FunctionName=context.function_name, **code)\n"
        "    raise",
    )
    cloud.create_function("fixed", {"app.py": fixing}, Timeout=60)
    request_id = send(cloud, "fixed", tmp_path / "attempts")
    wait_for(lambda: len(attempts(tmp_path / "attempts")) == 2, "the second attempt")
    assert attempts(tmp_path / "attempts") == [request_id, f"{request_id} fixed"]
    assert dropped(cloud, "fixed") is None


def test_a_throttled_event_waits_for_capacity(cloud: CloudProcess, tmp_path: Path) -> None:
    cloud.create_function("full", {"app.py": WORKING})
    concurrency: dict[str, Any] = {"FunctionName": "full", "ReservedConcurrentExecutions": 0}
    cloud.functions.put_function_concurrency(**concurrency)
    request_id = send(cloud, "full", tmp_path / "attempts")

    def throttles() -> float:
        return cloud.statistic("AWS/Lambda", "Throttles", "Sum", FunctionName="full") or 0

    # More attempts than a failed function gets.
    wait_for(lambda: throttles() > 3, "four refusals")
    assert attempts(tmp_path / "attempts") == []
    cloud.functions.delete_function_concurrency(FunctionName="full")
    wait_for(lambda: attempts(tmp_path / "attempts"), "the invocation")
    assert attempts(tmp_path / "attempts") == [request_id]
