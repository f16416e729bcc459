"""Resources of an environment as the cloud lists them, independent of the toolkit's search for orphans."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

# (service, operation, parameters, JMESPath of the rows, member with the name)
_LISTS: tuple[tuple[str, str, dict[str, Any], str, str], ...] = (
    ("sagemaker", "list_endpoints", {}, "Endpoints", "EndpointName"),
    ("sagemaker", "list_endpoint_configs", {}, "EndpointConfigs", "EndpointConfigName"),
    ("sagemaker", "list_models", {}, "Models", "ModelName"),
    (
        "application-autoscaling",
        "describe_scalable_targets",
        {"ServiceNamespace": "sagemaker"},
        "ScalableTargets",
        "ResourceId",
    ),
    (
        "application-autoscaling",
        "describe_scaling_policies",
        {"ServiceNamespace": "sagemaker"},
        "ScalingPolicies",
        "ResourceId",
    ),
    (
        "application-autoscaling",
        "describe_scheduled_actions",
        {"ServiceNamespace": "sagemaker"},
        "ScheduledActions",
        "ResourceId",
    ),
    ("apigateway", "get_rest_apis", {}, "items", "name"),
    ("apigateway", "get_usage_plans", {}, "items", "name"),
    ("apigateway", "get_api_keys", {}, "items", "name"),
    ("iam", "list_roles", {}, "Roles", "RoleName"),
    ("lambda", "list_functions", {}, "Functions", "FunctionName"),
    ("logs", "describe_log_groups", {}, "logGroups", "logGroupName"),
    ("logs", "describe_metric_filters", {}, "metricFilters", "logGroupName"),
    ("cloudwatch", "describe_alarms", {}, "MetricAlarms", "AlarmName"),
    ("cloudwatch", "list_dashboards", {}, "DashboardEntries", "DashboardName"),
    ("wafv2", "list_web_acls", {"Scope": "REGIONAL"}, "WebACLs", "Name"),
)


def inventory(client: Callable[[str], Any], prefix: str) -> list[str]:
    """Return everything whose name contains the environment's prefix, each with its kind."""
    return [name for name in _names(client) if prefix in name]


def _names(client: Callable[[str], Any]) -> Iterator[str]:
    for service, operation, parameters, rows, member in _LISTS:
        for resource in getattr(client(service), operation)(**parameters)[rows]:
            yield f"{operation}: {resource[member]}"
    for table in client("dynamodb").list_tables()["TableNames"]:
        yield f"list_tables: {table}"
    gateway = client("apigateway")
    for api in gateway.get_rest_apis()["items"]:
        for _ in gateway.get_deployments(restApiId=api["id"])["items"]:
            yield f"get_deployments: {api['name']}"
