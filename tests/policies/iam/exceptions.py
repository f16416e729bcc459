"""What policies have though no recorded request needed it, each with its reason.

The keys are parts of policies as `tests.support.proof.Part` writes them; a statement stands for all of it.
"""

from __future__ import annotations

_FAILED = "asked only when a rollout fails, for the reason"
_GRANTS = "SageMaker lends a key in its caller's name, which the embedded cloud does not rehearse"
_CONTAINER = "SageMaker's own work for a container, which the embedded cloud does without the role"
_LAMBDA = "Lambda writes a function's log in its role's name, the embedded cloud in its own"

EXCEPTIONS: dict[str, str] = {
    "sagemaker-deployer LookAtAlarmsAndLogs cloudwatch:DescribeAlarmHistory": _FAILED,
    "sagemaker-deployer LookAtAlarmsAndLogs logs:DescribeLogStreams": _FAILED,
    "sagemaker-deployer LookAtAlarmsAndLogs logs:GetLogEvents": _FAILED,
    "sagemaker-deployer LendKeysToSageMaker": _GRANTS,
    "operator LendKeysToSageMaker": _GRANTS,
    "sagemaker-deployer ChangeScalingThatHasTheTag application-autoscaling:RegisterScalableTarget": (
        "changed bounds of a fleet come without tags, and no bounds are changed here"
    ),
    "api-deployer ChangeFunctionRolesWithinBoundary iam:PutRolePermissionsBoundary": (
        "roles made before there was a boundary get it"
    ),
    "operator UseAnEarlierCertificate": (
        "the provider waits for a minute after a domain's certificate was changed, and none is changed here"
    ),
    "viewer LookAtAlarmsAndLogs cloudwatch:DescribeAlarmHistory": _FAILED,
    "viewer LookAtAlarmsAndLogs logs:DescribeLogStreams": _FAILED,
    "viewer LookAtAlarmsAndLogs logs:GetLogEvents": _FAILED,
    "viewer LookAtFunctions lambda:GetFunctionConfiguration": (
        "asked only when a function has drifted, for the time"
    ),
    "HuggingfaceExecuteRole WriteAnswersAndCapturedData": "nobody asked the asynchronous model",
    "HuggingfaceExecuteRole TellOfAnswersAndFailures": "nobody asked the asynchronous model",
    "HuggingfaceExecuteRole UseKeys": _GRANTS,
    "HuggingfaceExecuteRole LendKeysToAwsServices": _GRANTS,
    "HuggingfaceExecuteRole MakeNetworkInterfaces": _CONTAINER,
    "HuggingfaceExecuteRole UseAndRemoveNetworkInterfaces": _CONTAINER,
    "HuggingfaceExecuteRole LookAtNetworksWhichHasNoResource": _CONTAINER,
    "HuggingfaceExecuteRole ListModels s3:GetBucketLocation": _CONTAINER,
    "HuggingfaceExecuteRole PullImages": _CONTAINER,
    "HuggingfaceExecuteRole LogInToRegistriesWhichHasNoResource": _CONTAINER,
    "HuggingfaceExecuteRole WriteLogs": _CONTAINER,
    "HuggingfaceExecuteRole PublishMetricsWhichHasNoResource": _CONTAINER,
    "HuggingfaceExecuteRole WatchRolloutAlarms": _CONTAINER,
    "llm-proof-gateway WriteOwnLog": _LAMBDA,
    "llm-proof-authorizer WriteOwnLog": _LAMBDA,
}


def unexplained(parts: list[str]) -> list[str]:
    """Those of these parts that no exception is for."""
    return [
        part for part in parts if not any(part == each or part.startswith(f"{each} ") for each in EXCEPTIONS)
    ]


def stale(policy: str, parts: list[str]) -> list[str]:
    """The exceptions of a policy that are needed after all."""
    return [each for each in EXCEPTIONS if each.startswith(f"{policy} ") and each not in parts]
