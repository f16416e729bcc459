"""Resources of an environment as the cloud lists them, independent of the toolkit's search for orphans."""

from __future__ import annotations

from collections.abc import Callable, Collection
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
    operations = [*(row[1] for row in _LISTS), "list_tables", "get_deployments"]
    return [name for operation in operations for name in names_of(client, operation) if prefix in name]


def exist(client: Callable[[str], Any], names: Collection[str]) -> bool:
    """Whether all resources of these names with their kinds exist, with requests for these kinds alone."""
    return all(name in names_of(client, name.partition(":")[0]) for name in names)


def names_of(client: Callable[[str], Any], operation: str) -> list[str]:
    """Return all resources that one operation lists, each with its kind."""
    if operation == "list_tables":
        return [f"{operation}: {table}" for table in client("dynamodb").list_tables()["TableNames"]]
    if operation == "get_deployments":
        gateway = client("apigateway")
        apis = gateway.get_rest_apis()["items"]
        return [
            f"{operation}: {api['name']}"
            for api in apis
            for _ in gateway.get_deployments(restApiId=api["id"])["items"]
        ]
    ((service, _, parameters, rows, member),) = [row for row in _LISTS if row[1] == operation]
    resources = getattr(client(service), operation)(**parameters)[rows]
    return [f"{operation}: {resource[member]}" for resource in resources]
