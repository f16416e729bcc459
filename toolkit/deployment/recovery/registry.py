"""How each resource of the stacks is recovered after an interrupted apply: the one place for all of them.

An apply that is killed leaves resources that its state does not contain. Every `resource` block of the stacks
has an entry here, by its address without instance keys: how the next apply finds and imports it, and how a
destroy finds and removes it, or why neither is needed. A test compares the entries with terraform/.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from toolkit.deployment.context import Context
from toolkit.deployment.recovery import cleanup
from toolkit.deployment.recovery.orphans import Orphan, OwnedResources, Stack
from toolkit.environment import budget_table, endpoint_name

_INSTANCE_KEY = re.compile(r'\["?([^"\]]*)"?\]')


@dataclass(frozen=True)
class Address:
    """The address of a resource.

    Attributes:
        block: its `resource` block: the address without instance keys.
        model: the key of its module, for a model's resources.
        key: its own key, "0" with `count`; None without.
    """

    block: str
    model: str | None = None
    key: str | None = None

    @property
    def resource_type(self) -> str:
        """The Terraform type."""
        return self.block.split(".")[-2]

    @classmethod
    def parse(cls, address: str) -> Address:
        """Parse an address of Terraform."""
        block = _INSTANCE_KEY.sub("", address)
        key = re.search(_INSTANCE_KEY.pattern + "$", address)
        model = re.match(r"module\.\w+" + _INSTANCE_KEY.pattern, address)
        return cls(block, model[1] if model else None, key[1] if key else None)


LookUp = Callable[[OwnedResources, Address], str | None]
Finder = Callable[[Context, OwnedResources], Iterable[Orphan]]


@dataclass(frozen=True)
class Recovery:
    """How the resources of one block are recovered.

    Attributes:
        look_up: finds the import ID of a planned resource that exists; or why no import is needed.
        find_orphans: finds all of them in AWS, for a destroy; or why none needs to be found.
        ingress: whether a destroy removes orphans before Terraform runs: they would block it.
    """

    look_up: LookUp | str
    find_orphans: Finder | str
    ingress: bool = False


_REPEATABLE = "AWS overwrites it: creating it again leaves one"
_STATE_ONLY = Recovery("exists only in the state", "exists only in the state")
_STACK_STAYS = "the account stack is never destroyed: prevent_destroy protects its state bucket"


def _with(parent: str) -> str:
    return f"AWS deletes it with its {parent}"


def _endpoint(owned: OwnedResources, address: Address) -> str:
    return endpoint_name(owned.prefix, address.model or "")


def _log_group(owned: OwnedResources, address: Address) -> str | None:
    if address.key == "access":
        return owned.log_group(f"/aws/apigateway/{owned.prefix}")
    return owned.log_group(f"/aws/lambda/{owned.prefix}-{address.key}")


def _usage_plan(owned: OwnedResources, address: Address) -> str | None:
    return owned.usage_plan(owned.prefix if address.key == "default" else f"{owned.prefix}-{address.key}")


def _function(name: str) -> LookUp:
    return lambda owned, _: owned.function(f"{owned.prefix}-{name}")


def _permission(name: str) -> LookUp:
    return lambda owned, _: owned.permission(f"{owned.prefix}-{name}", "api-gateway")


def _domain(owned: OwnedResources, _: Address) -> str | None:
    domain = owned.environment.api.domain
    return owned.domain(domain.name) if domain else None


def _mapping(owned: OwnedResources, _: Address) -> str | None:
    domain = owned.environment.api.domain
    return owned.mapping(domain.name, domain.base_path) if domain else None


def _record(owned: OwnedResources, _: Address) -> str | None:
    domain = owned.environment.api.domain
    return owned.record(domain.hosted_zone_id or "", domain.name) if domain else None


def _target(owned: OwnedResources, at: Address) -> str | None:
    return owned.registered_target(f"endpoint/{_endpoint(owned, at)}/variant/{at.key}")


def _web_acl(owned: OwnedResources, _: Address) -> str | None:
    web_acl = owned.firewall(owned.prefix)
    return f"{web_acl}/{owned.prefix}/REGIONAL" if web_acl else None


def _subscription(owned: OwnedResources, at: Address) -> str | None:
    return owned.anomaly_subscription(f"{owned.prefix}-{at.key}")


# In the order in which AWS accepts their deletion.
INFERENCE: Mapping[str, Recovery] = {
    "module.endpoint.aws_appautoscaling_target.this": Recovery(_target, cleanup.scalable_targets),
    "module.endpoint.aws_appautoscaling_target.scheduled": Recovery(_target, cleanup.scalable_targets),
    "module.endpoint.aws_appautoscaling_policy.tracking": Recovery(_REPEATABLE, _with("scalable target")),
    "module.endpoint.aws_appautoscaling_policy.from_zero": Recovery(_REPEATABLE, _with("scalable target")),
    "module.endpoint.aws_appautoscaling_scheduled_action.this": Recovery(
        _REPEATABLE, _with("scalable target")
    ),
    "module.endpoint.aws_sagemaker_endpoint.this": Recovery(
        lambda owned, at: owned.endpoint(_endpoint(owned, at)), cleanup.endpoints
    ),
    "module.endpoint.aws_sagemaker_endpoint_configuration.this": Recovery(
        lambda owned, at: owned.configuration(f"{_endpoint(owned, at)}-{at.key}"),
        cleanup.endpoint_configurations,
    ),
    "module.endpoint.aws_sagemaker_model.this": Recovery(
        lambda owned, at: owned.model(f"{_endpoint(owned, at)}-{at.key}"), cleanup.models
    ),
    "module.endpoint.aws_cloudwatch_metric_alarm.rollout": Recovery(_REPEATABLE, cleanup.alarms),
    "module.endpoint.aws_cloudwatch_metric_alarm.quality": Recovery(_REPEATABLE, cleanup.alarms),
    "module.endpoint.aws_cloudwatch_metric_alarm.from_zero": Recovery(_REPEATABLE, cleanup.alarms),
    "module.observability.aws_cloudwatch_metric_alarm.this": Recovery(_REPEATABLE, cleanup.alarms),
    "module.observability.aws_cloudwatch_dashboard.this": Recovery(_REPEATABLE, cleanup.dashboard),
    "module.observability.aws_budgets_budget.this": Recovery(
        lambda owned, _: owned.budget(owned.prefix), cleanup.budget
    ),
    "module.observability.aws_ce_anomaly_subscription.this": Recovery(
        _subscription, cleanup.anomaly_subscriptions
    ),
    "module.observability.aws_ce_anomaly_monitor.this": Recovery(
        lambda owned, _: owned.anomaly_monitor(), cleanup.anomaly_monitors
    ),
    "module.api.aws_route53_record.domain": Recovery(_record, cleanup.domain, ingress=True),
    "module.api.aws_api_gateway_base_path_mapping.this": Recovery(_mapping, cleanup.domain, ingress=True),
    "module.api.aws_api_gateway_domain_name.this": Recovery(_domain, cleanup.domain, ingress=True),
    "module.api.aws_wafv2_web_acl.this": Recovery(_web_acl, cleanup.web_acl, ingress=True),
    "module.api.aws_wafv2_web_acl_association.stage": Recovery(_REPEATABLE, "removed with its web ACL"),
    "module.api.aws_api_gateway_rest_api.this": Recovery(
        lambda owned, _: owned.api(owned.prefix), cleanup.apis
    ),
    "module.api.aws_api_gateway_rest_api_policy.this": Recovery(_REPEATABLE, _with("API")),
    "module.api.aws_api_gateway_deployment.this": Recovery(
        "an apply ends with `remove_superseded`, since an imported one is always replaced",
        _with("API"),
    ),
    "module.api.aws_api_gateway_stage.this": Recovery(
        lambda owned, _: owned.stage(owned.api(owned.prefix), owned.environment.api.stage), _with("API")
    ),
    "module.api.aws_api_gateway_method_settings.all": Recovery(_REPEATABLE, _with("stage")),
    "module.api.aws_api_gateway_usage_plan.this": Recovery(_usage_plan, cleanup.usage_plans),
    "module.api.aws_lambda_function.gateway": Recovery(_function("gateway"), cleanup.functions),
    "module.api.aws_lambda_function.authorizer": Recovery(_function("authorizer"), cleanup.functions),
    "module.api.aws_lambda_permission.gateway": Recovery(_permission("gateway"), _with("function")),
    "module.api.aws_lambda_permission.authorizer": Recovery(_permission("authorizer"), _with("function")),
    "module.api.aws_dynamodb_table.budgets": Recovery(
        lambda owned, _: owned.table(budget_table(owned.prefix)), cleanup.tables
    ),
    "module.api.aws_iam_role.function": Recovery(
        lambda owned, at: owned.role(f"{owned.prefix}-{at.key}"), cleanup.roles
    ),
    "module.api.aws_iam_role_policy.function": Recovery(_REPEATABLE, "removed with its role"),
    "module.api.aws_cloudwatch_log_group.this": Recovery(_log_group, cleanup.api_log_groups),
    "module.endpoint.aws_cloudwatch_log_group.this": Recovery(
        lambda owned, at: owned.log_group(f"/aws/sagemaker/Endpoints/{_endpoint(owned, at)}"),
        cleanup.endpoint_log_groups,
    ),
    "module.endpoint.terraform_data.fleet": _STATE_ONLY,
    "module.endpoint.terraform_data.identity": _STATE_ONLY,
    "module.endpoint.terraform_data.rollout": _STATE_ONLY,
}


def _logging_role(owned: OwnedResources, _: Address) -> str | None:
    return owned.role(f"{owned.environment.project}-{owned.environment.region}-api-logs")


# The settings of a bucket, of the state and of the models.
_BASELINE = (
    "aws_s3_bucket_lifecycle_configuration",
    "aws_s3_bucket_ownership_controls",
    "aws_s3_bucket_policy",
    "aws_s3_bucket_public_access_block",
    "aws_s3_bucket_server_side_encryption_configuration",
    "aws_s3_bucket_versioning",
)
ACCOUNT: Mapping[str, Recovery] = {
    "aws_s3_bucket.state": Recovery("the stack always imports it", _STACK_STAYS),
    "module.model_store.aws_s3_bucket.this": Recovery(
        lambda owned, _: owned.bucket(owned.environment.model_store_bucket), _STACK_STAYS
    ),
    **{
        f"{module}.{kind}.this": Recovery(_REPEATABLE, _STACK_STAYS)
        for module in ("module.state_bucket", "module.model_store.module.baseline")
        for kind in _BASELINE
    },
    "module.execution_role.aws_iam_role.this": Recovery(
        lambda owned, _: owned.role(owned.environment.account.execution_role.name or ""), _STACK_STAYS
    ),
    "module.execution_role.aws_iam_role_policy.this": Recovery(_REPEATABLE, _STACK_STAYS),
    "module.deployer_policies.aws_iam_policy.this": Recovery(
        lambda owned, at: owned.policy(at.key or ""), _STACK_STAYS
    ),
    "module.ci_roles.aws_iam_openid_connect_provider.this": Recovery(
        lambda owned, at: owned.identity_provider(at.key or ""), _STACK_STAYS
    ),
    "module.ci_roles.aws_iam_role.this": Recovery(lambda owned, at: owned.role(at.key or ""), _STACK_STAYS),
    "module.ci_roles.aws_iam_role_policy_attachment.this": Recovery(_REPEATABLE, _STACK_STAYS),
    "module.api_logging.aws_iam_role.this": Recovery(_logging_role, _STACK_STAYS),
    "module.api_logging.aws_iam_role_policy.this": Recovery(_REPEATABLE, _STACK_STAYS),
    "module.api_logging.aws_api_gateway_account.this": Recovery(_REPEATABLE, _STACK_STAYS),
}
# Types in front of the API.
INGRESS = frozenset(block.split(".")[-2] for block, recovery in INFERENCE.items() if recovery.ingress)
STACKS: Mapping[Stack, Mapping[str, Recovery]] = {"inference": INFERENCE, "account": ACCOUNT}


def find_orphans(context: Context, recorded: Mapping[str, frozenset[str]]) -> list[Orphan]:
    """Resources under the environment's names and tags, in an order in which they can be removed.

    Args:
        context: the environment.
        recorded: IDs by type of the resources in the state, which are skipped.
    """
    owned = OwnedResources(context, recorded)
    finders = [recovery.find_orphans for recovery in INFERENCE.values()]
    distinct = dict.fromkeys(finder for finder in finders if not isinstance(finder, str))
    orphans = [orphan for finder in distinct for orphan in finder(context, owned)]
    return [orphan for orphan in orphans if owned.unrecorded(orphan.type, [orphan.id])]
