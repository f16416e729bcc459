"""CloudWatch's embedded metric format: metrics in lines of a log."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from toolkit.local.metrics.service import Metrics

# What CloudWatch takes of one metric in a line.
_MAX_VALUES = 100


def publish(metrics: Metrics, region: str, line: str) -> None:
    """Publish the metrics that a line of a log holds; most hold none."""
    if '"_aws"' not in line:
        return
    try:
        fields = json.loads(line)
        directives = fields["_aws"]["CloudWatchMetrics"]
    except (ValueError, LookupError, TypeError):
        # As on AWS: a line that is not in the format is a line of a log, no more.
        return
    for directive in directives if isinstance(directives, list) else []:
        _publish(metrics, region, fields, directive)


def _publish(metrics: Metrics, region: str, fields: Mapping[str, Any], directive: Mapping[str, Any]) -> None:
    sets = directive.get("Dimensions") or [[]]
    dimensions = [
        {name: str(fields[name]) for name in names} for names in sets if all(name in fields for name in names)
    ]
    for metric in directive.get("Metrics", []):
        name, unit = str(metric["Name"]), str(metric.get("Unit", "None"))
        for value in _values(fields.get(name)):
            metrics.put(region, str(directive["Namespace"]), name, value, unit, dimensions)


def _values(found: object) -> Iterator[float]:
    values = found if isinstance(found, list) else [found]
    for value in values[:_MAX_VALUES]:
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield float(value)
