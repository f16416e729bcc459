"""Invariants after each round, checked in the cloud and the state bucket, independent of the toolkit.

Commands converge, nothing is orphaned or lost, exit codes are documented, and there is no traceback.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from tests.chaos.site import ENV, Result
from tests.support.checkout import ROOT

STATE_BUCKET = "llm-state-123456789012-us-east-1"
STORE = "llm-models-123456789012-us-east-1"
STATES = ("account/terraform.tfstate", f"{ENV}/inference.tfstate")
LOCK = ".tflock"
TRACES = ("Traceback (most recent call last)", "panic: ", "goroutine 1 [")
NO_CHANGES = "no changes"

# An existing resource: Terraform type, and the attributes that identify it.
Resource = tuple[str, str]
# Types that the API does not list separately; they are read with another resource.
PARTS = {
    "terraform_data",
    "aws_api_gateway_account",
    "aws_api_gateway_method_settings",
    "aws_api_gateway_rest_api_policy",
    "aws_lambda_permission",
    "aws_s3_bucket_lifecycle_configuration",
    "aws_s3_bucket_ownership_controls",
    "aws_s3_bucket_policy",
    "aws_s3_bucket_public_access_block",
    "aws_s3_bucket_server_side_encryption_configuration",
    "aws_s3_bucket_versioning",
}
IDENTITY: dict[str, tuple[str, ...]] = {
    "aws_api_gateway_deployment": ("rest_api_id", "id"),
    "aws_api_gateway_rest_api": ("id",),
    "aws_api_gateway_stage": ("rest_api_id", "stage_name"),
    "aws_api_gateway_usage_plan": ("id",),
    "aws_appautoscaling_policy": ("resource_id", "name"),
    "aws_appautoscaling_target": ("resource_id",),
    "aws_cloudwatch_dashboard": ("dashboard_name",),
    "aws_cloudwatch_log_group": ("name",),
    "aws_cloudwatch_metric_alarm": ("alarm_name",),
    "aws_iam_policy": ("arn",),
    "aws_iam_role": ("name",),
    "aws_iam_role_policy": ("role", "name"),
    "aws_lambda_function": ("function_name",),
    "aws_s3_bucket": ("bucket",),
    "aws_sagemaker_endpoint": ("name",),
    "aws_sagemaker_endpoint_configuration": ("name",),
    "aws_sagemaker_model": ("name",),
}


def documented_codes() -> set[int]:
    """Return the exit codes of docs/reference/command-line.md, without 1, which is a bug."""
    text = (ROOT / "docs" / "reference" / "command-line.md").read_text()
    return {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)} - {1}


@dataclass(frozen=True)
class Snapshot:
    """Objects, keys and log events that no fault and no kill may lose.

    Attributes:
        versions: of all objects in all buckets, states, releases and weights among them.
        keys: values of the API keys by name.
        events: number of log events by log group.
    """

    versions: frozenset[tuple[str, str, str]]
    keys: Mapping[str, str]
    events: Mapping[str, int]


class Cloud:
    """The embedded cloud, queried directly.

    Args:
        client: returns a boto3 client of a service.
    """

    def __init__(self, client: Callable[[str], Any]) -> None:
        self.client = functools.cache(client)

    def pages(self, service: str, operation: str, rows: str, **arguments: Any) -> list[Any]:
        """Return all rows of a listing."""
        client = self.client(service)
        if not client.can_paginate(operation):
            return list(getattr(client, operation)(**arguments)[rows])
        pages = client.get_paginator(operation).paginate(**arguments)
        return [row for page in pages for row in page.get(rows, [])]

    def resources(self) -> Iterator[Resource]:
        """All resources in the account, of all types in IDENTITY."""
        for kind, service, operation, rows, name in _LISTED:
            more = {"Scope": "Local"} if operation == "list_policies" else {}
            for row in self.pages(service, operation, rows, **more):
                # AWS creates service-linked roles on first use, for the account.
                if not row.get("Path", "").startswith("/aws-service-role/"):
                    yield kind, row[name]
        for role in self.pages("iam", "list_roles", "Roles"):
            for policy in self.pages("iam", "list_role_policies", "PolicyNames", RoleName=role["RoleName"]):
                yield "aws_iam_role_policy", f"{role['RoleName']} {policy}"
        for api in self.pages("apigateway", "get_rest_apis", "items"):
            for deployment in self.pages("apigateway", "get_deployments", "items", restApiId=api["id"]):
                yield "aws_api_gateway_deployment", f"{api['id']} {deployment['id']}"
            for stage in self.client("apigateway").get_stages(restApiId=api["id"])["item"]:
                yield "aws_api_gateway_stage", f"{api['id']} {stage['stageName']}"
        scaling = {"ServiceNamespace": "sagemaker"}
        for row in self.pages(
            "application-autoscaling", "describe_scalable_targets", "ScalableTargets", **scaling
        ):
            yield "aws_appautoscaling_target", row["ResourceId"]
        for row in self.pages(
            "application-autoscaling", "describe_scaling_policies", "ScalingPolicies", **scaling
        ):
            yield "aws_appautoscaling_policy", f"{row['ResourceId']} {row['PolicyName']}"

    def state(self, key: str) -> dict[str, Any]:
        """A stored state; empty if there is none."""
        try:
            stored = self.client("s3").get_object(Bucket=STATE_BUCKET, Key=key)
        except ClientError as error:
            assert error.response["Error"]["Code"] in ("NoSuchKey", "NoSuchBucket"), error
            return {}
        return dict(json.loads(stored["Body"].read()))

    def in_states(self) -> Iterator[Resource]:
        """All resources in the states of both stacks."""
        for key in STATES:
            for resource in self.state(key).get("resources", []):
                kind = resource["type"]
                if resource["mode"] != "managed" or kind in PARTS:
                    continue
                for instance in resource["instances"]:
                    assert kind in IDENTITY, f"chaos cannot find resources of type {kind}: add it to IDENTITY"
                    yield kind, " ".join(instance["attributes"][name] for name in IDENTITY[kind])

    def versions(self) -> Iterator[tuple[str, str, str]]:
        """All versions of all objects: bucket, key, version."""
        for bucket in self.pages("s3", "list_buckets", "Buckets"):
            name = bucket["Name"]
            for version in self.pages("s3", "list_object_versions", "Versions", Bucket=name):
                yield name, version["Key"], version["VersionId"]

    def empty(self, bucket: str) -> None:
        """Delete all objects of a bucket, with their versions, if it exists."""
        for name, key, version in list(self.versions()):
            if name == bucket:
                self.client("s3").delete_object(Bucket=name, Key=key, VersionId=version)

    def released(self) -> set[str]:
        """The different releases: their variables, without the instance counts of the moment."""
        keys = {key for _, key, _ in self.versions() if "/releases/" in key}
        stored = [self.client("s3").get_object(Bucket=STATE_BUCKET, Key=key) for key in sorted(keys)]
        return {json.loads(release["Body"].read())["variables"] for release in stored}

    def locks(self) -> list[str]:
        """The keys of the state locks."""
        try:
            rows = self.pages("s3", "list_objects_v2", "Contents", Bucket=STATE_BUCKET)
        except ClientError as error:
            assert error.response["Error"]["Code"] == "NoSuchBucket", error
            return []
        return [row["Key"] for row in rows if row["Key"].endswith(LOCK)]

    def snapshot(self) -> Snapshot:
        """The objects, keys and log events that must not be lost."""
        keys = self.pages("apigateway", "get_api_keys", "items", includeValues=True)
        groups = [row["logGroupName"] for row in self.pages("logs", "describe_log_groups", "logGroups")]
        return Snapshot(
            frozenset(version for version in self.versions() if not version[1].endswith(LOCK)),
            {key["name"]: key["value"] for key in keys},
            {
                group: len(self.pages("logs", "filter_log_events", "events", logGroupName=group))
                for group in groups
            },
        )


_LISTED = [
    ("aws_api_gateway_rest_api", "apigateway", "get_rest_apis", "items", "id"),
    ("aws_api_gateway_usage_plan", "apigateway", "get_usage_plans", "items", "id"),
    ("aws_cloudwatch_dashboard", "cloudwatch", "list_dashboards", "DashboardEntries", "DashboardName"),
    ("aws_cloudwatch_log_group", "logs", "describe_log_groups", "logGroups", "logGroupName"),
    ("aws_cloudwatch_metric_alarm", "cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
    ("aws_iam_policy", "iam", "list_policies", "Policies", "Arn"),
    ("aws_iam_role", "iam", "list_roles", "Roles", "RoleName"),
    ("aws_lambda_function", "lambda", "list_functions", "Functions", "FunctionName"),
    ("aws_s3_bucket", "s3", "list_buckets", "Buckets", "Name"),
    ("aws_sagemaker_endpoint", "sagemaker", "list_endpoints", "Endpoints", "EndpointName"),
    (
        "aws_sagemaker_endpoint_configuration",
        "sagemaker",
        "list_endpoint_configs",
        "EndpointConfigs",
        "EndpointConfigName",
    ),
    ("aws_sagemaker_model", "sagemaker", "list_models", "Models", "ModelName"),
]


def orphans(cloud: Cloud) -> list[str]:
    """Differences between the cloud and the states: resources of one that are missing in the other."""
    existing, recorded = sorted(cloud.resources()), sorted(cloud.in_states())
    # Twice the same name is an orphan too.
    twice = {resource for resource in existing if existing.count(resource) > 1}
    return (
        [f"orphaned: {kind} {name}" for kind, name in sorted({*existing} - {*recorded})]
        + [f"in the state only: {kind} {name}" for kind, name in sorted({*recorded} - {*existing})]
        + [f"twice: {kind} {name}" for kind, name in sorted(twice)]
    )


def unused_keys(cloud: Cloud) -> list[str]:
    """API keys without a usage plan, and usage plans with another key of the same name."""
    attached = [
        key["id"]
        for plan in cloud.pages("apigateway", "get_usage_plans", "items")
        for key in cloud.pages("apigateway", "get_usage_plan_keys", "items", usagePlanId=plan["id"])
    ]
    keys = {key["id"]: key["name"] for key in cloud.pages("apigateway", "get_api_keys", "items")}
    names = list(keys.values())
    return [f"API key without usage plan: {name}" for id_, name in keys.items() if id_ not in attached] + [
        f"API key twice: {name}" for name in sorted({name for name in names if names.count(name) > 1})
    ]


def lost(before: Snapshot, after: Snapshot, *, destroyed: bool) -> list[str]:
    """Missing objects, keys and log events. A destroy deletes API keys and log groups, but no objects."""
    missing = [f"lost: s3://{'/'.join(version[:2])}" for version in sorted(before.versions - after.versions)]
    if destroyed:
        return missing
    missing += [
        f"lost: API key {name}" for name, value in before.keys.items() if after.keys.get(name) != value
    ]
    return missing + [
        f"lost: log events of {group}"
        for group, number in before.events.items()
        if after.events.get(group, 0) < number
    ]


def undocumented(results: Iterable[Result], codes: Collection[int]) -> list[str]:
    """Exit codes that are not in the documentation, and tracebacks."""
    faults = []
    for result in results:
        if result.code not in codes and not (result.killed and result.code < 0):
            faults.append(f"exit code {result.code} of toolkit {' '.join(result.arguments)}")
        faults += [
            f"{trace!r} in the output of toolkit {' '.join(result.arguments)}"
            for trace in TRACES
            if trace in result.output
        ]
    return faults


def converge(run: Callable[..., Result], commands: Iterable[tuple[str, ...]]) -> list[str]:
    """Run commands until they succeed; a lock may have to be cleared as the error says.

    Returns:
        What did not succeed; empty if all did.
    """
    for command in commands:
        result = run(*command)
        for stack in ("account", "inference"):
            if result.code == 9 and "toolkit unlock" in result.output:
                unlocked = run(*_unlock(result.output), "--yes")
                if unlocked.code != 0:
                    return [f"the lock on the {stack} stack cannot be cleared"]
                result = run(*command)
        if result.code != 0:
            return [f"did not converge: toolkit {' '.join(command)} ended with {result.code}"]
    return []


def _unlock(output: str) -> list[str]:
    """The command that the error names."""
    return re.findall(r"toolkit (unlock [^\n`]+)", output)[0].split()
