"""What the templates of policies can name: the ARNs of an environment's resources."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from toolkit.environment import Environment

FUNCTIONS = ("gateway", "authorizer")
# AWS's account that publishes the Lambda Web Adapter, as modules/inference_api names it.
WEB_ADAPTER_ACCOUNT = "753240598075"


def partition_of(region: str) -> str:
    """The partition that a region belongs to."""
    for beginning, partition in (("cn-", "aws-cn"), ("us-gov-", "aws-us-gov")):
        if region.startswith(beginning):
            return partition
    return "aws"


def names_of(environment: Environment) -> dict[str, Any]:
    """The variables and functions of the templates."""
    region, account, prefix = environment.region, environment.account_id, environment.prefix
    partition = partition_of(region)

    def arn(service: str, resource: str) -> str:
        return f"arn:{partition}:{service}:{region}:{account}:{resource}"

    def iam(resource: str) -> str:
        return f"arn:{partition}:iam::{account}:{resource}"

    def s3(bucket: str, key: str | None = None) -> str:
        return f"arn:{partition}:s3:::{bucket}" + (f"/{key}" if key is not None else "")

    def api(path: str) -> str:
        return f"arn:{partition}:apigateway:{region}::{path}"

    log_groups = [f"log-group:/aws/lambda/{prefix}-{function}" for function in FUNCTIONS]
    access_log = f"log-group:/aws/apigateway/{prefix}"
    domain = environment.api.domain
    role = environment.account.execution_role
    return {
        "s3": s3,
        "iam": iam,
        "api": api,
        "region": region,
        "prefix": prefix,
        "env": environment.env,
        "state_bucket": environment.state_bucket,
        "model_store": environment.model_store_bucket,
        "execution_role": role.arn or iam(f"role/{role.name}"),
        "endpoints": arn("sagemaker", f"endpoint/{prefix}-*"),
        "endpoint_parts": [
            arn("sagemaker", f"{kind}/{prefix}-*") for kind in ("endpoint", "endpoint-config", "model")
        ],
        "endpoint_logs": arn("logs", f"log-group:/aws/sagemaker/Endpoints/{prefix}-*"),
        "alarms": arn("cloudwatch", f"alarm:{prefix}-*"),
        "all_alarms": arn("cloudwatch", "alarm:*"),
        "tracking_alarms": arn("cloudwatch", f"alarm:TargetTracking-endpoint/{prefix}-*"),
        "scalable_targets": arn("application-autoscaling", "scalable-target/*"),
        "kms_keys": sorted(set(_keys(environment))),
        "functions": [arn("lambda", f"function:{prefix}-{function}") for function in FUNCTIONS],
        "function_roles": [iam(f"role/{prefix}-{function}") for function in FUNCTIONS],
        "boundary": iam(f"policy/{prefix}-function-boundary"),
        # Groups are named without what follows when they are tagged, and with it for all else.
        "function_logs": [arn("logs", f"{group}{end}") for group in log_groups for end in ("", ":*")],
        "access_log": [arn("logs", f"{access_log}{end}") for end in ("", ":*")],
        "dashboard": f"arn:{partition}:cloudwatch::{account}:dashboard/{prefix}",
        "domain": domain.name if domain is not None else None,
        "hosted_zone": f"arn:{partition}:route53:::hostedzone/{domain.hosted_zone_id}"
        if domain is not None and domain.hosted_zone_id is not None
        else None,
        "dns_changes": f"arn:{partition}:route53:::change/*",
        "firewall": None
        if environment.api.waf is None
        else [
            arn("wafv2", f"regional/webacl/{prefix}/*"),
            arn("wafv2", "regional/managedruleset/*/*"),
        ],
        "function_log_streams": [arn("logs", f"{group}:*") for group in log_groups],
        "web_adapter": (f"arn:{partition}:lambda:{region}:{WEB_ADAPTER_ACCOUNT}:layer:LambdaAdapterLayer*:*"),
    }


def _keys(environment: Environment) -> Iterator[str]:
    """The keys that encrypt the volumes of endpoints."""
    yield from (model.kms_key_arn for model in environment.models.values() if model.kms_key_arn)
