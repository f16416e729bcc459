"""Application Auto Scaling in one region: targets, and what moves their capacities."""

from __future__ import annotations

import asyncio

from toolkit.local.autoscaling.policies import Policies
from toolkit.local.autoscaling.scaling import Scaler
from toolkit.local.autoscaling.schedules import Scheduler
from toolkit.local.autoscaling.targets import Members, Target, Targets
from toolkit.local.autoscaling.variants import Variants
from toolkit.local.metrics.alarms import Firing
from toolkit.local.metrics.service import Metrics


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
