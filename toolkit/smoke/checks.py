"""Smoke test checks, from the inside out: endpoint, SageMaker runtime, API, streaming API."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import httpx
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import Field

from toolkit import documents, keys
from toolkit.aws.access import AwsAccess
from toolkit.chat import completions
from toolkit.deployment.context import Context
from toolkit.deployment.outputs import DeployedModel, Outputs
from toolkit.errors import SmokeTestError
from toolkit.keys.client import open_api

# Temperature 0: the result must not depend on chance.
PROMPT = {
    "messages": [{"role": "user", "content": "Count from one to five."}],
    "max_tokens": 24,
    "temperature": 0,
}


class _CheckFailedError(Exception):
    """A failed check; the message is shown to the user."""


_FAILURES = (
    _CheckFailedError,
    completions.RefusedError,
    completions.BrokenStreamError,
    ClientError,
    BotoCoreError,
    httpx.HTTPError,
)


@dataclass(frozen=True)
class _Message:
    content: str | None = None


@dataclass(frozen=True)
class _Choice:
    message: _Message


@dataclass(frozen=True)
class _Completion:
    """A chat completion, as far as it is checked."""

    choices: Annotated[tuple[_Choice, ...], Field(min_length=1)]


@dataclass(frozen=True)
class Check:
    """The result of one check.

    Attributes:
        model: the model checked.
        name: the name of the check.
        ok: whether it passed.
        seconds: its duration.
        detail: the observation, or the problem.
    """

    model: str
    name: str
    ok: bool
    seconds: float
    detail: str

    def line(self) -> str:
        """One line for the user."""
        mark = "ok  " if self.ok else "FAIL"
        return f"{mark} {self.model}: {self.name} ({self.seconds:.2f} s): {self.detail}"


def run(context: Context, outputs: Outputs) -> Iterator[Check]:
    """Yield each check as it ends; a failed check skips the model's later ones.

    Args:
        context: the environment.
        outputs: the outputs of its deployment.
    """
    access, environment = context.access, context.environment
    api_keys = keys.of(access, environment, outputs.usage_plan_ids)
    with open_api(api_keys, environment, outputs.api_base_url) as api:
        for name, model in outputs.models.items():
            for step, action in _steps(access, api, name, model).items():
                check = _timed(name, step, action)
                yield check
                if not check.ok:
                    break


def test(context: Context, outputs: Outputs) -> None:
    """Run all checks and print them.

    Raises:
        SmokeTestError: a check failed.
    """
    checks = []
    for check in run(context, outputs):
        context.console.line(check.line())
        checks.append(check)
    raise_for_failures(context.environment.name, checks)


def raise_for_failures(env: str, checks: Sequence[Check]) -> None:
    """Raise an error unless all checks passed.

    Raises:
        SmokeTestError: a check failed.
    """
    failed = [check for check in checks if not check.ok]
    if failed:
        raise SmokeTestError(
            f"{len(failed)} of {len(checks)} checks failed, the first: {failed[0].model}: {failed[0].name}",
            details=[check.line() for check in failed],
            remedy=f"run `toolkit status --env {env}` to see the endpoints",
        )


def _steps(
    access: AwsAccess, api: httpx.Client, name: str, model: DeployedModel
) -> dict[str, Callable[[], str]]:
    steps: dict[str, Callable[[], str]] = {"endpoint InService": lambda: _endpoint(access, model)}
    if model.endpoint_type == "async":
        # Its requests and responses are S3 objects, and the API does not serve it.
        return steps
    steps["runtime invocation"] = lambda: _invoke(access, model)
    steps["API call"] = lambda: _call(api, name)
    if model.endpoint_type != "serverless":  # SageMaker does not stream from serverless endpoints
        steps["streamed API call"] = lambda: _stream(api, name)
    return steps


def _timed(model: str, step: str, action: Callable[[], str]) -> Check:
    started = time.perf_counter()
    try:
        detail, ok = action(), True
    except _FAILURES as error:
        detail, ok = str(error) or type(error).__name__, False
    return Check(model, step, ok, time.perf_counter() - started, detail)


def _endpoint(access: AwsAccess, model: DeployedModel) -> str:
    status = access.sagemaker.describe_endpoint(EndpointName=model.endpoint_name)["EndpointStatus"]
    if status != "InService":
        raise _CheckFailedError(f"{model.endpoint_name} is {status}")
    return model.endpoint_name


def _invoke(access: AwsAccess, model: DeployedModel) -> str:
    response = access.sagemaker_runtime.invoke_endpoint(
        EndpointName=model.endpoint_name, ContentType="application/json", Body=json.dumps(PROMPT)
    )
    return _quoted(_content(response["Body"].read()))


def _call(api: httpx.Client, name: str) -> str:
    response = api.post("chat/completions", json={"model": name, **PROMPT})
    completions.require_success(response)
    return _quoted(_content(response.content))


def _stream(api: httpx.Client, name: str) -> str:
    chunks, first, started = 0, 0.0, time.perf_counter()
    for chunk in completions.stream(api, {"model": name, **PROMPT}):
        first = first or time.perf_counter() - started
        # The last chunk has token counts only.
        chunks += bool(chunk.choices)
    if chunks < 2:
        raise _CheckFailedError(f"the response was not streamed: it arrived in {chunks} chunk(s)")
    return f"{chunks} chunks, the first after {first * 1000:.0f} ms"


def _content(body: bytes) -> str:
    try:
        content = documents.parse(body, _Completion).choices[0].message.content
    except documents.DamagedError as damage:
        start = body[:200].decode(errors="replace")
        raise _CheckFailedError(f"not a chat completion: {damage}: {start}") from None
    if not content:
        raise _CheckFailedError("the response is empty")
    return content


def _quoted(text: str) -> str:
    line = " ".join(text.split())
    return f'"{line[:57]}…"' if len(line) > 60 else f'"{line}"'
