"""Use of the API by key, model and day, from the gateway's request log."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Required

from typing_extensions import TypedDict

from toolkit import documents
from toolkit.aws import logs
from toolkit.deployment import outputs
from toolkit.deployment.context import Context
from toolkit.durations import parse_time
from toolkit.environment.model import Price
from toolkit.errors import InputError
from toolkit.report.usage import Row, Tally, Usage, clock

# Of the lines that Lambda and the gateway write, those of requests. The embedded cloud returns all lines.
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
_PATTERN = '{ $.message = "request" }'
_SESSION = re.compile(r"(:assumed-role/[^/]+)/.*", re.DOTALL)
_MILLION = Decimal(1_000_000)
# Of a request whose client disconnected before the end of the response.
_DISCONNECTED = 499


class _Line(TypedDict, total=False):
    """The members of the gateway's log lines that are read here: see `gateway.request_log`."""

    message: Required[object]
    key_name: str
    api_key_id: str
    caller: str
    model: str
    status: int
    error: str
    prompt_tokens: int
    completion_tokens: int


def period(since: str | None, until: str | None, now: datetime) -> tuple[datetime, datetime]:
    """Beginning and end of a report; by default the current calendar month in UTC, until now.

    Raises:
        InputError: not a date or duration, or the end is not after the beginning.
    """
    month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    start = month if since is None else parse_time(since, "--since", now)
    end = now if until is None else parse_time(until, "--until", now)
    # CloudWatch Logs has no times before 1970.
    start = max(start, datetime.fromtimestamp(0, UTC))
    if start >= end:
        reason = f"the period is empty: it begins at {clock(start)} and ends at {clock(end)}"
        raise InputError(reason, where="--until", remedy="choose an earlier --since or a later --until")
    return start, end


def read(context: Context, by: Collection[str], since: str | None, until: str | None) -> Usage:
    """Read the request log of an environment.

    Args:
        context: the environment.
        by: what to group requests by.
        since: beginning, a date or duration; None: the current month.
        until: end, likewise; None: now.

    Raises:
        InputError: `since` or `until` is invalid.
        PreflightError: the environment is not deployed.
    """
    now = datetime.now(UTC)
    start, end = period(since, until, now)
    group = outputs.read(context).log_groups["gateway"]
    with context.console.progress("reading the request log") as progress:
        collector = Collector(tuple(dict.fromkeys(by)))
        # CloudWatch returns events up to and including the end.
        for events in logs.pages(
            context.access, group, _milliseconds(start), _milliseconds(end) - 1, _PATTERN
        ):
            for event in events:
                collector.add(event["timestamp"], event["message"])
            if events:
                progress.update(
                    f"{collector.requests:,} requests until {clock(_time(events[-1]['timestamp']))}"
                )
    models = context.environment.models
    kept = now - timedelta(days=context.environment.api.log_retention_days)
    return collector.usage(
        environment=context.environment.name,
        prices={name: model.price for name, model in models.items() if model.price is not None},
        since=start,
        until=end,
        missing_before=kept if start < kept else None,
    )


@dataclass
class Collector:
    """Sums log lines; its size depends on the number of groups, not of lines.

    Attributes:
        by: what requests are grouped by: `key`, `model`, `day`.
        unreadable: lines in another format.
    """

    by: Sequence[str]
    unreadable: int = 0
    _tallies: dict[tuple[str | None, ...], Tally] = field(default_factory=dict)

    @property
    def requests(self) -> int:
        """Number of requests so far."""
        return sum(tally.requests for tally in self._tallies.values())

    def add(self, timestamp: int, text: str) -> None:
        """Add a log line; lines of other kinds do not count.

        Args:
            timestamp: of the line, which is written when a request is over; in milliseconds since the epoch.
            text: the line.
        """
        if not text.startswith("{"):
            return
        try:
            line = documents.parse(text, _Line)
        except documents.DamagedError:
            self.unreadable += 1
            return
        if line["message"] != "request":
            return
        names: dict[str, Callable[[], str | None]] = {
            "key": lambda: _key(line),
            "model": lambda: line.get("model"),
            "day": lambda: f"{_time(timestamp):%Y-%m-%d}",
        }
        # The price depends on the model.
        group = (*(names[dimension]() for dimension in self.by), line.get("model"))
        _count(line, self._tallies.setdefault(group, Tally()))

    def usage(
        self,
        environment: str,
        prices: Mapping[str, Price],
        since: datetime,
        until: datetime,
        missing_before: datetime | None = None,
    ) -> Usage:
        """The report of the lines so far.

        Args:
            environment: its name.
            prices: known prices of models.
            since: beginning of the period.
            until: end of the period.
            missing_before: see `Usage`.
        """
        by_model: dict[tuple[str | None, ...], dict[str | None, Tally]] = {}
        totals: dict[str | None, Tally] = {}
        for (*names, model), tally in self._tallies.items():
            by_model.setdefault(tuple(names), {})[model] = tally
            totals[model] = totals.get(model, Tally()) + tally
        rows = [
            _row(dict(zip(self.by, names, strict=True)), by_model[names], prices)
            for names in sorted(by_model, key=lambda names: [(name is None, name or "") for name in names])
        ]
        return Usage(
            environment=environment,
            since=since,
            until=until,
            by=self.by,
            rows=rows,
            total=_row({}, totals, prices),
            models_without_price=sorted(
                model for model in totals if model is not None and model not in prices
            ),
            prices=bool(prices),
            missing_before=missing_before,
            unreadable=self.unreadable,
        )


def _count(line: _Line, tally: Tally) -> None:
    status = line.get("status", 0)
    tokens = line.get("prompt_tokens"), line.get("completion_tokens")
    responded = "model" in line and (status < 400 or status == _DISCONNECTED)
    tally.requests += 1
    tally.errors += "error" in line or (status >= 400 and status != _DISCONNECTED)
    tally.unmetered += responded and tokens == (None, None)
    tally.input_tokens += tokens[0] or 0
    tally.output_tokens += tokens[1] or 0


def _row(
    group: Mapping[str, str | None], tallies: Mapping[str | None, Tally], prices: Mapping[str, Price]
) -> Row:
    dollars: Decimal | None = Decimal(0)
    for model, tally in tallies.items():
        # A request that reached no model costs nothing.
        price = None if model is None else prices.get(model)
        if price is not None and dollars is not None:
            dollars += _cost(price.input_per_million, tally.input_tokens)
            dollars += _cost(price.output_per_million, tally.output_tokens)
        elif model is not None:
            dollars = None
    return Row(group, sum(tallies.values(), Tally()), dollars)


def _cost(per_million: float, tokens: int) -> Decimal:
    return Decimal(str(per_million)) * tokens / _MILLION


def _key(line: _Line) -> str | None:
    """The name of the key, or its id if it has no name; with `auth: iam`, the identity that signed.

    All callers with a JWT and the same usage plan share a key, `jwt/PLAN`, so their own name follows. All
    sessions of a role are one caller: a pipeline has a new one each time.
    """
    name, caller = line.get("key_name"), line.get("caller")
    if caller is not None:
        return _SESSION.sub(r"\1", caller) if name is None else f"{name}:{caller}"
    if name is not None:
        return name
    return f"id:{line['api_key_id']}" if "api_key_id" in line else None


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
