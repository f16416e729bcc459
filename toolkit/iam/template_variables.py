"""Variables of the policy templates, mostly ARNs of an environment's resources."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from toolkit.environment import Environment, ServerSource, budget_table
from toolkit.environment.rollout import quality_namespace

FUNCTIONS = ("gateway", "authorizer")
# AWS's account with the Lambda Web Adapter, see modules/inference_api.
WEB_ADAPTER_ACCOUNT = "753240598075"


def partition_of(region: str) -> str:
    """The AWS partition of a region."""
    for prefix, partition in (("cn-", "aws-cn"), ("us-gov-", "aws-us-gov")):
        if region.startswith(prefix):
            return partition
    return "aws"


def agent_role(environment: Environment) -> str:
    """Name of the role of `toolkit mcp`."""
    return f"{environment.prefix}-agent"


@dataclass(frozen=True)
class Arns:
    """Builds ARNs of one account and region."""

    region: str
    account: str

    @property
    def partition(self) -> str:
        """See `partition_of`."""
        return partition_of(self.region)

    def of(self, service: str, resource: str) -> str:
        """A regional resource."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"

    def without_region(self, service: str, resource: str) -> str:
        """A global resource of the account."""
        return f"arn:{self.partition}:{service}::{self.account}:{resource}"

    def iam(self, resource: str) -> str:
        """A role or policy."""
        return self.without_region("iam", resource)

    def s3(self, bucket: str, key: str | None = None) -> str:
        """A bucket, or objects in it."""
        return f"arn:{self.partition}:s3:::{bucket}" + (f"/{key}" if key is not None else "")

    def api(self, path: str) -> str:
        """A path of the API Gateway API."""
        return f"arn:{self.partition}:apigateway:{self.region}::{path}"

    def route53(self, resource: str) -> str:
        """A hosted zone or a change, whose ARNs have no account."""
        return f"arn:{self.partition}:route53:::{resource}"


def template_variables(environment: Environment) -> dict[str, Any]:
    """Variables and functions of the templates."""
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
        **_functions(environment, arns),
        **_exposure(environment, arns),
        **_cost_alarms(environment, arns),
        **_preflight(environment, arns),
    }


def _hosting(environment: Environment, arns: Arns) -> dict[str, Any]:
    """Endpoints, their models and configurations, alarms and autoscaling."""
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
        "dashboard": arns.without_region("cloudwatch", f"dashboard/{prefix}"),
        "scalable_targets": arns.of("application-autoscaling", "scalable-target/*"),
        "quality": quality_namespace(prefix) if _has_quality(environment) else None,
        "kms_keys": sorted(set(_keys(environment))),
        "signing_key": environment.evidence.kms_key_arn,
        "asynchronous_tests": sorted(set(_asynchronous_tests(environment, arns))),
    }


def _has_quality(environment: Environment) -> bool:
    """Whether rollouts of a model are judged by its expectations."""
    return any(model.rollout is not None and model.rollout.quality for model in environment.models.values())


def _keys(environment: Environment) -> Iterator[str]:
    """KMS keys of the endpoints' storage volumes."""
    yield from (model.kms_key_arn for model in environment.models.values() if model.kms_key_arn)


def _asynchronous_tests(environment: Environment, arns: Arns) -> Iterator[str]:
    """Responses to the smoke test of asynchronous endpoints, and to no other client."""
    for name, model in environment.models.items():
        if model.asynchronous is not None:
            own = f"s3://{environment.model_store_bucket}/{name}/async/"
            bucket, _, prefix = (model.asynchronous.output_s3 or own).removeprefix("s3://").partition("/")
            yield arns.s3(bucket, f"{prefix}smoke-test/*")


def _functions(environment: Environment, arns: Arns) -> dict[str, Any]:
    """The gateway and the authorizer, with their roles and logs."""
    prefix, api = environment.prefix, environment.api
    reservations = (api.gateway.reserved_concurrency, api.authorizer.reserved_concurrency)
    groups = [f"log-group:/aws/lambda/{prefix}-{function}" for function in FUNCTIONS]
    adapter = f"arn:{arns.partition}:lambda:{arns.region}:{WEB_ADAPTER_ACCOUNT}:layer:LambdaAdapterLayer*:*"
    table = arns.of("dynamodb", f"table/{budget_table(prefix)}")
    return {
        "budget_table": table if api.has_budgets else None,
        "functions": [arns.of("lambda", f"function:{prefix}-{function}") for function in FUNCTIONS],
        "reserved_functions": [
            arns.of("lambda", f"function:{prefix}-{name}")
            for name, number in zip(FUNCTIONS, reservations, strict=True)
            if number is not None
        ],
        "function_roles": [arns.iam(f"role/{prefix}-{function}") for function in FUNCTIONS],
        "boundary": arns.iam(f"policy/{prefix}-function-boundary"),
        # The ARN of a log group has no suffix for tagging, and ":*" for all other actions.
        "function_logs": [arns.of("logs", f"{group}{end}") for group in groups for end in ("", ":*")],
        "function_log_groups": [arns.of("logs", group) for group in groups],
        "function_log_streams": [arns.of("logs", f"{group}:*") for group in groups],
        "guardrail": None
        if api.guard is None or api.guard.bedrock is None
        else arns.of("bedrock", f"guardrail/{api.guard.bedrock.id}"),
        "web_adapter": api.gateway.web_adapter_layer_arn or adapter,
    }


def _preflight(environment: Environment, arns: Arns) -> dict[str, Any]:
    """Resources that `toolkit preflight` looks up; None or empty for what is not configured."""
    models, domain, prefix = environment.models.values(), environment.api.domain, environment.prefix
    rollouts = [model.rollout for model in models if model.rollout is not None]
    others = [model.data_capture.kms_key_arn for model in models if model.data_capture is not None]
    others.append(environment.evidence.kms_key_arn)
    notified = [model.asynchronous for model in models if model.asynchronous is not None]
    topics = [arn for item in notified for arn in (item.success_topic_arn, item.error_topic_arn)]
    topics += [] if environment.cost.alarms is None else [environment.cost.alarms.topic_arn]
    service_roles = ["sagemaker.application-autoscaling.amazonaws.com"]
    service_roles += [] if domain is None else ["ops.apigateway.amazonaws.com"]
    return {
        "all_endpoints": [arns.of("sagemaker", f"{kind}/*") for kind in ("endpoint", "endpoint-config")],
        "images": sorted(set(_images(environment, arns))),
        "service_roles": [arns.iam(f"role/aws-service-role/{service}/*") for service in service_roles],
        "ci_roles": arns.iam(f"role/{prefix}-ci-*") if environment.account.ci.roles else None,
        "checked_keys": sorted({*_keys(environment), *filter(None, others)}),
        "certificate": None if domain is None else domain.certificate_arn,
        "topics": sorted({*filter(None, topics), *environment.api.alarms.topic_arns}),
        "network": any(model.vpc is not None for model in models),
        "extra_alarms": sorted(
            {arns.of("cloudwatch", f"alarm:{name}") for rollout in rollouts for name in rollout.alarms.extra}
        ),
    }


def _cost_alarms(environment: Environment, arns: Arns) -> dict[str, Any]:
    """Alarms of AWS Billing; None or empty for what is not configured."""
    alarms = environment.cost.alarms
    monthly, anomalies = (alarms.monthly, alarms.anomalies) if alarms is not None else (None, None)
    budget = arns.without_region("budgets", f"budget/{environment.prefix}")
    kinds = ("anomalymonitor", "anomalysubscription") if anomalies is not None else ()
    return {
        "cost_alarms": alarms is not None,
        "monthly_budget": budget if monthly is not None else None,
        "anomaly_alarms": [arns.without_region("ce", f"{kind}/*") for kind in kinds],
    }


_REGISTRY = re.compile(r"(\d{12})\.dkr\.ecr(?:-fips)?\.([\w-]+)\.[\w.]+/([^:@]+)")


def _images(environment: Environment, arns: Arns) -> Iterator[str]:
    """The ECR repositories of the images."""
    for name, model in environment.models.items():
        for variant in model.all_resolved(name):
            if not isinstance(variant.source, ServerSource):
                match = _REGISTRY.match(variant.image(environment.region).uri)
                if match is not None:
                    registry, region, repository = match.groups()
                    yield f"arn:{arns.partition}:ecr:{region}:{registry}:repository/{repository}"


def _exposure(environment: Environment, arns: Arns) -> dict[str, Any]:
    """The API's access log, domain, firewall and network; None for what is not configured."""
    prefix, api = environment.prefix, environment.api
    zone = api.domain.hosted_zone_id if api.domain is not None else None
    return {
        "access_log": [arns.of("logs", f"log-group:/aws/apigateway/{prefix}{end}") for end in ("", ":*")],
        "domain": api.domain.name if api.domain is not None else None,
        "hosted_zone": arns.route53(f"hostedzone/{zone}") if zone is not None else None,
        "dns_changes": arns.route53("change/*"),
        "private": api.private is not None,
        "firewall": arns.of("wafv2", f"regional/webacl/{prefix}/*") if api.waf is not None else None,
        # AWS checks this ARN, whichever managed rule groups are used.
        "managed_rules": arns.of("wafv2", "regional/managedruleset/*/*"),
    }
