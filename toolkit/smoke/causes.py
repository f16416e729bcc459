"""The most likely cause of an error, and the command to run next."""

from __future__ import annotations

from dataclasses import dataclass

import httpx
from botocore.exceptions import BotoCoreError, ClientError

from toolkit import documents
from toolkit.aws.errors import DENIED, EXPIRED, THROTTLED, WRONG, explain, is_skewed
from toolkit.environment import Environment
from toolkit.iam import denials
from toolkit.smoke.results import FailedError

# Header of every response of the gateway function, and of no response of API Gateway itself.
REQUEST_ID = "x-request-id"
_FUNCTION_LOG = "the gateway function fails"
_CONTAINER = {"ModelError", "ModelStreamError", "ModelNotReadyException", "InternalStreamFailure"}
_VALIDATION = {"ValidationError", "ValidationException"}


@dataclass(frozen=True)
class _Details:
    message: str = ""
    code: str | None = None
    type: str | None = None


@dataclass(frozen=True)
class ErrorBody:
    """An error of the API, as far as this module uses it."""

    error: _Details


@dataclass(frozen=True)
class Commands:
    """Commands that a cause refers to.

    Attributes:
        environment: the environment that they are for.
    """

    environment: Environment

    def __call__(self, command: str) -> str:
        """A command of this program for the environment."""
        return f"toolkit {command} --env {self.environment.name}"


def of_aws(error: ClientError | BotoCoreError, commands: Commands, source: str) -> FailedError:
    """The failure that an error of AWS means.

    Args:
        error: the error.
        commands: commands for the environment.
        source: the log to read if the model's container failed: a model's name.
    """
    explained = explain(error)
    detail = str(error) if explained is None else explained.message
    if not isinstance(error, ClientError):
        return FailedError(
            detail, "this machine does not reach AWS, or has no credentials", commands("doctor")
        )
    code, denied = error.response["Error"].get("Code", ""), denials.find(str(error))
    action = str(denied[0]) if denied else f"the credentials may not call {error.operation_name}"
    if is_skewed(error):
        return FailedError(detail, "the clock of this machine is minutes off", "date --utc")
    causes = (
        (DENIED, f"denied: {action}", f"{commands('iam show')} viewer"),
        (EXPIRED, "the AWS credentials have expired or were deleted", "aws sso login"),
        (WRONG, "the AWS credentials are wrong", commands("doctor")),
        (THROTTLED, "AWS throttles requests of the account", commands("status")),
        (_CONTAINER, "the model's server fails or has crashed", commands(f"logs {source}")),
        (_VALIDATION, "the endpoint is missing, or refuses the request", commands("status")),
        ({code}, f"{error.operation_name} failed in AWS", commands("status")),
    )
    return next(FailedError(detail, cause, command) for codes, cause, command in causes if code in codes)


def of_connection(error: httpx.HTTPError, environment: Environment) -> FailedError:
    """The failure that an unreachable API, or a broken connection, means."""
    commands = Commands(environment)
    detail = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, httpx.TimeoutException):
        return FailedError(detail, "the API does not respond in time", commands("logs gateway"))
    if isinstance(error, httpx.ConnectError):
        private = "the API is private: only its VPC endpoints reach it"
        cause = private if environment.api.private else "this machine does not reach the API"
        return FailedError(detail, cause, commands("outputs api_base_url"))
    return FailedError(detail, "the response broke off", commands("logs gateway"))


def code_of(response: httpx.Response) -> str | None:
    """The code of an error of the API; None without one."""
    return _details(response).code


def seconds_without_tokens(response: httpx.Response) -> float | None:
    """Seconds until the key has tokens again; None if its tokens per minute are not used up."""
    seconds = response.headers.get("retry-after", "")
    if response.status_code != 429 or _details(response).type != "tokens" or not seconds.isdecimal():
        return None
    return float(seconds)


def _details(response: httpx.Response) -> _Details:
    try:
        return documents.parse(response.content, ErrorBody).error
    except documents.DamagedError:
        return _Details()


def of_response(response: httpx.Response, environment: Environment, model: str | None = None) -> FailedError:
    """The failure that an HTTP status of the API means; the response is complete."""
    commands = Commands(environment)
    detail = f"HTTP {response.status_code}: {response.text[:300]}"
    logs = commands(f"logs {model}") if model else commands("logs gateway")
    by_code = {
        "authorizer_failure": ("the authorizer function fails", commands("logs authorizer")),
        "access_denied": ("the API's authorizer, policy or firewall refuses this caller", commands("drift")),
        "insufficient_quota": ("the quota of the key is used up", commands("keys list")),
        "rate_limit_exceeded": ("the key or the stage exceeds its rate, or the model its capacity", logs),
        "model_unavailable": ("the endpoint has no capacity, or the gateway calls another one", logs),
        "model_timeout": ("the model is too slow or hangs", logs),
        "model_error": ("the model's server fails, or its response is damaged", logs),
        "model_not_found": ("the gateway's configuration lacks the model", commands("drift")),
        "model_not_allowed": ("the usage plan of the key excludes the model", commands("keys list")),
        "guard_unavailable": ("the guard fails, and so lets nothing pass", commands("logs gateway")),
        "content_filter": ("the guard blocks the prompt of the smoke test", commands("logs gateway")),
        "unknown_url": ("the deployed API lacks this path", commands("drift")),
        "internal_error": (_FUNCTION_LOG, commands("logs gateway")),
        "bad_gateway": (_FUNCTION_LOG, commands("logs gateway")),
    }
    by_status = {
        401: ("the API refuses the caller's credentials", commands("keys list")),
        403: ("the API's policy or firewall refuses this caller", commands("drift")),
        429: ("requests are throttled", commands("keys list")),
        500: (_FUNCTION_LOG, commands("logs gateway")),
        502: (_FUNCTION_LOG, commands("logs gateway")),
        503: ("the gateway function or the model is unavailable", commands("status")),
        504: ("the model is too slow or hangs", logs),
    }
    code = code_of(response)
    if response.status_code == 500 and code is None and REQUEST_ID not in response.headers:
        # Lambda refuses the invocation; if the function fails, API Gateway responds with 502.
        cause = "Lambda does not start the function: its concurrency is used up, or its permission is missing"
        return FailedError(detail, cause, commands("drift"))
    cause, command = by_code.get(code or "") or by_status.get(
        response.status_code, ("the API does not behave as the contract says", commands("logs gateway"))
    )
    return FailedError(detail, cause, command)
