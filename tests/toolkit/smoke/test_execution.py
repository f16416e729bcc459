"""The order of checks: what a failure prevents, time limits and repetitions."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from tests.support.contexts import opened
from toolkit.aws.access import AwsAccess
from toolkit.deployment.context import Context
from toolkit.smoke import Check, Layer, Options
from toolkit.smoke.causes import of_response
from toolkit.smoke.execution import Step, execute
from toolkit.smoke.results import FailedError, NotRunError


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return opened(tmp_path, AwsAccess("us-east-1", "123456789012", "http://127.0.0.1:1")).context


def passes() -> str:
    return "fine"


def fails() -> str:
    raise FailedError("broken", "a cause", "a command")


def raises(error: Exception) -> Callable[[], str]:
    def action() -> str:
        raise error

    return action


def in_turn(*actions: Callable[[], str]) -> Callable[[], str]:
    """An action that is another one at each attempt."""
    remaining = iter(actions)

    def action() -> str:
        return next(remaining)()

    return action


def results(context: Context, *steps: Step, **options: object) -> list[Check]:
    return list(execute(context, steps, Options(**options)))  # type: ignore[arg-type]


def test_a_failure_prevents_the_outer_checks_of_its_model_only(context: Context) -> None:
    checks = results(
        context,
        Step("a", Layer.ENDPOINT, "endpoint", fails),
        Step("a", Layer.INVOCATION, "invocation", passes),
        Step("b", Layer.ENDPOINT, "endpoint", passes),
        Step(None, Layer.GATEWAY, "gateway", passes, stops="all"),
        Step("a", Layer.API, "call", passes),
        Step("b", Layer.API, "call", passes),
    )
    assert [(check.model, check.name, check.verdict) for check in checks] == [
        ("a", "endpoint", "failed"),
        ("a", "invocation", "not run"),
        ("b", "endpoint", "passed"),
        (None, "gateway", "passed"),
        ("a", "call", "not run"),
        ("b", "call", "passed"),
    ]
    assert checks[1].detail == "because this failed: a: endpoint"


def test_a_check_says_what_its_failure_prevents(context: Context) -> None:
    checks = results(
        context,
        Step(None, Layer.KEYS, "open", fails, stops="none"),
        Step(None, Layer.KEYS, "key", fails, stops="all"),
        Step("a", Layer.API, "call", passes),
        Step(None, Layer.LOGS, "log", passes),
    )
    assert [check.verdict for check in checks] == ["failed", "failed", "not run", "not run"]


def test_other_layers_than_the_chosen_ones_are_left_out(context: Context) -> None:
    steps = [Step("a", Layer.ENDPOINT, "endpoint", fails), Step("a", Layer.API, "call", passes)]
    assert [check.name for check in results(context, *steps, only=[Layer.API])] == ["call"]


def test_a_check_that_does_not_apply_prevents_nothing(context: Context) -> None:
    checks = results(
        context,
        Step("a", Layer.API, "call", raises(NotRunError("excluded"))),
        Step("a", Layer.ERRORS, "error", passes),
    )
    assert [(check.ok, check.detail) for check in checks] == [(None, "excluded"), (True, "fine")]


def test_a_repetition_that_passes_is_reported(context: Context) -> None:
    step = Step("a", Layer.API, "call", in_turn(fails, fails, passes))
    (check,) = results(context, step, retries=2)
    assert (check.ok, check.detail) == (True, "fine, at attempt 3")


def test_a_failure_is_not_repeated_by_default(context: Context) -> None:
    (check,) = results(context, Step("a", Layer.API, "call", in_turn(fails, passes)))
    assert check.ok is False


def test_a_check_that_hangs_fails_at_its_time_limit(
    context: Context,
) -> None:
    release = threading.Event()

    def hangs() -> str:
        release.wait()
        return "late"

    (check,) = results(context, Step("a", Layer.INVOCATION, "invocation", hangs), timeout_seconds=0.01)
    release.set()
    assert check.ok is False
    assert check.detail.startswith("no result within")


@pytest.mark.parametrize(
    ("error", "cause", "command"),
    [
        (
            ClientError(
                {
                    "Error": {
                        "Code": "AccessDeniedException",
                        "Message": "User: arn:aws:iam::123456789012:user/ann is not authorized to perform: "
                        "sagemaker:InvokeEndpoint on resource: arn:aws:sagemaker:us-east-1:1:endpoint/e",
                    }
                },
                "InvokeEndpoint",
            ),
            "denied: user/ann is not allowed to call sagemaker:InvokeEndpoint",
            "toolkit iam show --env x viewer",
        ),
        (
            ClientError({"Error": {"Code": "ExpiredTokenException", "Message": "expired"}}, "Invoke"),
            "the AWS credentials have expired",
            "aws sso login",
        ),
        (
            ClientError({"Error": {"Code": "ModelError", "Message": "out of memory"}}, "InvokeEndpoint"),
            "the model's server fails or has crashed",
            "toolkit logs m --env x",
        ),
        (
            ClientError(
                {"Error": {"Code": "InvalidSignatureException", "Message": "Signature expired"}}, "I"
            ),
            "the clock of this machine is minutes off",
            "date --utc",
        ),
        (
            ClientError({"Error": {"Code": "RequestTimeTooSkewed", "Message": "too large"}}, "GetObject"),
            "the clock of this machine is minutes off",
            "date --utc",
        ),
        (
            ClientError({"Error": {"Code": "SignatureDoesNotMatch", "Message": "does not match"}}, "I"),
            "the AWS credentials are wrong",
            "toolkit doctor --env x",
        ),
        (EndpointConnectionError(endpoint_url="http://x"), "does not reach AWS", "toolkit doctor --env x"),
        (httpx.ConnectError("refused"), "does not reach the API", "toolkit outputs api_base_url --env x"),
        (httpx.ReadTimeout("slow"), "does not respond in time", "toolkit logs gateway --env x"),
        (httpx.RemoteProtocolError("closed"), "the response broke off", "toolkit logs gateway --env x"),
    ],
)
def test_an_error_is_a_failed_check_with_its_cause(
    context: Context, error: Exception, cause: str, command: str
) -> None:
    (check,) = results(context, Step("m", Layer.INVOCATION, "invocation", raises(error)))
    assert check.ok is False
    assert cause in (check.cause or "")
    assert check.command == command


@pytest.mark.parametrize(
    ("status", "code", "cause"),
    [(503, "guard_unavailable", "the guard fails"), (400, "content_filter", "the guard blocks the prompt")],
)
def test_a_guard_is_named_as_the_cause(context: Context, status: int, code: str, cause: str) -> None:
    error = {"message": "no", "type": "server_error", "param": None, "code": code}
    failure = of_response(httpx.Response(status, json={"error": error}), context.environment, "m")
    assert (failure.cause or "").startswith(cause)
    assert failure.command == "toolkit logs gateway --env x"


def test_an_error_of_the_program_itself_is_not_a_failed_check(context: Context) -> None:
    with pytest.raises(ZeroDivisionError):
        results(context, Step("m", Layer.API, "call", raises(ZeroDivisionError())))
