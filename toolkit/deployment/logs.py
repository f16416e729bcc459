"""Logs of the functions and of the model containers."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from typing_extensions import TypedDict

from toolkit import documents
from toolkit.aws.logs import LogEvent, LogReader
from toolkit.deployment import outputs
from toolkit.deployment.context import Context
from toolkit.durations import parse_seconds
from toolkit.errors import InputError

_MODEL = "model/"


class _Metric(TypedDict):
    Name: str


class _Directive(TypedDict):
    Dimensions: list[list[str]]
    Metrics: list[_Metric]


class _Metadata(TypedDict):
    CloudWatchMetrics: list[_Directive]


class _WithMetrics(TypedDict):
    _aws: _Metadata


def reader(context: Context, name: str | None, since: str) -> LogReader:
    """A reader of one log or of all logs.

    Args:
        context: the environment.
        name: `gateway`, `authorizer`, a model; None: all.
        since: how far back, such as `10m`.

    Raises:
        PreflightError: the environment is not deployed.
        InputError: there is no such log, or `since` is not a duration.
    """
    # CloudWatch Logs has no times before 1970.
    start = max(0, int((time.time() - parse_seconds(since, "--since")) * 1000))
    groups = {
        source.removeprefix(_MODEL): group for source, group in outputs.read(context).log_groups.items()
    }
    if name is not None and name not in groups:
        raise InputError(f"no log named {name}", remedy=f"choose one of: {', '.join(sorted(groups))}")
    chosen = groups if name is None else {name: groups[name]}
    return LogReader(context.access, chosen, start)


def as_json(event: LogEvent) -> str:
    """An event for programs: time, source and the message, parsed if it is JSON."""
    moment = _moment(event).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    message = _object(event.message) or event.message
    return json.dumps({"time": moment, "source": event.source, "message": message}, ensure_ascii=False)


def as_line(event: LogEvent, width: int) -> str:
    """An event for the terminal, with the local time.

    Args:
        event: the event.
        width: width of the source column; 0 for none.
    """
    clock = _moment(event).astimezone().strftime("%H:%M:%S.%f")[:-3]
    source = f"{event.source:<{width}}  " if width else ""
    fields = _object(event.message)
    # A request may contain control characters, which must not reach the terminal.
    text = _readable(fields, _only_for_metrics(event.message)) if fields is not None else event.message
    return f"{clock}  {source}{_printable(text)}"


def _moment(event: LogEvent) -> datetime:
    return datetime.fromtimestamp(event.timestamp / 1000, UTC)


def _object(message: str) -> dict[str, Any] | None:
    if not message.startswith("{"):
        return None
    try:
        return documents.parse(message, dict[str, Any])
    except documents.DamagedError:
        return None


def _readable(fields: Mapping[str, Any], hidden: set[str]) -> str:
    is_request = {"method", "status"} <= fields.keys()
    first = ["method", "path", "status"] if is_request else ["message"]
    level = str(fields.get("level", "INFO"))
    words = [] if level == "INFO" else [level]
    words += [str(fields[name]) for name in first if name in fields]
    hidden |= {*first, "level", "message"}
    words += [f"{name}={_value(value)}" for name, value in fields.items() if name not in hidden]
    return " ".join(words)


def _only_for_metrics(message: str) -> set[str]:
    """Fields that only CloudWatch metrics need (embedded metric format)."""
    try:
        directives = documents.parse(message, _WithMetrics)["_aws"]["CloudWatchMetrics"]
    except documents.DamagedError:
        return {"_aws"}
    dimensions = {name for directive in directives for names in directive["Dimensions"] for name in names}
    return {"_aws"} | dimensions | {item["Name"] for directive in directives for item in directive["Metrics"]}


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() or c == "\t" else c.encode("unicode_escape").decode() for c in text)
