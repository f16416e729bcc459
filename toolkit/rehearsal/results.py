"""The result of a rehearsal.

All times are seconds of the embedded cloud since the start of the apply, negative before it. `aws_seconds`
converts them: waits of a rollout are shorter in the embedded cloud, work takes as long as it takes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal

from toolkit.report.rollout import Timeline
from toolkit.serving.stand_in import StandIn

# Exit codes of `plan` and `apply` in words.
OUTCOMES: Mapping[int, str] = {
    0: "the change is serving",
    1: "unexpected error",
    2: "invalid input",
    3: "a policy forbids the change",
    4: "the account is not ready",
    5: "Terraform failed",
    6: "the rollout is not healthy, or was rolled back",
    7: "the smoke test failed",
    8: "drift",
    9: "the state is locked, or the plan is stale",
    130: "interrupted",
}


@dataclass(frozen=True)
class Revision:
    """A version of the environment.

    Attributes:
        kind: where it is from; "nothing" is an account without the environment.
        description: in words, such as "merge base with origin/main".
        commit: its commit; None if it has none.
        uncommitted: whether it has changes that are not in the commit.
    """

    kind: Literal["nothing", "commit", "release", "working tree"]
    description: str
    commit: str | None = None
    uncommitted: bool = False

    def __str__(self) -> str:
        commit = f"commit {self.commit[:12]}" if self.commit else ""
        details = ", ".join(filter(None, [commit, "uncommitted changes" if self.uncommitted else ""]))
        return f"{self.description} ({details})" if details else self.description


@dataclass(frozen=True)
class Step:
    """A command of the rehearsal.

    Attributes:
        name: "account", "base", "account of the change", "plan" or "apply".
        command: the command line.
        start: when it began.
        seconds: its duration.
        exit_code: its exit code.
        error: its error message with the remedy; empty without one.
    """

    name: str
    command: str
    start: float
    seconds: float
    exit_code: int
    error: str = ""


@dataclass(frozen=True)
class DeniedAction:
    """An action that IAM denied.

    Attributes:
        principal: ARN of the caller: the deployer, or a role of the environment.
        action: such as `sagemaker:CreateEndpoint`.
        resource: ARN, or `*`.
        reason: the end of AWS's message.
        count: number of denied requests.
        step: name of the step during which it was denied first.
        policies: deployer policies that grant the action on some resource.
    """

    principal: str
    action: str
    resource: str
    reason: str
    count: int
    step: str
    policies: tuple[str, ...] = ()


@dataclass(frozen=True)
class Request:
    """A request of the load on the API.

    Attributes:
        start: when it was sent.
        seconds: until the end of its response.
        model: the requested model.
        status: HTTP status; None without a response.
        error: why it failed; None if it succeeded.
        release: what responded, as the response's `system_fingerprint` names it; None if it names nothing.
    """

    start: float
    seconds: float
    model: str
    status: int | None = None
    error: str | None = None
    release: str | None = None


@dataclass(frozen=True)
class Instances:
    """The instances of one type.

    Attributes:
        instance_type: such as `ml.g6.2xlarge`.
        before: number before the apply.
        peak: highest number during the apply.
        after: number after the apply.
        dollars_per_hour: price of one; None if unknown.
        price_source: source and date of the price.
    """

    instance_type: str
    before: int
    peak: int
    after: int
    dollars_per_hour: float | None = None
    price_source: str = ""


@dataclass(frozen=True)
class Verdict:
    """The result that an apply would have.

    Attributes:
        exit_code: of `toolkit plan` if it fails, otherwise of `toolkit apply`.
        step: name of the step that failed; None if all succeeded.
        error: its error message; empty if all succeeded.
    """

    exit_code: int
    step: str | None = None
    error: str = ""

    @property
    def outcome(self) -> str:
        """The exit code in words."""
        return OUTCOMES.get(self.exit_code, f"exit code {self.exit_code}")


@dataclass(frozen=True)
class Rehearsal:
    """A finished rehearsal.

    Attributes:
        environment: its name.
        region: its region.
        account_id: its account.
        started_at: UTC, ISO 8601.
        base: what was deployed first.
        change: what was planned and applied then.
        time_scale: seconds of the embedded cloud per second on AWS, for waits.
        stand_in: how the engines of the change behaved.
        verdict: the result.
        steps: the commands, in their order.
        seconds: duration of the plan's apply; 0 if it was not reached.
        rollouts: intervals during which endpoints changed, in their order, without overlaps.
        timelines: the rollout of each model whose endpoint changed.
        denied: actions that IAM denied.
        requests: the load on the API, in the order of their starts.
        skipped_requests: requests that were not sent, because too many others waited for their response.
        instances: the instances by type.
    """

    environment: str
    region: str
    account_id: str
    started_at: str
    base: Revision
    change: Revision
    time_scale: float
    stand_in: StandIn
    verdict: Verdict
    steps: tuple[Step, ...] = ()
    seconds: float = 0.0
    rollouts: tuple[tuple[float, float], ...] = ()
    timelines: tuple[Timeline, ...] = ()
    denied: tuple[DeniedAction, ...] = ()
    requests: tuple[Request, ...] = ()
    skipped_requests: int = 0
    instances: tuple[Instances, ...] = field(default=())

    def aws_seconds(self, seconds: float) -> float:
        """A time on AWS's clock: the waits of rollouts last longer there."""
        stretched = sum(max(min(end, seconds) - start, 0.0) for start, end in self.rollouts)
        return seconds + stretched * (1 / self.time_scale - 1)

    @property
    def aws_duration(self) -> float:
        """Expected duration of the apply on AWS, in seconds."""
        return self.aws_seconds(self.seconds)

    @property
    def peak_dollars_per_hour(self) -> float | None:
        """Price of the peak, with every type at its own peak; None if a price is unknown."""
        prices = [(item.peak, item.dollars_per_hour) for item in self.instances if item.peak]
        if any(price is None for _, price in prices):
            return None
        return sum(count * (price or 0.0) for count, price in prices)

    def to_json(self) -> str:
        """The output of `rehearse --json`."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False)
