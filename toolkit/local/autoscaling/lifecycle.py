"""Scheduled actions: when they are due, and what they do."""

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

# Schedules name times of day and of the calendar, which are not scaled: they are looked at so often.
_LOOK_SECONDS = 1.0


class Scheduler:
    """Watches the clock for scheduled actions.

    Args:
        targets: all targets, of which each has its actions.
        perform: does an action of a target.
    """

    def __init__(
        self, targets: Callable[[], Iterable[Target]], perform: Callable[[Target, Members], None]
    ) -> None:
        self._targets = targets
        self._perform = perform
        # When an action was done the last time, for as long as it is the same action.
        self._done: dict[str, float] = {}

    async def run(self) -> None:
        """Do what is due, for ever."""
        last = time.time()
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            now = time.time()
            for target in self._targets():
                for action in list(target.schedules.values()):
                    if self._is_due(action, last, now):
                        self._done[action["ScheduledActionARN"]] = now
                        self._perform(target, action)
            last = now

    def _is_due(self, action: Members, last: float, now: float) -> bool:
        if not action.get("StartTime", 0) <= now <= action.get("EndTime", now):
            return False
        schedule = Schedule.of(action["Schedule"], action.get("Timezone"))
        if schedule.at is not None:
            return last < schedule.at.timestamp() <= now
        if schedule.every is not None:
            begun: float = action.get("StartTime") or action["CreationTime"]
            return now >= self._done.get(action["ScheduledActionARN"], begun) + scaled(schedule.every)
        # The beginnings of minutes that have passed since the last look; more than one if the machine slept.
        minutes = range(int(last // 60) + 1, int(now // 60) + 1)
        moments = (datetime.fromtimestamp(minute * 60, schedule.zone) for minute in minutes)
        return schedule.cron is not None and any(schedule.cron.matches(moment) for moment in moments)


class Region:
    """A region; made in the event loop, as it watches the clock from then on.

    Attributes:
        name: its name.
        targets: what can be scaled.
        scaler: what scales them.
    """

    def __init__(self, name: str, variants: Variants, metrics: Metrics) -> None:
        self.name = name
        self.targets = Targets(name)
        self.scaler = Scaler(name, variants)
        self._policies = Policies(self.scaler, metrics)
        self._clock = asyncio.create_task(Scheduler(lambda: self.targets, self._perform).run())

    async def stop(self) -> None:
        """End all work."""
        self._clock.cancel()
        await asyncio.wait([self._clock])
        await self.scaler.stop()

    def register(self, request: Members) -> Target:
        """Make or change a target, and move a capacity that is out of its bounds.

        Raises:
            ApiError: see `Targets.register`.
        """
        target = self.targets.register(request)
        self.scaler.bound(target)
        return target

    def act(self, firing: Firing) -> None:
        """An alarm sets a policy off."""
        for target in self.targets:
            for policy in list(target.policies.values()):
                if policy["PolicyARN"] == firing.action:
                    self._policies.act(target, policy, firing)

    def _perform(self, target: Target, action: Members) -> None:
        """Do a scheduled action."""
        if target.members["SuspendedState"]["ScheduledScalingSuspended"]:
            return
        bounds = action.get("ScalableTargetAction", {})
        target.members |= {name: bounds[name] for name in ("MinCapacity", "MaxCapacity") if name in bounds}
        self.scaler.bound(target, f"scheduled action name {action['ScheduledActionName']} was triggered, ")
