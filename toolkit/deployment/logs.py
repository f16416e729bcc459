"""Logs of a deployed environment: the functions' and the containers'."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from toolkit.aws.logs import LogEvent, LogReader
from toolkit.deployment import outputs
from toolkit.deployment.context import Context
from toolkit.errors import InputError

_MODEL = "model/"
_DURATION = re.compile(r"(\d+)([smhd])", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def reader(context: Context, name: str | None, since: str) -> LogReader:
    """A reader of one log or all.

    Args:
        context: the environment.
        name: `gateway`, `authorizer`, a model; None: all.
        since: how far back, such as `10m`.

    Raises:
        PreflightError: the environment is not deployed.
        InputError: there is no such log, or `since` is no duration.
    """
    # Nothing is older than AWS's clock, whatever is asked for.
    start = max(0, int((time.time() - seconds(since)) * 1000))
    groups = {
        source.removeprefix(_MODEL): group for source, group in outputs.read(context).log_groups.items()
    }
    if name is not None and name not in groups:
        raise InputError(f"there is no log of {name}", remedy=f"there are {', '.join(sorted(groups))}")
    chosen = groups if name is None else {name: groups[name]}
    return LogReader(context.access, chosen, start)


def seconds(duration: str) -> int:
    """Seconds of a duration such as `90s`, `10m`, `2h`, `1d`.

    Raises:
        InputError: it is none.
    """
    match = _DURATION.fullmatch(duration)
    if match is None:
        raise InputError(f"{duration} is no duration", where="--since", remedy="write 90s, 10m, 2h or 1d")
    return int(match[1]) * _SECONDS[match[2]]


def as_json(event: LogEvent) -> str:
    """An event for programs: time, source and the message, which is an object if it is JSON."""
    moment = _moment(event).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    message = _object(event.message) or event.message
    return json.dumps({"time": moment, "source": event.source, "message": message}, ensure_ascii=False)


def as_line(event: LogEvent, width: int) -> str:
    """An event for people, with the local time.

    Args:
        event: the event.
        width: that sources are padded to; 0: no source.
    """
    clock = _moment(event).astimezone().strftime("%H:%M:%S.%f")[:-3]
    source = f"{event.source:<{width}}  " if width else ""
    fields = _object(event.message)
    # Control characters of whoever sent a request must not reach the terminal.
    text = _readable(fields) if fields is not None else event.message
    return f"{clock}  {source}{_printable(text)}"


def _moment(event: LogEvent) -> datetime:
    return datetime.fromtimestamp(event.timestamp / 1000, UTC)


def _object(message: str) -> dict[str, Any] | None:
    if not message.startswith("{"):
        return None
    try:
        parsed = json.loads(message)
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) else None


def _readable(fields: Mapping[str, Any]) -> str:
    # A line's beginning is what one looks for.
    is_request = {"method", "status"} <= fields.keys()
    said = ["method", "path", "status"] if is_request else ["message"]
    level = str(fields.get("level", "INFO"))
    words = [] if level == "INFO" else [level]
    words += [str(fields[name]) for name in said if name in fields]
    hidden = {*said, "level", "message", *_of_metrics(fields)}
    words += [f"{name}={_value(value)}" for name, value in fields.items() if name not in hidden]
    return " ".join(words)


def _of_metrics(fields: Mapping[str, Any]) -> set[str]:
    """The members of a line that are there for CloudWatch's metrics alone (embedded metric format)."""
    names = {"_aws"}
    directives = fields["_aws"].get("CloudWatchMetrics") if isinstance(fields.get("_aws"), dict) else None
    for directive in directives or []:
        names |= {name for dimensions in directive["Dimensions"] for name in dimensions}
        names |= {metric["Name"] for metric in directive["Metrics"]}
    return names


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() or c == "\t" else c.encode("unicode_escape").decode() for c in text)
