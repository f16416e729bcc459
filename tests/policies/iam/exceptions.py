"""Permissions that no recorded request needed, with reasons.

Keys are parts of policies, formatted by `tests.support.proof.Part`; a statement includes all of its parts.
"""

from __future__ import annotations

_FAILED = "needed only to diagnose a failed rollout"
_DATE = "needed only to date a function's drift"
_GRANTS = "SageMaker creates grants as its caller, which the embedded cloud does not emulate"
_APPLIED = "needed only in accounts without applied values of these quotas"
_CONTAINER = "SageMaker does this for containers; the embedded cloud does it without the role"
_LAMBDA = "Lambda writes a function's log with its role, the embedded cloud without it"

EXCEPTIONS: dict[str, str] = {
    "sagemaker-deployer ReadAlarmsAndLogs cloudwatch:DescribeAlarmHistory": _FAILED,
    "sagemaker-deployer ReadAlarmsAndLogs logs:DescribeLogStreams": _FAILED,
    "sagemaker-deployer ReadAlarmsAndLogs logs:GetLogEvents": _FAILED,
    "sagemaker-deployer GrantKeysToSageMaker": _GRANTS,
    "operator GrantKeysToSageMaker": _GRANTS,
    "sagemaker-deployer ModifyTaggedScaling application-autoscaling:RegisterScalableTarget": (
        "updates of autoscaling limits, which the test does not do, have no tags"
    ),
    "api-deployer ManageFunctionRolesWithBoundary iam:PutRolePermissionsBoundary": (
        "adds the boundary to roles that were created without it"
    ),
    "operator RestoreCertificate": (
        "the test does not change a domain's certificate, because the provider then waits for a minute"
    ),
    "planner ReadFunctions lambda:GetFunctionConfiguration": _DATE,
    "viewer ReadFunctions lambda:GetFunctionConfiguration": _DATE,
    "viewer ReadAlarmHistory": _FAILED,
    "viewer ReadLogs logs:DescribeLogStreams": _FAILED,
    "viewer ReadLogs logs:GetLogEvents": _FAILED,
    "api-deployer ReadLimitsAnyResource servicequotas:ListAWSDefaultServiceQuotas": _APPLIED,
    "planner ReadLimitsAnyResource servicequotas:ListAWSDefaultServiceQuotas": _APPLIED,
    "viewer ReadLimitsAnyResource servicequotas:ListAWSDefaultServiceQuotas": _APPLIED,
    "HuggingfaceExecuteRole WriteResponsesAndCapturedData": "the test does not invoke the asynchronous model",
    "HuggingfaceExecuteRole NotifyTopics": "the test does not invoke the asynchronous model",
    "HuggingfaceExecuteRole UseKeys": _GRANTS,
    "HuggingfaceExecuteRole GrantKeysToAwsServices": _GRANTS,
    "HuggingfaceExecuteRole CreateNetworkInterfaces": _CONTAINER,
    "HuggingfaceExecuteRole ManageNetworkInterfaces": _CONTAINER,
    "HuggingfaceExecuteRole ReadNetworksAnyResource": _CONTAINER,
    "HuggingfaceExecuteRole ListModels s3:GetBucketLocation": _CONTAINER,
    "HuggingfaceExecuteRole PullImages": _CONTAINER,
    "HuggingfaceExecuteRole LogInToRegistriesAnyResource": _CONTAINER,
    "HuggingfaceExecuteRole WriteLogs": _CONTAINER,
    "HuggingfaceExecuteRole PublishMetricsAnyResource": _CONTAINER,
    "HuggingfaceExecuteRole WatchRolloutAlarms": _CONTAINER,
    "llm-proof-gateway WriteOwnLog": _LAMBDA,
    "llm-proof-authorizer WriteOwnLog": _LAMBDA,
}


def unexplained(parts: list[str]) -> list[str]:
    """The parts without an exception."""
    return [
        part for part in parts if not any(part == key or part.startswith(f"{key} ") for key in EXCEPTIONS)
    ]


def stale(policy: str, parts: list[str]) -> list[str]:
    """The exceptions for parts of a policy that were needed."""
    return [key for key in EXCEPTIONS if key.startswith(f"{policy} ") and key not in parts]
