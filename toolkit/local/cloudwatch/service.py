"""CloudWatch metrics and alarms as a service of the cloud."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from starlette.routing import BaseRoute

from toolkit.local import deferred
from toolkit.local.cloudwatch import alarms, responses
from toolkit.local.cloudwatch.models import Metric, Sample
from toolkit.local.service import ACCOUNT_ID
from toolkit.local.status import Item

if TYPE_CHECKING:
    from moto.cloudwatch.models import Alarm


# CloudWatch's limit on the values of one metric in a line.
_MAX_EMBEDDED_VALUES = 100


class Metrics:
    """CloudWatch metrics and alarms; moto's API reads them from here.

    Other services publish with `put` and register alarm actions with `on_action`.
    """

    def __init__(self) -> None:
        self._stores = responses.Stores()
        self._alarms = alarms.Alarms(self._stores)
        self._work: asyncio.Task[None] | None = None
        self.on_action(alarms.TOPIC_PREFIX, alarms.notify_topic)

    def put(  # noqa: PLR0913, PLR0917 the members of a value in CloudWatch
        self,
        region: str,
        namespace: str,
        name: str,
        value: float,
        unit: str,
        dimensions: Sequence[Mapping[str, str]],
    ) -> None:
        """Publish a value, with the present time. May be called from any thread.

        Args:
            unit: CloudWatch's name, such as `Count`, `Microseconds` or `None`.
            dimensions: sets of dimensions (name → value); each set is a separate metric.
        """
        sample = Sample(time.time(), float(value), unit)

        def store() -> None:
            for pairs in dimensions:
                metric = Metric(namespace, name, frozenset(pairs.items()))
                self._stores[ACCOUNT_ID, region].put(metric, [sample])

        deferred.later(store)

    def put_embedded(self, region: str, line: str) -> None:
        """Publish the metrics that a log line holds in CloudWatch's embedded metric format, if it does."""
        if '"_aws"' not in line:
            return
        try:
            fields = json.loads(line)
            directives = fields["_aws"]["CloudWatchMetrics"]
        except (ValueError, LookupError, TypeError):
            return
        for directive in directives if isinstance(directives, list) else []:
            dimensions = [
                {name: str(fields[name]) for name in names}
                for names in directive.get("Dimensions") or [[]]
                if all(name in fields for name in names)
            ]
            for metric in directive.get("Metrics", []):
                name, unit = str(metric["Name"]), str(metric.get("Unit", "None"))
                for value in _values(fields.get(name)):
                    self.put(region, str(directive["Namespace"]), name, value, unit, dimensions)

    def alarm_state(self, region: str, name: str) -> str | None:
        """`OK`, `ALARM` or `INSUFFICIENT_DATA`; None if the alarm does not exist."""
        alarm = alarms.find(region, name)
        return alarm.state_value if alarm else None

    def datapoints(self, region: str, name: str) -> list[float]:
        """An alarm's current datapoints, oldest first; empty if the alarm does not exist."""
        return self._alarms.datapoints(region, name)

    async def wait_for_alarm(self, region: str, names: Collection[str]) -> tuple[str, str]:
        """Wait until one of the alarms is in the ALARM state; return its name and the state's reason."""
        alarm = await self._alarms.wait_for(region, names)
        return alarm.name, alarm.state_reason

    def on_action(self, prefix: str, action: alarms.Action) -> None:
        """Register a handler for alarm actions whose ARN begins with `prefix`.

        Args:
            action: called in the event loop when an alarm enters the action's state, and for scaling
                policies again every minute on AWS while it stays in that state.
        """
        self._alarms.on_action(prefix, action)

    def routes(self) -> Sequence[BaseRoute]:
        """See `toolkit.local.service.Service`."""
        return []

    async def start(self) -> None:
        """See `toolkit.local.service.Service`."""
        loop = asyncio.get_running_loop()

        def changed() -> None:
            loop.call_soon_threadsafe(self._alarms.changed)

        def transition(alarm: Alarm, previous: str) -> None:
            loop.call_soon_threadsafe(self._alarms.transition, alarm, previous)

        responses.apply(self._stores, changed, transition)
        self._work = asyncio.create_task(self._alarms.run())

    async def stop(self) -> None:
        """See `toolkit.local.service.Service`."""
        if self._work is not None:
            self._work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._work

    def status(self) -> Iterable[Item]:
        """See `toolkit.local.service.Service`."""
        return []


def _values(value: object) -> Iterator[float]:
    values = value if isinstance(value, list) else [value]
    for item in values[:_MAX_EMBEDDED_VALUES]:
        if isinstance(item, int | float) and not isinstance(item, bool):
            yield float(item)
