"""Requests to the API as clients send them, and its errors."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import httpx

from toolkit.deployment.context import Context
from toolkit.environment import Model
from toolkit.environment.expectations import Expectation
from toolkit.keys.store import DEFAULT_KEY
from toolkit.smoke import causes, expectations, replies
from toolkit.smoke.causes import Commands
from toolkit.smoke.function import ServedModel
from toolkit.smoke.objectives import Times, streamed, whole
from toolkit.smoke.results import FailedError, NotRunError, OutOfTokensError, Task

T = TypeVar("T")

_UNKNOWN_MODEL = "smoke-test-of-an-unknown-model"
_CHAT = "chat/completions"
_PATHS: Mapping[Task, str] = {"text": _CHAT, "embedding": "embeddings", "ranking": "rerank"}


@dataclass(frozen=True)
class ApiChecks:
    """Checks of the API with valid credentials.

    Attributes:
        context: the environment.
        client: sends the requests.
        key_name: the name of their key.
    """

    context: Context
    client: httpx.Client
    key_name: str = DEFAULT_KEY

    @property
    def _commands(self) -> Commands:
        return Commands(self.context.environment)

    def call(self, name: str, served: ServedModel) -> str:
        """Request a whole response.

        Raises:
            FailedError: it is not one of this model.
        """
        response = self.client.post(
            _PATHS[served.task], json={"model": name, **replies.REQUESTS[served.task]}
        )
        self._expect_success(response, name)
        reply = replies.READERS[served.task](response.content)
        if reply.model is not None and reply.model != name:
            cause = "the gateway sends the request to another model"
            raise FailedError(f"{reply.model} responded, not {name}", cause, self._commands("drift"))
        return reply.text

    def stream(self, name: str) -> str:
        """Request a streamed response.

        Raises:
            FailedError: it is buffered, truncated, or not one of this model.
        """
        body = {"model": name, "stream": True, **replies.PROMPT}
        streamed = replies.Stream()
        with self.client.stream("POST", _CHAT, json=body) as response:
            if response.is_error:
                response.read()
            self._expect_success(response, name)
            if "content-length" in response.headers:
                response.read()
                raise FailedError(
                    "the response was not streamed: its length was known at its start",
                    "API Gateway's integration or a proxy buffers the response",
                    self._commands("drift"),
                )
            streamed.read(response.iter_bytes())
        if not streamed.done:
            raise replies.truncated(streamed, "[DONE]")
        guard = self.context.environment.api.guard
        # A guard checks a short response as a whole.
        return streamed.describe(1 if guard is not None and "output" in guard.sources else 2)

    def expect(self, name: str, model: Model, expectation: Expectation) -> str:
        """Check that the model's answer is the expected one.

        Raises:
            FailedError: it is not.
            NotRunError: the key may not use the model.
        """

        def send(body: dict[str, Any]) -> bytes:
            return self.patiently(lambda: self._send(name, body))

        verdict = expectations.judge_one(model, expectation, send)
        if not verdict.ok:
            cause = (
                "a new expectation may ask too much of the model; "
                "otherwise another model responds, or its weights or options have changed"
            )
            detail = f"{verdict.detail}, to {expectations.excerpt_of(expectation)}"
            raise FailedError(detail, cause, self._commands(f"chat --model {name}"))
        return verdict.detail

    def patiently(self, action: Callable[[], T]) -> T:
        """The result of an action, repeated once the key has tokens again.

        Raises:
            NotRunError: it has none within the time limit of a check.
        """
        deadline = time.monotonic() + (self.client.timeout.read or 0)
        while True:
            try:
                return action()
            except OutOfTokensError as error:
                if time.monotonic() + error.seconds >= deadline:
                    raise
                self.context.console.line(f"waiting until the key {self.key_name} has tokens again …")
                time.sleep(error.seconds)

    def measure(self, name: str, model: Model, *, streams: bool) -> Times:
        """Measure a request.

        Args:
            name: the model's name.
            model: the model.
            streams: whether to request a stream.

        Raises:
            FailedError: it fails.
            NotRunError: the key may not use the model.
        """
        objectives, expect_success = model.objectives, partial(self._expect_success, name=name)
        if objectives is None:
            raise NotRunError("the environment file declares no objectives")
        if not model.supports("text"):
            task: Task = "embedding" if model.supports("embedding") else "ranking"
            members = {"embedding": {"input": objectives.prompt}, "ranking": {"query": objectives.prompt}}
            request = {"model": name, **replies.REQUESTS[task], **members[task]}
            return whole(self.client, _PATHS[task], request, expect_success)
        message = {"role": "user", "content": objectives.prompt}
        ceiling = model.limits.max_tokens_ceiling or objectives.max_tokens
        body = {
            "model": name,
            "messages": [message],
            "max_tokens": min(objectives.max_tokens, ceiling),
            "temperature": 0,
        }
        return (streamed if streams else whole)(self.client, _CHAT, body, expect_success)

    def _send(self, name: str, body: dict[str, Any]) -> bytes:
        path = _PATHS["embedding" if "input" in body else "text"]
        response = self.client.post(path, json={"model": name, **body})
        if causes.code_of(response) != "content_filter":
            self._expect_success(response, name)
        return response.content

    def unknown_model(self) -> str:
        """Check that a request for an unknown model is refused.

        Raises:
            FailedError: it is not, or not as documented.
        """
        content = json.dumps({"model": _UNKNOWN_MODEL, **replies.PROMPT}).encode()
        return self._refused(content, 404, "model_not_found")

    def invalid_json(self) -> str:
        """Check that a request that is not JSON is refused.

        Raises:
            FailedError: it is not, or not as documented.
        """
        return self._refused(b'{"model": ', 400, None)

    def too_many_tokens(self, name: str, ceiling: int) -> str:
        """Check that a request for more tokens than the model's ceiling is refused.

        Raises:
            FailedError: it is not, or not as documented.
            NotRunError: the key may not use the model.
        """
        content = json.dumps({"model": name, **replies.PROMPT, "max_tokens": ceiling + 1}).encode()
        return self._refused(content, 400, None, name)

    def _refused(self, content: bytes, status: int, code: str | None, name: str | None = None) -> str:
        response = self.client.post(_CHAT, content=content, headers={"content-type": "application/json"})
        if name is not None:
            self._require_usable(response, name)
        if response.status_code == status and causes.code_of(response) == code:
            return f"HTTP {status}"
        if response.status_code < 400:
            cause = "the gateway function runs other code, or does not validate requests"
            detail = f"HTTP {response.status_code} instead of {status}"
            raise FailedError(detail, cause, self._commands("drift"))
        failure = causes.of_response(response, self.context.environment)
        failure.detail = f"{failure.detail}, instead of {status}"
        raise failure

    def _expect_success(self, response: httpx.Response, name: str) -> None:
        if response.status_code != 200:
            self._require_usable(response, name)
            raise causes.of_response(response, self.context.environment, name)
        fallback = response.headers.get("x-fallback-model")
        if fallback is not None:
            cause = "the endpoint has no capacity, or the gateway calls another one"
            detail = f"the fallback {fallback} responded, not {name}"
            raise FailedError(detail, cause, self._commands("status"))

    def _require_usable(self, response: httpx.Response, name: str) -> None:
        if causes.code_of(response) == "model_not_allowed" and self._excluded(name):
            raise NotRunError(f"the usage plan of the key {self.key_name} excludes the model")
        if causes.code_of(response) == "insufficient_quota":
            # It says nothing about the deployment, and lasts until the end of the month.
            raise NotRunError(f"the budget of the key {self.key_name} is used up")
        seconds = causes.seconds_without_tokens(response)
        if seconds is not None:
            raise OutOfTokensError(f"the tokens per minute of the key {self.key_name} are used up", seconds)

    def _excluded(self, name: str) -> bool:
        api = self.context.environment.api
        plan = api.plans.get(api.key_plans.get(self.key_name, DEFAULT_KEY))
        return plan is not None and plan.models is not None and name not in plan.models
