"""Application Auto Scaling in one region: alarms and the clock change capacities."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from datetime import datetime

from toolkit.local.autoscaling.capacity import Scaler, Variants
from toolkit.local.autoscaling.models import Target, Targets
from toolkit.local.autoscaling.policies import Policies
from toolkit.local.autoscaling.schedules import Schedule
from toolkit.local.awsapi import Members
from toolkit.local.cloudwatch.alarms import Firing
from toolkit.local.cloudwatch.service import Metrics
from toolkit.local.timescale import scaled

# Schedules are in real time, not scaled.
_POLL_SECONDS = 1.0


class Scheduler:
    """Performs scheduled actions when they are due.

    Args:
        targets: all targets with their actions.
        perform: performs an action of a target.
    """

    def __init__(
        self, targets: Callable[[], Iterable[Target]], perform: Callable[[Target, Members], None]
    ) -> None:
        self._targets = targets
        self._perform = perform
        # The last time of each action, by its ARN.
        self._performed_at: dict[str, float] = {}

    async def run(self) -> None:
        """Perform the actions that are due, until cancelled."""
        last = time.time()
        while True:
            await asyncio.sleep(_POLL_SECONDS)
            now = time.time()
            for target in self._targets():
                for action in list(target.schedules.values()):
                    if self._is_due(action, last, now):
                        self._performed_at[action["ScheduledActionARN"]] = now
                        self._perform(target, action)
            last = now

    def _is_due(self, action: Members, last: float, now: float) -> bool:
        if not action.get("StartTime", 0) <= now <= action.get("EndTime", now):
            return False
        schedule = Schedule.of(action["Schedule"], action.get("Timezone"))
        if schedule.at is not None:
            return last < schedule.at.timestamp() <= now
        if schedule.every is not None:
            started_at: float = action.get("StartTime") or action["CreationTime"]
            return now >= self._performed_at.get(action["ScheduledActionARN"], started_at) + scaled(
                schedule.every
            )
        # The minutes that began since the last check; more than one if the machine slept.
        minutes = range(int(last // 60) + 1, int(now // 60) + 1)
        moments = (datetime.fromtimestamp(minute * 60, schedule.zone) for minute in minutes)
        return schedule.cron is not None and any(schedule.cron.matches(moment) for moment in moments)


class Region:
    """A region; create it in the event loop, because it starts its scheduler."""

    def __init__(self, name: str, variants: Variants, metrics: Metrics) -> None:
        self.name = name
        self.targets = Targets(name)
        self.scaler = Scaler(name, variants)
        self._policies = Policies(self.scaler, metrics)
        self._clock = asyncio.create_task(Scheduler(lambda: self.targets, self._perform).run())

    async def stop(self) -> None:
        """Cancel all work."""
        self._clock.cancel()
        await asyncio.wait([self._clock])
        await self.scaler.stop()

    def register(self, request: Members) -> Target:
        """Create or update a target, and apply its bounds.

        Raises:
            ApiError: see `Targets.register`.
        """
        target = self.targets.register(request)
        self.scaler.apply_bounds(target)
        return target

    def on_alarm(self, firing: Firing) -> None:
        """Apply the policy that an alarm triggers."""
        for target in self.targets:
            for policy in list(target.policies.values()):
                if policy["PolicyARN"] == firing.action:
                    self._policies.apply(target, policy, firing)

    def _perform(self, target: Target, action: Members) -> None:
        """Perform a scheduled action."""
        if target.members["SuspendedState"]["ScheduledScalingSuspended"]:
            return
        bounds = action.get("ScalableTargetAction", {})
        target.members |= {name: bounds[name] for name in ("MinCapacity", "MaxCapacity") if name in bounds}
        self.scaler.apply_bounds(
            target, f"scheduled action name {action['ScheduledActionName']} was triggered, "
        )
