"""Metrics of a request in CloudWatch's embedded metric format: members of its log line.

They need no API call and no permission. Each combination of a metric and its dimensions is billed per month,
so no dimension is a value that a client can make up: models are those of this gateway, keys those of API
Gateway.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from gateway.errors import KeyLimitError

if TYPE_CHECKING:
    from gateway.request_log import RequestRecord

NAMESPACE: Final = "InferenceGateway"
_UNITS: Final = {
    "Requests": "Count",
    "ClientErrors": "Count",
    "Throttles": "Count",
    "ServerErrors": "Count",
    "Fallbacks": "Count",
    "Disconnects": "Count",
    "Latency": "Milliseconds",
    "TimeToFirstToken": "Milliseconds",
    "InputTokens": "Count",
    "OutputTokens": "Count",
    "GuardBlocks": "Count",
    "GuardFailures": "Count",
    "BudgetRejections": "Count",
    "BudgetErrors": "Count",
}


def embedded_metrics(record: RequestRecord, function_name: str) -> dict[str, Any]:
    """The metrics as members of the request's log line.

    Args:
        record: the request, which is over.
        function_name: name of the Lambda function.
    """
    values = {name: value for name, value in _values(record).items() if value is not None}
    dimensions = {"FunctionName": function_name}
    sets = [["FunctionName"]]
    for name, value in (("Model", record.model), ("ApiKeyId", record.api_key_id)):
        if value is not None:
            dimensions[name] = value
            sets.append(["FunctionName", name])
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": sets,
        "Metrics": [{"Name": name, "Unit": _UNITS[name]} for name in values],
    }
    head = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]}
    return {"_aws": head, **dimensions, **values}


def _values(record: RequestRecord) -> dict[str, float | None]:
    status = record.outcome
    usage = record.usage
    # None without guards: such metrics would be billed for nothing.
    guard = None if record.response is None else record.response.guard_action
    rejected = isinstance(record.error, KeyLimitError)
    has_budget = record.reservation is not None
    return {
        "Requests": 1,
        "ClientErrors": int(400 <= status < 500 and status not in (429, 499)),
        "Throttles": int(status == 429 and not rejected),
        "ServerErrors": int(status >= 500),
        "Disconnects": int(status == 499),
        "Fallbacks": int(record.fallback is not None),
        "Latency": record.duration_ms,
        "TimeToFirstToken": record.time_to_first_token_ms,
        "InputTokens": usage.get("prompt_tokens"),
        "OutputTokens": usage.get("completion_tokens"),
        "GuardBlocks": None if guard is None else int(guard == "blocked"),
        "GuardFailures": None if guard is None else int(guard == "failed"),
        # Only if the key has a budget: CloudWatch charges for each metric.
        "BudgetRejections": int(rejected) if has_budget else None,
        "BudgetErrors": int(record.budget_error is not None) if has_budget else None,
    }
