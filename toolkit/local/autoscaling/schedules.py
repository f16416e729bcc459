"""Scheduled actions: when they are due, and what they do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from toolkit.local.autoscaling.cron import Schedule
from toolkit.local.autoscaling.targets import Target
from toolkit.local.timescale import scaled

Members = dict[str, Any]

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
