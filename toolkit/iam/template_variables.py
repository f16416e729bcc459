"""What the templates of policies can name: the ARNs of an environment's resources."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Arns:
    """Makes ARNs of one account and region."""

    region: str
    account: str

    @property
    def partition(self) -> str:
        """See `partition_of`."""
        return partition_of(self.region)

    def of(self, service: str, resource: str) -> str:
        """Of a resource of the region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"

    def worldwide(self, service: str, resource: str) -> str:
        """Of a resource of the account that is in no region."""
        return f"arn:{self.partition}:{service}::{self.account}:{resource}"

    def iam(self, resource: str) -> str:
        """Of a role or policy."""
        return self.worldwide("iam", resource)

    def s3(self, bucket: str, key: str | None = None) -> str:
        """Of a bucket, or of objects in it."""
        return f"arn:{self.partition}:s3:::{bucket}" + (f"/{key}" if key is not None else "")

    def api(self, path: str) -> str:
        """Of a path of API Gateway's own API."""
        return f"arn:{self.partition}:apigateway:{self.region}::{path}"

    def route53(self, resource: str) -> str:
        """Of a hosted zone or a change, which name no account."""
        return f"arn:{self.partition}:route53:::{resource}"


def template_variables(environment: Environment) -> dict[str, Any]:
    """The variables and functions of the templates."""
    arns = Arns(environment.region, environment.account_id)
    return {
        "s3": arns.s3,
        "iam": arns.iam,
        "api": arns.api,
        "region": environment.region,
        "prefix": environment.prefix,
        "env": environment.name,
        "state_bucket": environment.state_bucket,
        "model_store": environment.model_store_bucket,
        **_hosting(environment, arns),
        **_functions(environment.prefix, arns),
        **_exposure(environment, arns),
    }


def _hosting(environment: Environment, arns: Arns) -> dict[str, Any]:
    """Endpoints, what they are made of, and what watches and scales them."""
    prefix, role = environment.prefix, environment.account.execution_role
    kinds = ("endpoint", "endpoint-config", "model")
    return {
        "execution_role": role.arn or arns.iam(f"role/{role.name}"),
        "endpoints": arns.of("sagemaker", f"endpoint/{prefix}-*"),
        "endpoint_parts": [arns.of("sagemaker", f"{kind}/{prefix}-*") for kind in kinds],
        "endpoint_logs": arns.of("logs", f"log-group:/aws/sagemaker/Endpoints/{prefix}-*"),
        "alarms": arns.of("cloudwatch", f"alarm:{prefix}-*"),
        "all_alarms": arns.of("cloudwatch", "alarm:*"),
        "tracking_alarms": arns.of("cloudwatch", f"alarm:TargetTracking-endpoint/{prefix}-*"),
        "dashboard": arns.worldwide("cloudwatch", f"dashboard/{prefix}"),
        "scalable_targets": arns.of("application-autoscaling", "scalable-target/*"),
        "kms_keys": sorted(set(_keys(environment))),
    }


def _keys(environment: Environment) -> Iterator[str]:
    """The keys that encrypt the volumes of endpoints."""
    yield from (model.kms_key_arn for model in environment.models.values() if model.kms_key_arn)


def _functions(prefix: str, arns: Arns) -> dict[str, Any]:
    """The gateway and the authorizer, their roles and their logs."""
    groups = [f"log-group:/aws/lambda/{prefix}-{function}" for function in FUNCTIONS]
    adapter = f"arn:{arns.partition}:lambda:{arns.region}:{WEB_ADAPTER_ACCOUNT}:layer:LambdaAdapterLayer*:*"
    return {
        "functions": [arns.of("lambda", f"function:{prefix}-{function}") for function in FUNCTIONS],
        "function_roles": [arns.iam(f"role/{prefix}-{function}") for function in FUNCTIONS],
        "boundary": arns.iam(f"policy/{prefix}-function-boundary"),
        # Groups are named without what follows when they are tagged, and with it for all else.
        "function_logs": [arns.of("logs", f"{group}{end}") for group in groups for end in ("", ":*")],
        "function_log_streams": [arns.of("logs", f"{group}:*") for group in groups],
        "web_adapter": adapter,
    }


def _exposure(environment: Environment, arns: Arns) -> dict[str, Any]:
    """What is in front of the API: its access log, domain, firewall and network; None where there is none."""
    prefix, api = environment.prefix, environment.api
    zone = api.domain.hosted_zone_id if api.domain is not None else None
    return {
        "access_log": [arns.of("logs", f"log-group:/aws/apigateway/{prefix}{end}") for end in ("", ":*")],
        "domain": api.domain.name if api.domain is not None else None,
        "hosted_zone": arns.route53(f"hostedzone/{zone}") if zone is not None else None,
        "dns_changes": arns.route53("change/*"),
        "private": api.private is not None,
        "firewall": arns.of("wafv2", f"regional/webacl/{prefix}/*") if api.waf is not None else None,
        # Asked for in these words, whichever of AWS's rule groups are used.
        "managed_rules": arns.of("wafv2", "regional/managedruleset/*/*"),
    }
