"""From the inside out: the endpoint, the SageMaker runtime, the API, the API with streaming."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import httpx
from botocore.exceptions import BotoCoreError, ClientError

from toolkit.aws.access import AwsAccess
from toolkit.deployment.api.apiclient import open_api
from toolkit.deployment.context import Context
from toolkit.deployment.outputs import DeployedModel, Outputs
from toolkit.errors import SmokeTestError

# The likeliest answer: whether a deployment passes is not left to chance.
PROMPT = {
    "messages": [{"role": "user", "content": "Count from one to five."}],
    "max_tokens": 24,
    "temperature": 0,
}


class _FindingError(Exception):
    """The check's finding, in a few words for the user."""


@dataclass(frozen=True)
class Check:
    """One step's result.

    Attributes:
        model: the model it was done with.
        name: what was done.
        ok: whether it answered as it should.
        seconds: how long it took.
        detail: what was seen, or what was wrong.
    """

    model: str
    name: str
    ok: bool
    seconds: float
    detail: str

    def line(self) -> str:
        """For people."""
        mark = "ok  " if self.ok else "FAIL"
        return f"{mark} {self.model}: {self.name} ({self.seconds:.2f} s): {self.detail}"


def run(context: Context, outputs: Outputs) -> Iterator[Check]:
    """Yield each check as it ends; a model's later checks are left out once one has failed.

    Args:
        context: the environment.
        outputs: what was deployed of it.
    """
    access = context.access
    with open_api(context, outputs) as api:
        for name, model in outputs.models.items():
            for step, action in _steps(access, api, name, model).items():
                check = _timed(name, step, action)
                yield check
                if not check.ok:
                    break


def raise_for_failures(env: str, checks: Sequence[Check]) -> None:
    """Return if all checks were passed.

    Raises:
        SmokeTestError: one was not.
    """
    failed = [check for check in checks if not check.ok]
    if failed:
        raise SmokeTestError(
            f"{len(failed)} of {len(checks)} checks failed, the first: {failed[0].model}: {failed[0].name}",
            details=[check.line() for check in failed],
            remedy=f"`toolkit status --env {env}` shows the endpoints",
        )


def _steps(
    access: AwsAccess, api: httpx.Client, name: str, model: DeployedModel
) -> dict[str, Callable[[], str]]:
    steps: dict[str, Callable[[], str]] = {"endpoint InService": lambda: _endpoint(access, model)}
    if model.endpoint_type == "async":
        # Its requests and answers are objects in S3, and the API does not have it.
        return steps
    steps["runtime invocation"] = lambda: _invoke(access, model)
    steps["API call"] = lambda: _call(api, name)
    if model.endpoint_type != "serverless":  # SageMaker gives its answers whole
        steps["streamed API call"] = lambda: _stream(api, name)
    return steps


def _timed(model: str, step: str, action: Callable[[], str]) -> Check:
    started = time.perf_counter()
    try:
        detail, ok = action(), True
    except (_FindingError, ClientError, BotoCoreError, httpx.HTTPError) as error:
        detail, ok = str(error) or type(error).__name__, False
    return Check(model, step, ok, time.perf_counter() - started, detail)


def _endpoint(access: AwsAccess, model: DeployedModel) -> str:
    status = access.sagemaker.describe_endpoint(EndpointName=model.endpoint_name)["EndpointStatus"]
    if status != "InService":
        raise _FindingError(f"{model.endpoint_name} is {status}")
    return model.endpoint_name


def _invoke(access: AwsAccess, model: DeployedModel) -> str:
    answer = access.sagemaker_runtime.invoke_endpoint(
        EndpointName=model.endpoint_name, ContentType="application/json", Body=json.dumps(PROMPT)
    )
    return _quoted(_content(answer["Body"].read()))


def _call(api: httpx.Client, name: str) -> str:
    response = api.post("chat/completions", json={"model": name, **PROMPT})
    _expect_success(response)
    return _quoted(_content(response.content))


def _stream(api: httpx.Client, name: str) -> str:
    chunks, first, started = 0, 0.0, time.perf_counter()
    with api.stream("POST", "chat/completions", json={"model": name, "stream": True, **PROMPT}) as response:
        if response.is_error:
            response.read()
        _expect_success(response)
        lines = (line.removeprefix("data: ") for line in response.iter_lines() if line.startswith("data: "))
        for data in lines:
            if data == "[DONE]":
                break
            _expect_chunk(data)
            first = first or time.perf_counter() - started
            chunks += 1
        else:
            raise _FindingError(f"the stream ended after {chunks} chunks without [DONE]")
    if chunks < 2:
        raise _FindingError(f"the answer came in {chunks} chunk(s): it was not streamed")
    return f"{chunks} chunks, the first after {first * 1000:.0f} ms"


def _expect_success(response: httpx.Response) -> None:
    if response.status_code != 200:
        raise _FindingError(f"HTTP {response.status_code}: {response.text[:300]}")


def _expect_chunk(data: str) -> None:
    try:
        chunk = json.loads(data)
    except ValueError:
        raise _FindingError(f"an event is not JSON: {data[:200]}") from None
    if "error" in chunk:
        raise _FindingError(f"error in mid-stream: {chunk['error'].get('message', data[:200])}")


def _content(body: bytes) -> str:
    try:
        content = json.loads(body)["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError):
        raise _FindingError(f"not a chat completion: {body[:200].decode(errors='replace')}") from None
    if not content:
        raise _FindingError("the answer is empty")
    return str(content)


def _quoted(text: str) -> str:
    line = " ".join(text.split())
    return f'"{line[:57]}…"' if len(line) > 60 else f'"{line}"'
