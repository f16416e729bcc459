"""The checks of a deployment, from the inside out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from toolkit.aws import endpoints
from toolkit.deployment.context import Context
from toolkit.deployment.outputs import DeployedModel, Outputs
from toolkit.environment import Model
from toolkit.environment.expectations import Expectation
from toolkit.errors import InputError
from toolkit.keys.store import DEFAULT_KEY
from toolkit.smoke import runtime
from toolkit.smoke.access import Access
from toolkit.smoke.api import ApiChecks
from toolkit.smoke.asynchronous import RoundTrip
from toolkit.smoke.causes import Commands
from toolkit.smoke.endpoint import EndpointChecks
from toolkit.smoke.execution import Options, Step, execute
from toolkit.smoke.function import Functions, ServedModel
from toolkit.smoke.objectives import ObjectiveChecks
from toolkit.smoke.results import Check, FailedError, Layer, raise_for_failures
from toolkit.smoke.telemetry import Telemetry

# Layers that decide whether a release serves. Logs arrive later, and a fleet that has just started is slow:
# neither may roll a release back.
SERVING = frozenset(Layer) - {Layer.LOGS, Layer.OBJECTIVES}


def run(context: Context, outputs: Outputs, options: Options | None = None) -> Iterator[Check]:
    """Yield each check as it ends; after a failed one, those that need it are reported as not run.

    Args:
        context: the environment.
        outputs: the outputs of its deployment.
        options: what to check.

    Raises:
        InputError: a model in the options is not deployed.
    """
    options = options or Options()
    unknown = sorted(set(options.models) - set(outputs.models))
    if unknown:
        names = ", ".join(outputs.models)
        raise InputError(f"no model named {unknown[0]} is deployed", remedy=f"choose one of: {names}")
    smoke_test = _SmokeTest(context, outputs, options)
    try:
        for check in execute(context, smoke_test.steps(), options):
            secret = smoke_test.access.secret
            yield replace(check, detail=check.detail.replace(secret, "…")) if secret else check
    finally:
        smoke_test.access.close()


def test(context: Context, outputs: Outputs) -> list[dict[str, Any]]:
    """Check that the deployment serves, and print each check; returns them as data.

    Raises:
        SmokeTestError: a check failed.
    """
    checks = []
    # Alarms may still fire for the release before, which this one repairs.
    options = Options(only=SERVING, asynchronous="never", alarms=False)
    for check in run(context, outputs, options):
        context.console.line(check.line())
        checks.append(check)
    raise_for_failures(context.environment.name, checks)
    return [check.as_data() for check in checks]


class _SmokeTest:
    def __init__(self, context: Context, outputs: Outputs, options: Options) -> None:
        self.access = Access(context, outputs, options.timeout_seconds)
        self._context, self._outputs, self._options = context, outputs, options
        self._commands = Commands(context.environment)
        self._functions = Functions(context, outputs, options.timeout_seconds)

    def steps(self) -> Iterator[Step]:
        """All checks of the chosen models, from the inside out."""
        models = {
            name: model
            for name, model in self._outputs.models.items()
            if not self._options.models or name in self._options.models
        }
        for name, model in models.items():
            yield from self._endpoint_steps(name, model)
        for part in self._outputs.functions:
            action = partial(self._functions.check, part)
            name = f"{part} function deployed"
            yield Step(None, Layer.GATEWAY, name, action, stops="all", waits=True)
        access = self.access
        yield Step(None, Layer.GATEWAY, "API reachable", access.reachable, stops="all")
        yield Step(
            None,
            Layer.GATEWAY,
            "gateway function responds",
            access.function_responds,
            stops="all",
            waits=True,
        )
        yield from self._access_steps()
        for name, model in models.items():
            yield from self._api_steps(name, model)
        yield from self._error_steps(models)
        telemetry = Telemetry(self._context, self._outputs, self._options.timeout_seconds)
        yield Step(None, Layer.LOGS, "log", partial(self._log, telemetry), stops="none", waits=True)
        yield Step(None, Layer.LOGS, "metrics", telemetry.metrics, stops="none", waits=True)

    def _endpoint_steps(self, name: str, model: DeployedModel) -> Iterator[Step]:
        if self._outputs.paused:
            yield Step(name, Layer.ENDPOINT, "endpoint InService", partial(self._paused, model))
        else:
            checks = EndpointChecks(self._context, model, self._options.timeout_seconds)
            yield Step(name, Layer.ENDPOINT, "endpoint InService", checks.in_service, waits=True)
            if model.endpoint_type != "serverless":
                yield Step(name, Layer.ENDPOINT, "autoscaling", checks.autoscaling, waits=True)
            if model.alarm_names and self._options.alarms:
                # It reports the past, and a request tells more.
                yield Step(name, Layer.ENDPOINT, "rollout alarms", checks.alarms, stops="none")
        if model.endpoint_type == "async":
            # The API does not serve it.
            yield from self._round_trip_steps(name, model)
            return
        invoke = partial(runtime.invoke, self._context.access, model)
        yield Step(name, Layer.INVOCATION, "runtime invocation", lambda: invoke(self._served(name)))
        if self._streams(name, model):
            stream = partial(runtime.stream, self._context.access, model)
            yield Step(name, Layer.STREAMING, "runtime streaming", stream)

    def _round_trip_steps(self, name: str, model: DeployedModel) -> Iterator[Step]:
        options = self._options
        if options.asynchronous != "never":
            wake = options.asynchronous == "wake"
            trip = RoundTrip(self._context, name, model, options.timeout_seconds, wake)
            action = partial(self._round_trip, trip)
            yield Step(name, Layer.INVOCATION, "asynchronous invocation", action, waits=True)

    def _round_trip(self, trip: RoundTrip) -> str:
        return trip.run(self._served(trip.name))

    def _access_steps(self) -> Iterator[Step]:
        access = self.access
        what = "signature" if self._context.environment.api.auth == "iam" else "key"
        yield Step(None, Layer.KEYS, f"{what} accepted", access.accepted, stops="all", waits=True)
        yield Step(
            None, Layer.KEYS, f"request without {what} refused", access.refuses_anonymous, stops="none"
        )
        yield Step(None, Layer.KEYS, f"wrong {what} refused", access.refuses_wrong, stops="none")
        if what == "key":
            yield Step(None, Layer.KEYS, "usage plan", access.usage_plan, stops="none")

    def _api_steps(self, name: str, model: DeployedModel) -> Iterator[Step]:
        if model.endpoint_type == "async":
            return
        call = partial(self._patiently, lambda api: api.call(name, self._served(name)))
        yield Step(name, Layer.API, "API call", call)
        if self._streams(name, model):
            stream = partial(self._patiently, lambda api: api.stream(name))
            yield Step(name, Layer.API_STREAMING, "streamed API call", stream)
        declared = self._context.environment.models.get(name)
        if declared is not None:
            yield from self._declared_steps(name, model, declared)

    def _declared_steps(self, name: str, deployed: DeployedModel, model: Model) -> Iterator[Step]:
        """Expectations and objectives of the environment file; none prevents the others."""
        for expectation in model.expectations:
            action = partial(self._expect, name, model, expectation)
            yield Step(name, Layer.EXPECTATIONS, f"expectation {expectation.name}", action, stops="none")
        if model.objectives is None:
            return
        api = self._context.environment.api
        plan = api.plans.get(api.key_plans.get(self.access.key_name, DEFAULT_KEY))
        rates = [api.throttle.rate_per_second, *([] if plan is None else [plan.rate_per_second])]
        checks = ObjectiveChecks(
            name,
            model.objectives,
            lambda: self._measuring_api.measure(name, model, streams=self._streams(name, deployed)),
            self._options.timeout_seconds,
            1 / min(rates),
            self._commands,
        )
        for key in model.objectives.limits:
            action = partial(self._judge, checks, key)
            yield Step(name, Layer.OBJECTIVES, f"objective {key}", action, stops="none", waits=True)

    def _patiently(self, action: Callable[[ApiChecks], str]) -> str:
        api = self._api
        return api.patiently(lambda: action(api))

    def _expect(self, name: str, model: Model, expectation: Expectation) -> str:
        return self._api.expect(name, model, expectation)

    def _judge(self, checks: ObjectiveChecks, key: str) -> str:
        # Without a key, there is no sample.
        self.access.client()
        return checks.check(key)

    def _error_steps(self, models: Collection[str]) -> Iterator[Step]:
        yield Step(None, Layer.ERRORS, "unknown model refused", self._unknown_model, stops="none")
        yield Step(None, Layer.ERRORS, "invalid JSON refused", self._invalid_json, stops="none")
        for name in models:
            ceiling = self._served(name).max_tokens_ceiling
            if ceiling is not None:
                action = partial(self._too_many_tokens, name, ceiling)
                yield Step(name, Layer.ERRORS, "too many tokens refused", action)

    def _log(self, telemetry: Telemetry) -> str:
        return telemetry.log(self.access.request_id())

    def _unknown_model(self) -> str:
        return self._api.unknown_model()

    def _invalid_json(self) -> str:
        return self._api.invalid_json()

    def _too_many_tokens(self, name: str, ceiling: int) -> str:
        return self._api.too_many_tokens(name, ceiling)

    @property
    def _api(self) -> ApiChecks:
        return ApiChecks(self._context, self.access.client(), self.access.key_name)

    @property
    def _measuring_api(self) -> ApiChecks:
        """Without repetitions, which would hide errors and count as the model's time."""
        client = self.access.client(repeats=False)
        return ApiChecks(self._context, client, self.access.key_name)

    def _served(self, name: str) -> ServedModel:
        """A model in the gateway's configuration; the check of the function reports damage of it."""
        try:
            served = self._functions.models().get(name)
        except (FailedError, ClientError, BotoCoreError):
            served = None
        model = self._context.environment.models.get(name)
        if served is not None or model is None:
            return served or ServedModel()
        return ServedModel(dialect=model.dialect, capabilities=tuple(model.capabilities))

    def _streams(self, name: str, model: DeployedModel) -> bool:
        # SageMaker does not stream from serverless endpoints.
        return model.endpoint_type != "serverless" and self._served(name).task == "text"

    def _paused(self, model: DeployedModel) -> str:
        if endpoints.describe(self._context.access, model.endpoint_name) is not None:
            cause = "the environment is paused, but the endpoint was created again outside of the toolkit"
            raise FailedError(f"{model.endpoint_name} exists", cause, self._commands("drift"))
        cause = "the environment is paused, so it serves no model"
        raise FailedError("no endpoint, as a paused environment", cause, self._commands("resume"))
