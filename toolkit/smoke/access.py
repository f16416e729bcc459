"""Access to the API: the caller's credentials, refused requests, and the usage plan."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx

from toolkit import documents, keys
from toolkit.deployment.context import Context
from toolkit.deployment.outputs import Outputs
from toolkit.keys.client import anonymous, attempts, authorized
from toolkit.keys.rotation import PROPAGATION_SECONDS
from toolkit.keys.store import DEFAULT_KEY, CurrentKey
from toolkit.smoke import causes
from toolkit.smoke.causes import Commands
from toolkit.smoke.results import FailedError, NotRunError

# A key to test with, instead of reading the key `default`.
KEY_VARIABLE = "TOOLKIT_API_KEY"
# Not a key of the toolkit, whose values end in 40 letters and digits.
_WRONG_KEY = "sk-smoke-test-of-a-wrong-key"
# How long an old key may be refused: a response may be lost, but the key is known everywhere.
_OLD_KEY_SECONDS = 3.0
_INTERVAL_SECONDS = 0.5
_REFUSED = (401, 403)
# API Gateway's error type if an authorizer refuses a request; it has another one for an unknown key.
_BY_AUTHORIZER = ("x-amzn-errortype", "UnauthorizedException")


@dataclass(frozen=True)
class _Model:
    id: str


@dataclass(frozen=True)
class ModelList:
    """The response to the first request, as far as this module uses it."""

    data: tuple[_Model, ...]


@dataclass
class Access:
    """The API with the caller's credentials, read and tried once.

    Attributes:
        context: the environment.
        outputs: what is deployed.
        seconds: how long to wait until the API accepts a new key.
    """

    context: Context
    outputs: Outputs
    seconds: float
    _clients: dict[bool, httpx.Client] = field(default_factory=dict)
    _response: httpx.Response | None = None
    _key: CurrentKey | None = field(default=None, repr=False)

    @property
    def secret(self) -> str | None:
        """The value of the key, which no output may contain."""
        return self._key.value if self._key else None

    @property
    def key_name(self) -> str:
        """The name of the key, which is a part of its value."""
        match = re.fullmatch(r"sk-(.+)-[A-Za-z0-9]{40}", os.environ.get(KEY_VARIABLE, ""))
        return match[1] if match else DEFAULT_KEY

    @property
    def _commands(self) -> Commands:
        return Commands(self.context.environment)

    @property
    def _signs(self) -> bool:
        return self.context.environment.api.auth == "iam"

    def client(self, *, repeats: bool = True) -> httpx.Client:
        """A client with the caller's credentials.

        Args:
            repeats: whether it repeats requests that the API asks to repeat.

        Raises:
            FailedError: the key is missing or disabled.
        """
        if repeats not in self._clients:
            context = self.context
            if not self._signs and self._key is None:
                self._key = self._read_key()
            self._clients[repeats] = authorized(
                context.access,
                context.environment,
                self.outputs.api_base_url,
                self.secret,
                timeout=self.seconds,
                **({} if repeats else {"kind": httpx.Client}),
            )
        return self._clients[repeats]

    def close(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            client.close()

    def response(self) -> httpx.Response:
        """The response to the first request, for the list of models, once a new key has propagated.

        Raises:
            FailedError: the key is missing or disabled.
        """
        if self._response is None:
            client = self.client()
            self._response = client.get("models")
            if self._key is not None:
                self._response = self._wait(client, self._key, self._response)
        return self._response

    def request_id(self) -> str:
        """The id of the first request.

        Raises:
            FailedError: it has not reached the gateway function.
        """
        response = self.response()
        if causes.REQUEST_ID not in response.headers:
            raise self._refusal(response)
        return response.headers[causes.REQUEST_ID]

    def reachable(self) -> str:
        """Check that API Gateway answers; the path needs no credentials and invokes no function.

        Raises:
            FailedError: it does not answer, or another server does.
        """
        with anonymous(self.context.access, self.outputs.api_base_url, timeout=self.seconds) as api:
            response = api.get("../healthz")
        if response.status_code != 200:
            raise causes.of_response(response, self.context.environment)
        return self.outputs.api_base_url

    def function_responds(self) -> str:
        """Check that the gateway function responds.

        Raises:
            FailedError: it fails.
            NotRunError: API Gateway refuses the request, or there are no credentials.
        """
        try:
            response = self.response()
        except FailedError as failure:
            raise NotRunError(failure.detail) from failure
        refused = causes.REQUEST_ID not in response.headers and (
            response.status_code < 500 or causes.code_of(response) == "authorizer_failure"
        )
        if response.status_code != 200 and refused:
            raise NotRunError(f"API Gateway refuses the request with {response.status_code}")
        if response.status_code != 200:
            # A repetition of this check asks again.
            self._response = None
            raise causes.of_response(response, self.context.environment)
        try:
            models = documents.parse(response.content, ModelList).data
        except documents.DamagedError as damage:
            cause = "another program responds at the API's address"
            raise FailedError(f"not a list of models: {damage}", cause, self._commands("drift")) from None
        return f"serves {', '.join(model.id for model in models)}"

    def accepted(self) -> str:
        """Check that the API accepts the caller's credentials.

        Raises:
            FailedError: it refuses them.
        """
        response = self.response()
        if response.status_code != 200:
            self._response = None
            raise self._refusal(response)
        # Of this check's own request, or of that of the check before.
        credential = "the caller's signature" if self._signs else f"the key {self.key_name}"
        return f"{credential} gets the list of models"

    def refuses_anonymous(self) -> str:
        """Check that the API refuses a request without credentials.

        Raises:
            FailedError: it does not.
        """
        return self._refused({}, "anybody may call the API")

    def refuses_wrong(self) -> str:
        """Check that the API refuses wrong credentials.

        Raises:
            FailedError: it does not.
        """
        headers = {"Authorization": f"Bearer {_WRONG_KEY}", "x-api-key": _WRONG_KEY}
        return self._refused(headers, "API Gateway does not check keys")

    def usage_plan(self) -> str:
        """Check that the key's usage plan has the limits of the environment file.

        It never uses a plan up: a customer may share it.

        Raises:
            FailedError: it was changed.
            NotRunError: the file does not contain the plan that is deployed.
        """
        name = self.context.environment.api.key_plans.get(self.key_name, DEFAULT_KEY)
        declared, plan_id = (
            self.context.environment.api.plans.get(name),
            self.outputs.usage_plan_ids.get(name),
        )
        if declared is None or plan_id is None:
            raise NotRunError(f"the environment file and the deployment differ about the usage plan {name}")
        plan = self.context.access.apigateway.get_usage_plan(usagePlanId=plan_id)
        throttle, quota = plan.get("throttle", {}), plan.get("quota", {})
        deployed = (throttle.get("rateLimit"), throttle.get("burstLimit"), quota.get("limit"))
        expected = (
            declared.rate_per_second,
            declared.burst,
            declared.quota.requests if declared.quota else None,
        )
        if deployed != expected:
            raise FailedError(
                f"usage plan {name} has rate, burst and quota {deployed}, not {expected}",
                "the environment file is not applied, or the plan was changed outside of the toolkit",
                self._commands("plan"),
            )
        limit = f", {declared.quota.requests} per {declared.quota.per}" if declared.quota else ""
        return f"{name}: {declared.rate_per_second:g} requests per second, burst {declared.burst}{limit}"

    def _refusal(self, response: httpx.Response) -> FailedError:
        failure = causes.of_response(response, self.context.environment)
        if self._key is not None and causes.code_of(response) == "invalid_api_key":
            age = time.time() - self._key.changed_at.timestamp()
            if _BY_AUTHORIZER in response.headers.items():
                failure.cause = "the authorizer function denies every request, or reads another header"
                failure.command = self._commands("drift")
            elif age < PROPAGATION_SECONDS:
                failure.cause = f"API Gateway does not know the key yet, {age:.0f} s after its creation"
            else:
                failure.cause = "API Gateway does not know the key, or its usage plan lacks this stage"
        return failure

    def _refused(self, headers: dict[str, str], cause: str) -> str:
        with anonymous(
            self.context.access, self.outputs.api_base_url, headers=headers, timeout=self.seconds
        ) as api:
            response = api.get("models")
        if response.status_code in _REFUSED:
            return f"HTTP {response.status_code}"
        if response.status_code < 400:
            raise FailedError(f"HTTP {response.status_code} instead of 401", cause, self._commands("drift"))
        raise causes.of_response(response, self.context.environment)

    def _read_key(self) -> CurrentKey:
        value = os.environ.get(KEY_VARIABLE)
        if value is not None and not re.fullmatch(r"[!-~]+", value):
            cause = f"{KEY_VARIABLE} is empty, or has a space or line break"
            raise FailedError("not an API key", cause, f"unset {KEY_VARIABLE}")
        if value is not None:
            return CurrentKey(value, True, datetime.fromtimestamp(0, UTC))
        environment_keys = keys.of(self.context.access, self.context.environment, self.outputs.usage_plan_ids)
        key = environment_keys.current(DEFAULT_KEY)
        if key is None:
            cause = "it was deleted, or removed from its usage plan"
            raise FailedError(f"no key {DEFAULT_KEY} in a usage plan", cause, self._commands("apply"))
        if not key.enabled:
            cause = "it was disabled outside of the toolkit"
            raise FailedError(f"the key {DEFAULT_KEY} is disabled", cause, self._commands("keys list"))
        return key

    def _wait(self, client: httpx.Client, key: CurrentKey, response: httpx.Response) -> httpx.Response:
        """The last response: API Gateway's servers learn of a new key one by one."""
        young = time.time() - key.changed_at.timestamp() < PROPAGATION_SECONDS
        required = attempts(self.context.environment, self.key_name) if young else 1
        # The age of a given key is unknown.
        may_be_young = young or KEY_VARIABLE in os.environ
        patience = min(self.seconds, PROPAGATION_SECONDS) if may_be_young else _OLD_KEY_SECONDS
        return _until(client, response, required, patience, self._progress)

    def _progress(self) -> None:
        self.context.console.line(f"waiting until the API accepts the key {self.key_name} …")


def _until(
    client: httpx.Client,
    response: httpx.Response,
    required: int,
    patience: float,
    waits: Callable[[], None],
) -> httpx.Response:
    """The first response after `required` accepted ones in a row, or when the patience is over."""
    deadline, accepted, waiting = time.monotonic() + patience, 0, False
    while True:
        if response.status_code not in _REFUSED:
            accepted += 1
        elif _BY_AUTHORIZER in response.headers.items() or time.monotonic() > deadline:
            return response
        else:
            accepted = 0
            if not waiting:
                waits()
            waiting = True
            time.sleep(_INTERVAL_SECONDS)
        if accepted >= required:
            return response
        response = client.get("models")
