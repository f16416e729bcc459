"""Quality gates: ask the new fleet what a model must answer, while SageMaker can still roll back.

No request can choose the fleet: TargetVariant names a variant, and both fleets have the same
("Exclusions" of its deployment guardrails). So requests are repeated until the new fleet responds, which its
name for the model shows; without such a name, it is asked once it has all traffic. ADR 37 has the sources.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from toolkit.aws.access import AwsAccess
from toolkit.deployment.rollout import status
from toolkit.deployment.rollout.judgement import FAILURES, Finding, Fleet, Judge, Judgement
from toolkit.environment import Environment, Model, endpoint_name
from toolkit.environment.rollout import (
    MAX_WAIT,
    METRICS_EVERY_SECONDS,
    AllAtOnce,
    quality_namespace,
)
from toolkit.errors import RolloutError
from toolkit.serving.engines import ENGINES

if TYPE_CHECKING:
    from toolkit.aws.endpoints import Description

METRIC = "FailedExpectations"
# The variables that name a container's model in its responses. TGI has none, and TEI's responses no name.
_SERVED_NAMES = (
    *(ENGINES[name].variable(ENGINES[name].served_name or "") for name in ("llama_cpp", "vllm", "lmi")),
    "OPENAI_MODEL",  # of the embedded cloud's forwarder, which sends it to the server
)


class QualityError(RolloutError):
    """The new release serves, but does not meet its expectations."""


@dataclass
class Gate:
    """The quality gate of one model during one apply.

    Attributes:
        access: the account.
        namespace: of the metric.
        model: the model.
        endpoint: its endpoint.
        judge: asks and judges.
        error: why it could not ask the new fleet or publish the result at the last poll; None if it could.
        late: why a part of the traffic was not enough for a verdict, and what to do; None if it was.
    """

    access: AwsAccess
    namespace: str
    model: Model
    endpoint: str
    judge: Judge
    _judgements: dict[tuple[str, bool], Judgement] = field(default_factory=dict)
    _served_names: dict[str, Mapping[str, str | None]] = field(default_factory=dict)
    error: Exception | None = None
    late: str | None = None

    def observe(self, endpoint: Description) -> str:
        """Ask the new fleet once it gets traffic, and publish the number of failed expectations.

        Called at each poll during an update. Returns the progress in words.
        """
        if endpoint["EndpointStatus"] == "RollingBack":
            self.stop()
        pending, share = endpoint.get("PendingDeploymentSummary"), status.new_fleet_share(endpoint)
        if pending is None or endpoint["EndpointStatus"] != "Updating":
            return self.progress()
        configuration, complete = pending["EndpointConfigName"], share == 100
        try:
            if share and (configuration, complete) not in self._judgements:
                fleet = self._new_fleet(endpoint.get("EndpointConfigName", ""), configuration, share / 100)
                if fleet is not None:
                    if complete and fleet.is_known_by_name:
                        self.late = self._lateness(configuration)
                    self._stop(keep=complete)
                    self._judgements[configuration, complete] = self._start(fleet)
            # From the start of the update, since CloudWatch may show a new metric only after minutes.
            self._publish(configuration, len(self.failed))
            self.error = None
        except (ClientError, BotoCoreError) as error:
            self.error = error
        return self.progress()

    @property
    def failed(self) -> list[Finding]:
        """The expectations that are not met, of each part of the rollout."""
        return [finding for judgement in self._judgements.values() for finding in judgement.failed]

    @property
    def has_judged(self) -> bool:
        """Whether it has asked a fleet."""
        return bool(self._judgements)

    def progress(self) -> str:
        """The number of expectations met, in words; empty before the new fleet is asked."""
        if self.error is not None:
            return f"quality unknown ({type(self.error).__name__})"
        if not self._judgements:
            return ""
        judgement = list(self._judgements.values())[-1]
        met = len([finding for finding in judgement.findings if finding.met])
        failed = f", {len(self.failed)} failed" if self.failed else ""
        count = judgement.responses
        responses = f", {count} answer{'' if count == 1 else 's'} of the new fleet"
        return f"{met} of {judgement.total} expectations met{failed}{responses}"

    def stop(self) -> None:
        """Ask no more."""
        for judgement in self._judgements.values():
            judgement.stop()

    def conclude(self, configuration: str, variants: Sequence[str]) -> str:
        """Judge a configuration that serves, as far as that has not happened during its rollout.

        Returns:
            The result in words.

        Raises:
            QualityError: an expectation is not met.
        """
        judgement = self._judgements.get((configuration, True))
        if judgement is not None:
            judgement.wait()
        if judgement is None or not judgement.is_complete:
            judgement = self._start(Fleet(self.endpoint, dict.fromkeys(variants)))
            judgement.wait()
            self._judgements[configuration, True] = judgement
        if judgement.errors:
            raise judgement.errors[0]
        if not judgement.is_complete:
            raise AssertionError("a judgement without an error is complete")
        if self.failed:
            raise QualityError(
                f"endpoint {self.endpoint} serves {configuration}, which does not meet its expectations",
                details=[
                    *(f"expectation {finding}" for finding in self.failed),
                    *([self.late] if self.late is not None else []),
                ],
            )
        return f"{judgement.total} expectation{'' if judgement.total == 1 else 's'} met"

    def _lateness(self, configuration: str) -> str | None:
        """See `late`; the fleet has just got all of the traffic."""
        rollout, part = self.model.rollout, self._judgements.get((configuration, False))
        if rollout is None or isinstance(rollout, AllAtOnce) or (part and (part.is_complete or part.failed)):
            return None
        responses = part.responses if part else 0
        reason = "no verdict before all traffic had shifted: the new fleet gave"
        if part is None or not responses:
            return f"{reason} no answer; raise wait_seconds or percent"
        # The wait was long enough for these responses; an expectation fails after four. Then, the metric has
        # to arrive, and its alarm evaluates it.
        needed = part.total * FAILURES
        steps = len(rollout.waits) - 1
        seconds = math.ceil(rollout.wait_seconds * needed / responses + 2 * METRICS_EVERY_SECONDS / steps)
        remedy = f"set wait_seconds to at least {seconds}"
        if seconds > MAX_WAIT:
            remedy = f"{seconds} wait_seconds would do, and {MAX_WAIT} is the maximum: raise percent"
        return f"{reason} {responses} of up to {needed} answers; {remedy}"

    def _stop(self, *, keep: bool) -> None:
        """Stop the judgements of other parts of the rollout."""
        for (_, complete), judgement in self._judgements.items():
            if complete != keep:
                judgement.stop()

    def _start(self, fleet: Fleet) -> Judgement:
        return Judgement(self.access, self.model, fleet, self.judge)

    def _new_fleet(self, old: str, new: str, share: float) -> Fleet | None:
        """The fleet to ask; None if its responses do not differ from those of the old one."""
        fleet = Fleet(self.endpoint, self._names(new), self._names(old), share)
        return fleet if share == 1 or fleet.is_known_by_name else None

    def _names(self, configuration: str) -> Mapping[str, str | None]:
        """The name of the model in the responses of each variant."""
        if configuration not in self._served_names:
            sagemaker = self.access.sagemaker
            variants = sagemaker.describe_endpoint_config(EndpointConfigName=configuration)
            self._served_names[configuration] = {
                variant["VariantName"]: _served_name(sagemaker.describe_model(ModelName=variant["ModelName"]))
                for variant in variants["ProductionVariants"]
            }
        return self._served_names[configuration]

    def _publish(self, configuration: str, failed: int) -> None:
        dimensions = {"EndpointName": self.endpoint, "EndpointConfigName": configuration}
        self.access.cloudwatch.put_metric_data(
            Namespace=self.namespace,
            MetricData=[
                {
                    "MetricName": METRIC,
                    "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
                    "Value": failed,
                    "Unit": "Count",
                }
            ],
        )


def _served_name(model: Mapping[str, Any]) -> str | None:
    environment = model.get("PrimaryContainer", {}).get("Environment", {})
    return next((environment[name] for name in _SERVED_NAMES if environment.get(name)), None)


@contextmanager
def gates(access: AwsAccess, environment: Environment, judge: Judge | None) -> Iterator[dict[str, Gate]]:
    """The gates of the models that have one, by model, until the block ends; none without a judge."""
    namespace = quality_namespace(environment.prefix)
    models = environment.models if judge is not None else {}
    gates = {
        name: Gate(access, namespace, model, endpoint_name(environment.prefix, name), judge)
        for name, model in models.items()
        if judge is not None and model.rollout is not None and model.rollout.quality
    }
    try:
        yield gates
    finally:
        for gate in gates.values():
            gate.stop()
