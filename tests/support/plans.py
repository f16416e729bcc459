"""Handmade plans in the format of `terraform show -json`: one resource per line."""

from __future__ import annotations

import re
from typing import Any

from toolkit.report import Subject, Summary, summarize

SUBJECT = Subject("dev", "123456789012", "eu-central-1", commit="0123456789abcdef", digest="feedbeef" * 8)
ENDPOINT = 'module.endpoint["qwen3"].aws_sagemaker_endpoint.this[0]'


def resource(
    address: str,
    actions: str,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    **change: Any,
) -> dict[str, Any]:
    """Return a change of one resource; its module and type come from the address."""
    (kind,) = re.findall(r"aws_\w+", address)
    reason = {"action_reason": change.pop("action_reason")} if "action_reason" in change else {}
    return {
        "address": address,
        "module_address": address.partition(f".{kind}")[0],
        "mode": "managed",
        "type": kind,
        **reason,
        "change": {"actions": actions.split("+"), "before": before, "after": after, **change},
    }


def summary(*resources: dict[str, Any], drift: tuple[dict[str, Any], ...] = ()) -> Summary:
    """Return the summary of a plan with these changes."""
    document = {"resource_changes": list(resources), "resource_drift": list(drift)}
    return summarize(document, SUBJECT, "1 to add", has_changes=True)


def rollout(kind: str, **routing: Any) -> dict[str, Any]:
    """Return an endpoint's deployment_config in the provider's format."""
    policy = {
        "termination_wait_in_seconds": 300,
        "traffic_routing_configuration": [{"type": kind, **routing}],
    }
    alarms = [{"alarms": [{"alarm_name": "a"}, {"alarm_name": "b"}]}]
    return {
        "deployment_config": [{"blue_green_update_policy": [policy], "auto_rollback_configuration": alarms}]
    }
