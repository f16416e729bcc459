"""Our runtime client: functions behave as with awslambdaric."""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import io
import json
import venv
from pathlib import Path
from typing import Any

import pytest

from tests.support.checkout import ROOT
from tests.support.cloudprocess import ROLE, zipped
from toolkit.console import Console
from toolkit.errors import PreflightError
from toolkit.local.cloudwatch.service import Metrics
from toolkit.local.functions.exceptions import FunctionError
from toolkit.local.functions.instance import InstanceLog
from toolkit.local.functions.invocation import Invocation, ResponseStream
from toolkit.local.functions.models import Function
from toolkit.local.functions.runtime import Runner
from toolkit.local.functions.runtime_api import HandlerInstance
from toolkit.local.functions.sandbox import Sandbox
from toolkit.local.iam.enforcement import Enforcement, SessionCredentials
from toolkit.local.service import Cloud
from toolkit.project import Project
from toolkit.tool_venvs import ToolVenv, ensure

pytestmark = pytest.mark.slow
CREDENTIALS = SessionCredentials("key", "secret", "token", datetime.datetime.max)
CODE = """
import decimal
count = 0
def echo(event, context):
    global count
    count += 1
    return {"event": event, "count": count, "name": context.function_name,
            "memory": context.memory_limit_in_mb,
            "custom": context.client_context.custom if context.client_context else None,
            "time": 0 < context.get_remaining_time_in_millis() <= 60000}
def number(event, context):
    return [decimal.Decimal("3"), decimal.Decimal("0.5")]
def nothing(event, context):
    pass
def fail(event, context):
    return {}["missing"]
def unserializable(event, context):
    return {1, 2}
"""


@pytest.fixture(scope="session")
def runtimes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ToolVenv]:
    bare = tmp_path_factory.mktemp("runtime") / "venv"
    venv.create(bare, symlinks=True)
    console = Console(out=io.StringIO(), err=io.StringIO(), interactive=False)
    return {"ours": ToolVenv(bare), "aws": ensure(Project(ROOT), "lambda-runtime", console)}


def a_function(handler: str, code: str = CODE) -> Function:
    archive = zipped({"app.py": code})
    return Function(
        name="f", arn="arn:f", region="us-east-1", version="$LATEST", handler=handler, runtime="python3.13",
        role=ROLE, memory_mb=128, timeout_seconds=60, environment={}, layers=(), log_group=f"/test/{handler}",
        code_sha256=hashlib.sha256(archive).hexdigest(), code=archive,
    )  # fmt: skip


def run(runtime: ToolVenv, directory: Path, handler: str, *events: Any, code: str = CODE) -> list[Any]:
    """Responses of one instance to several events."""
    function = a_function(handler, code)

    async def responses() -> list[Any]:
        sandbox = Sandbox(Cloud(directory, "http://127.0.0.1:1", "test"), runtime, CREDENTIALS)
        instance = HandlerInstance(function, InstanceLog(function, Metrics()), sandbox)
        await instance.start()
        try:
            return [await response(instance, event) for event in events]
        finally:
            await instance.stop()

    async def response(instance: HandlerInstance, event: Any) -> Any:
        context = json.dumps({"custom": {"k": "v"}})
        invocation = Invocation(json.dumps(event).encode(), "arn:f", 60, context, request_id="r-1")
        result = ResponseStream("r-1")
        await asyncio.gather(instance.run(invocation, result), result.begin(), return_exceptions=True)
        try:
            return json.loads(await result.read())
        except FunctionError as error:
            return json.loads(error.payload)

    return asyncio.run(responses())


@pytest.mark.parametrize(
    "handler", ["app.echo", "app.number", "app.nothing", "app.fail", "app.unserializable"]
)
def test_responses_equal_those_of_awslambdaric(runtimes: Any, tmp_path: Path, handler: str) -> None:
    events = [{"a": "ü🙂"}, None, [1]]
    ours, aws = (run(runtimes[name], tmp_path, handler, *events) for name in ("ours", "aws"))
    for our_response, aws_response in zip(ours, aws, strict=True):
        if isinstance(aws_response, dict) and "errorMessage" in aws_response:
            assert our_response["errorType"] in ("KeyError", "Runtime.MarshalError")
        assert our_response == aws_response


@pytest.mark.parametrize(
    ("handler", "code"),
    [
        ("app.missing", CODE),
        ("app", CODE),
        ("other.handler", CODE),
        ("app.handler", "import nonexistent_module"),
        ("app.handler", "def handler(:"),
        ("app.handler", "1/0"),
    ],
)
def test_init_errors_equal_those_of_awslambdaric(
    runtimes: Any, tmp_path: Path, handler: str, code: str
) -> None:
    failures = []
    for name in ("ours", "aws"):
        with pytest.raises(FunctionError) as caught:
            run(runtimes[name], tmp_path, handler, code=code)
        failures.append(caught.value.error_type)
    assert failures[0] == failures[1]


def test_a_failed_installation_is_reported_and_retried(runtimes: Any, tmp_path: Path) -> None:
    outcomes: list[Any] = [PreflightError("could not install lambda-runtime"), runtimes["ours"]]

    def install() -> ToolVenv:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        assert isinstance(outcome, ToolVenv)
        return outcome

    async def scenario() -> Any:
        runner = Runner(Cloud(tmp_path, "http://127.0.0.1:1", "test"), Enforcement(), Metrics(), install)
        with pytest.raises(FunctionError, match="could not install"):
            await runner.invoke(a_function("app.echo"), b"1").read()
        response = await runner.invoke(a_function("app.echo"), b"1").read()
        await runner.stop()
        return json.loads(response)["event"]

    assert asyncio.run(scenario()) == 1
