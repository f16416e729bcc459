"""Record the timeline of a rollout: what SageMaker reports meanwhile, and the history of its alarms."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from toolkit import documents
from toolkit.aws import endpoints
from toolkit.aws.access import AwsAccess
from toolkit.aws.errors import explain
from toolkit.deployment.rollout import status
from toolkit.report.rollout import AlarmState, Fleet, Moment, Recording, Timeline

if TYPE_CHECKING:
    from toolkit.aws.endpoints import Description

# Statuses that a stage makes superfluous.
_USUAL = ("Creating", "Updating")


@dataclass(frozen=True)
class _State:
    stateValue: str = ""  # noqa: N815 - CloudWatch's name


@dataclass(frozen=True)
class _HistoryData:
    """An item of an alarm's history, as far as this module uses it."""

    newState: _State = field(default_factory=_State)  # noqa: N815 - CloudWatch's name


class Recorder:
    """Records the endpoints that one apply changes.

    Attributes:
        release: the release that it recorded, in words; None without one.
    """

    def __init__(self) -> None:
        self.release: str | None = None
        self._access: AwsAccess | None = None
        self._names: dict[str, str] = {}
        self._moments: dict[str, list[Moment]] = {}
        self._alarms: dict[str, list[str]] = {}
        self._rollbacks: dict[str, list[float]] = {}
        self._since: datetime | None = None
        self._start = 0.0

    def start(self, access: AwsAccess, names: Mapping[str, str]) -> None:
        """Begin; a second rollout of the same apply, such as a rollback, continues the first.

        Args:
            access: the account.
            names: endpoint names by model.
        """
        if self._since is None:
            self._since, self._start = access.now(), time.monotonic()
        else:
            for model in names:
                self._rollbacks.setdefault(model, []).append(time.monotonic() - self._start)
        self._access = access
        self._names |= names

    def observe(self, model: str, endpoint: Description) -> None:
        """Record a description, if it differs from the one before."""
        moments = self._moments.setdefault(model, [])
        stage, fleets = _stage(endpoint), tuple(_fleets(endpoint))
        if not moments or (moments[-1].stage, moments[-1].fleets) != (stage, fleets):
            moments.append(Moment(time.monotonic() - self._start, stage, fleets))
        settings: Any = endpoint.get("LastDeploymentConfig") or {}
        alarms = settings.get("AutoRollbackConfiguration", {}).get("Alarms") or []
        if alarms:
            self._alarms[model] = [alarm["AlarmName"] for alarm in alarms]

    def recording(self) -> Recording:
        """The rollouts until now."""
        return Recording(None if self._since is None else self._start, tuple(self.timelines()))

    def timelines(self) -> list[Timeline]:
        """The timeline of each model whose endpoint was seen, until now."""
        if self._access is None:
            return []
        timelines = []
        for model, name in self._names.items():
            note, alarms = None, []
            try:
                endpoint = endpoints.describe(self._access, name)
                if endpoint is not None:
                    self.observe(model, endpoint)
                alarms = [state for alarm in self._alarms.get(model, ()) for state in self._history(alarm)]
            except (ClientError, BotoCoreError) as error:
                note = f"cannot read the end of the rollout: {explain(error) or error}"
            moments = tuple(self._moments.get(model, ()))
            if moments:
                ordered = tuple(sorted(alarms, key=lambda state: state.seconds))
                rollbacks = tuple(self._rollbacks.get(model, ()))
                timelines.append(Timeline(model, name, moments, ordered, note, rollbacks))
        return timelines

    def _history(self, alarm: str) -> Iterator[AlarmState]:
        """The changes of an alarm's state since the start."""
        if self._access is None or self._since is None:
            return
        pages = self._access.cloudwatch.get_paginator("describe_alarm_history").paginate(
            AlarmName=alarm, HistoryItemType="StateUpdate", StartDate=self._since, ScanBy="TimestampAscending"
        )
        for item in (item for page in pages for item in page["AlarmHistoryItems"]):
            try:
                state = documents.parse(item["HistoryData"], _HistoryData).newState.stateValue
            except documents.DamagedError:
                continue  # the other items may be readable
            yield AlarmState(max((item["Timestamp"] - self._since).total_seconds(), 0), alarm, state)


def _stage(endpoint: Description) -> str:
    words = status.stages(endpoint)
    if endpoint["EndpointStatus"] in _USUAL and words:
        return ", ".join(words)
    return ", ".join([endpoint["EndpointStatus"], *words])


def _fleets(endpoint: Description) -> Iterator[Fleet]:
    pending = endpoint.get("PendingDeploymentSummary")
    share = status.new_fleet_share(endpoint)
    serving = 0 if endpoint["EndpointStatus"] in ("Creating", "Failed") else 100 - share
    yield Fleet(endpoint["EndpointConfigName"], _instances(endpoint.get("ProductionVariants")), serving)
    if pending is not None:
        yield Fleet(pending["EndpointConfigName"], _instances(pending.get("ProductionVariants")), share)


def _instances(variants: Any) -> int:
    return sum(variant.get("CurrentInstanceCount") or 0 for variant in variants or ())
