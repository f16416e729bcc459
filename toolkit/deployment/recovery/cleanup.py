"""Find and remove resources that are missing in the state or that a destroy left behind, kind by kind.

An interrupted apply creates resources that it cannot record, and the provider mistakes SageMaker's refusal to
delete an endpoint in progress for success.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from toolkit.aws import endpoints as sagemaker_endpoints
from toolkit.aws import state_lock
from toolkit.aws.concurrent import map_concurrently
from toolkit.deployment import locks
from toolkit.deployment.context import Context
from toolkit.deployment.recovery.orphans import ALL_PATHS, Orphan, OwnedResources, unless_missing
from toolkit.deployment.rollout import waiters
from toolkit.environment import budget_table
from toolkit.errors import StateError
from toolkit.packaging import FUNCTIONS

if TYPE_CHECKING:
    from types_boto3_apigateway.type_defs import PatchOperationTypeDef
    from types_boto3_application_autoscaling.literals import ScalableDimensionType

CONFIGURATION, MODEL = "aws_sagemaker_endpoint_configuration", "aws_sagemaker_model"
API, USAGE_PLAN = "aws_api_gateway_rest_api", "aws_api_gateway_usage_plan"
# How the description of the API module's deployments begins.
_DEPLOYMENT = "OpenAPI document "
# AWS WAF notices the deletion of a stage with a delay.
_WEB_ACL_IN_USE = "WAFAssociatedItemException"
_WEB_ACL_SECONDS = 300


def scalable_targets(context: Context, resources: OwnedResources) -> Iterator[Orphan]:
    """Scalable targets, with their policies, alarms and schedules.

    SageMaker deregisters them with their endpoint only if the caller has that permission, and reports nothing
    either way. An orphaned target would scale the next endpoint of that name.
    """
    autoscaling, start = context.access.autoscaling, f"endpoint/{resources.prefix}-"
    pages = autoscaling.get_paginator("describe_scalable_targets").paginate(ServiceNamespace="sagemaker")
    targets = {target["ResourceId"]: target for target in pages.search("ScalableTargets[]")}
    for resource in resources.unrecorded("aws_appautoscaling_target", targets):
        target = targets[resource]
        if resource.startswith(start) and resources.scalable_target(resource, target["ScalableTargetARN"]):
            remove = _deregister(context, resource, target["ScalableDimension"])
            yield Orphan("scalable target", "aws_appautoscaling_target", resource, remove)


def endpoints(context: Context, resources: OwnedResources) -> Iterator[Orphan]:
    """SageMaker endpoints."""
    start = f"{resources.prefix}-"
    pages = context.access.sagemaker.get_paginator("list_endpoints").paginate(NameContains=start)
    names = [endpoint["EndpointName"] for endpoint in pages.search("Endpoints[]")]
    for name in resources.unrecorded("aws_sagemaker_endpoint", names):
        if name.startswith(start) and resources.endpoint(name):
            yield Orphan("endpoint", "aws_sagemaker_endpoint", name, _endpoint_remover(context, name))


def endpoint_configurations(context: Context, resources: OwnedResources) -> Iterator[Orphan]:
    """SageMaker endpoint configurations."""
    sagemaker, start = context.access.sagemaker, f"{resources.prefix}-"
    pages = sagemaker.get_paginator("list_endpoint_configs").paginate(NameContains=start)
    created = {item["EndpointConfigName"]: item["CreationTime"] for item in pages.search("EndpointConfigs[]")}
    for name in resources.unrecorded(CONFIGURATION, created):
        if name.startswith(start) and resources.configuration(name):
            remove = partial(sagemaker.delete_endpoint_config, EndpointConfigName=name)
            yield Orphan("endpoint configuration", CONFIGURATION, name, remove, created[name])


def models(context: Context, resources: OwnedResources) -> Iterator[Orphan]:
    """SageMaker models."""
    sagemaker, start = context.access.sagemaker, f"{resources.prefix}-"
    pages = sagemaker.get_paginator("list_models").paginate(NameContains=start)
    created = {model["ModelName"]: model["CreationTime"] for model in pages.search("Models[]")}
    for name in resources.unrecorded(MODEL, created):
        if name.startswith(start) and resources.model(name):
            yield Orphan("model", MODEL, name, partial(sagemaker.delete_model, ModelName=name), created[name])


def alarms(context: Context, resources: OwnedResources) -> Iterator[Orphan]:
    """CloudWatch alarms."""
    cloudwatch, start = context.access.cloudwatch, f"{resources.prefix}-"
    pages = cloudwatch.get_paginator("describe_alarms").paginate(AlarmNamePrefix=start)
    arns = {alarm["AlarmName"]: alarm["AlarmArn"] for alarm in pages.search("MetricAlarms[]")}
    for name in resources.unrecorded("aws_cloudwatch_metric_alarm", arns):
        if resources.alarm(name, arns[name]):
            remove = partial(cloudwatch.delete_alarms, AlarmNames=[name])
            yield Orphan("alarm", "aws_cloudwatch_metric_alarm", name, remove)


def dashboard(context: Context, resources: OwnedResources) -> Iterator[Orphan]:
    """The CloudWatch dashboard."""
    delete = context.access.cloudwatch.delete_dashboards
    for name in resources.unrecorded("aws_cloudwatch_dashboard", [resources.prefix]):
        if resources.dashboard(name):
            remove = partial(delete, DashboardNames=[name])
            yield Orphan("dashboard", "aws_cloudwatch_dashboard", name, remove)


def domain(context: Context, resources: OwnedResources) -> Iterator[Orphan]:
    """The domain that the environment file names, after its record and mappings.

    The record is identified by its target, and the mappings would block the deletion of the API.
    """
    settings, gateway = context.environment.api.domain, context.access.apigateway
    if settings is None or not resources.domain(settings.name):
        return
    name, zone = settings.name, settings.hosted_zone_id
    if zone is not None and (record := resources.record(zone, name)):
        remove_record = _record_remover(context, resources, zone, name)
        yield Orphan("DNS record", "aws_route53_record", record, remove_record)
    pages = gateway.get_paginator("get_base_path_mappings").paginate(domainName=name)
    for path in [mapping["basePath"] for page in pages for mapping in page.get("items", [])]:
        mapping_id = f"{name}/{'' if path == ALL_PATHS else path}"
        remove_mapping = partial(gateway.delete_base_path_mapping, domainName=name, basePath=path)
        yield Orphan("base path mapping", "aws_api_gateway_base_path_mapping", mapping_id, remove_mapping)
    remove = partial(gateway.delete_domain_name, domainName=name)
    yield Orphan("domain name", "aws_api_gateway_domain_name", name, remove)


def web_acl(context: Context, resources: OwnedResources) -> Iterator[Orphan]:
    """The web ACL, if the environment file has one."""
    if context.environment.api.waf is not None and (web_acl := resources.firewall(resources.prefix)):
        remove = _web_acl_remover(context, resources, web_acl)
        yield Orphan("web ACL", "aws_wafv2_web_acl", web_acl, remove)


def apis(context: Context, resources: OwnedResources) -> Iterator[Orphan]:
    """REST APIs."""
    delete = context.access.apigateway.delete_rest_api
    for api, created in resources.apis(resources.prefix).items():
        yield Orphan("API", API, api, partial(delete, restApiId=api), created)


def usage_plans(context: Context, resources: OwnedResources) -> Iterator[Orphan]:
    """Usage plans."""
    for plan in resources.usage_plans():
        yield Orphan("usage plan", USAGE_PLAN, plan, _usage_plan_remover(context, plan))


def functions(context: Context, resources: OwnedResources) -> Iterator[Orphan]:
    """Lambda functions."""
    delete = context.access.lambda_.delete_function
    names = [f"{resources.prefix}-{function}" for function in FUNCTIONS]
    for name in resources.unrecorded("aws_lambda_function", names):
        if resources.function(name):
            yield Orphan("function", "aws_lambda_function", name, partial(delete, FunctionName=name))


def tables(context: Context, resources: OwnedResources) -> Iterator[Orphan]:
    """The table with the counters of budgets, if the environment file has budgets."""
    names = [budget_table(resources.prefix)] if context.environment.api.has_budgets else []
    for name in resources.unrecorded("aws_dynamodb_table", names):
        if resources.table(name):
            remove = partial(context.access.dynamodb.delete_table, TableName=name)
            yield Orphan("table", "aws_dynamodb_table", name, remove)


def budget(context: Context, resources: OwnedResources) -> Iterator[Orphan]:
    """The monthly budget, if the environment file has one."""
    alarms, account = context.environment.cost.alarms, context.environment.account_id
    if alarms is None or alarms.monthly is None:
        return
    if budget := resources.budget(resources.prefix):
        delete = context.access.budgets.delete_budget
        remove = partial(delete, AccountId=account, BudgetName=resources.prefix)
        yield Orphan("budget", "aws_budgets_budget", budget, remove)


def anomaly_subscriptions(context: Context, resources: OwnedResources) -> Iterator[Orphan]:
    """Subscriptions to anomalies, if the environment file has them."""
    if _has_anomaly_alarms(context):
        delete = context.access.cost_explorer.delete_anomaly_subscription
        for arn in resources.anomaly_subscriptions():
            remove = partial(delete, SubscriptionArn=arn)
            yield Orphan("anomaly subscription", "aws_ce_anomaly_subscription", arn, remove)


def anomaly_monitors(context: Context, resources: OwnedResources) -> Iterator[Orphan]:
    """Anomaly monitors, if the environment file has one."""
    if _has_anomaly_alarms(context):
        delete = context.access.cost_explorer.delete_anomaly_monitor
        for arn in resources.anomaly_monitors():
            remove = partial(delete, MonitorArn=arn)
            yield Orphan("anomaly monitor", "aws_ce_anomaly_monitor", arn, remove)


def _has_anomaly_alarms(context: Context) -> bool:
    alarms = context.environment.cost.alarms
    return alarms is not None and alarms.anomalies is not None


def roles(context: Context, resources: OwnedResources) -> Iterator[Orphan]:
    """Execution roles of the functions."""
    names = [f"{resources.prefix}-{function}" for function in FUNCTIONS]
    for name in resources.unrecorded("aws_iam_role", names):
        if resources.role(name):
            yield Orphan("role", "aws_iam_role", name, _role_remover(context, name))


def api_log_groups(context: Context, resources: OwnedResources) -> Iterator[Orphan]:
    """Log groups of the functions and of the API."""
    groups = [f"/aws/lambda/{resources.prefix}-{function}" for function in FUNCTIONS]
    groups.append(f"/aws/apigateway/{resources.prefix}")
    yield from _log_groups(context, [group for group in groups if resources.log_group(group)])


def endpoint_log_groups(context: Context, resources: OwnedResources) -> Iterator[Orphan]:
    """Log groups of endpoints; those of models that the environment file no longer has need our tags."""
    start = "/aws/sagemaker/Endpoints/"
    groups = [f"{start}{name}" for name in waiters.endpoint_names(context).values()]
    existing = [group for group in groups if resources.log_group(group)]
    others = resources.log_groups(f"{start}{resources.prefix}-")
    yield from _log_groups(context, dict.fromkeys([*existing, *others]))


def _log_groups(context: Context, names: Iterable[str]) -> Iterator[Orphan]:
    delete = context.access.logs.delete_log_group
    for name in names:
        yield Orphan("log group", "aws_cloudwatch_log_group", name, partial(delete, logGroupName=name))


def remove_superseded(context: Context, seconds: float) -> None:
    """Delete what an interrupted apply left behind, no later one imports, and nothing uses.

    Later plans know neither models and endpoint configurations of other content, nor the second API or usage
    plan of a creation whose response was lost. Does nothing while the state is locked: an apply elsewhere has
    begun, and cleans up at its end.

    Args:
        context: the environment, whose apply has succeeded.
        seconds: since before the apply locked the state. What is younger stays: an apply elsewhere whose lock
            was cleared, which can only have begun since then, may be creating it.
    """
    bucket, key = locks.location(context, "inference")
    with ExitStack() as stack:
        try:
            stack.enter_context(state_lock.held(context.access, bucket, key, "clean-up"))
        except StateError:
            return
        # Another apply may have finished since this one, and recorded what it created.
        context.reload_state()
        _remove_superseded(context, seconds)


def _remove_superseded(context: Context, seconds: float) -> None:
    resources = OwnedResources(context, context.state.ids)
    finders = (endpoint_configurations, models, apis, usage_plans)
    results = map_concurrently(lambda finder: list(finder(context, resources)), finders)
    orphans = [orphan for of_kind in results for orphan in of_kind]
    orphans = [orphan for orphan in orphans if resources.unrecorded(orphan.type, [orphan.id])]
    if orphans:
        # The clock of AWS, which shows no fractions of a second.
        latest = context.access.now() - timedelta(seconds=seconds + 1)
        served = _served(context)
        for orphan in orphans:
            young = orphan.created is not None and orphan.created >= latest
            if not young and orphan.id not in served and not _is_used(context, orphan):
                orphan.remove()
                context.console.line(f"deleted {orphan}, which an interrupted apply created")
    remove_superseded_deployments(context)


def _served(context: Context) -> set[str]:
    """Endpoint configurations and models of the environment's endpoints, also after a rolled back update."""
    sagemaker, start = context.access.sagemaker, f"{context.environment.prefix}-"
    pages = sagemaker.get_paginator("list_endpoints").paginate(NameContains=start)
    served = set()
    # Other projects' names may contain the prefix; deployers may not describe their endpoints.
    for name in [name for name in pages.search("Endpoints[].EndpointName") if name.startswith(start)]:
        endpoint = sagemaker_endpoints.describe(context.access, name)
        if endpoint is not None:
            configuration = endpoint["EndpointConfigName"]
            served |= {configuration, *_models_of(context, configuration)}
    return served


def _models_of(context: Context, configuration: str) -> set[str]:
    """The models of an endpoint configuration; none if it was deleted."""
    try:
        description = context.access.sagemaker.describe_endpoint_config(EndpointConfigName=configuration)
    except ClientError as error:
        if sagemaker_endpoints.is_missing(error):
            return set()
        raise
    variants = description["ProductionVariants"] + description.get("ShadowProductionVariants", [])
    return {variant.get("ModelName", "") for variant in variants}


def _is_used(context: Context, orphan: Orphan) -> bool:
    """Whether an API may have clients, or a usage plan keys."""
    gateway = context.access.apigateway
    if orphan.type == API:
        return bool(gateway.get_stages(restApiId=orphan.id)["item"])
    return orphan.type == USAGE_PLAN and bool(gateway.get_usage_plan_keys(usagePlanId=orphan.id)["items"])


def remove_superseded_deployments(context: Context) -> None:
    """Delete deployments of the API that an interrupted apply left behind, and that no stage serves.

    They have no name that a second creation could collide with, so the next apply creates another one.
    """
    gateway, recorded = context.access.apigateway, context.state.ids
    current = recorded.get("aws_api_gateway_deployment", frozenset())
    for api in recorded.get("aws_api_gateway_rest_api", ()):
        pages = gateway.get_paginator("get_deployments").paginate(restApiId=api)
        deployments = [item for page in pages for item in page["items"] if item["id"] not in current]
        ours = [item["id"] for item in deployments if item.get("description", "").startswith(_DEPLOYMENT)]
        served = _served_deployments(context, api) if ours else set()
        for deployment in [deployment for deployment in ours if deployment not in served]:
            gateway.delete_deployment(restApiId=api, deploymentId=deployment)
            context.console.line(f"deleted API deployment {deployment}, which an interrupted apply created")


def _served_deployments(context: Context, api: str) -> set[str]:
    stages = context.access.apigateway.get_stages(restApiId=api)["item"]
    served = {stage["deploymentId"] for stage in stages}
    return served | {stage["canarySettings"]["deploymentId"] for stage in stages if "canarySettings" in stage}


def _deregister(context: Context, resource: str, dimension: ScalableDimensionType) -> Callable[[], object]:
    deregister = context.access.autoscaling.deregister_scalable_target
    return lambda: unless_missing(
        lambda: deregister(ServiceNamespace="sagemaker", ResourceId=resource, ScalableDimension=dimension)
    )


def _endpoint_remover(context: Context, name: str) -> Callable[[], None]:
    def remove() -> None:
        if name in waiters.wait_until_stable(context, [name]):
            context.access.sagemaker.delete_endpoint(EndpointName=name)
            pace = waiters.pace(context.access)
            with context.console.progress(f"deleting {name}"):
                while sagemaker_endpoints.describe(context.access, name) is not None:
                    # Until then its configuration and its model are in use.
                    time.sleep(pace.next(changed=False))

    return remove


def _role_remover(context: Context, name: str) -> Callable[[], None]:
    iam = context.access.iam

    def remove() -> None:
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
            iam.delete_role_policy(RoleName=name, PolicyName=policy)
        for attached in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
            iam.detach_role_policy(RoleName=name, PolicyArn=attached["PolicyArn"])
        unless_missing(lambda: iam.delete_role(RoleName=name))

    return remove


def _usage_plan_remover(context: Context, plan: str) -> Callable[[], None]:
    gateway = context.access.apigateway

    def remove() -> None:
        # AWS refuses to delete a plan with stages.
        stages = gateway.get_usage_plan(usagePlanId=plan).get("apiStages", [])
        for stage in stages:
            place = f"{stage['apiId']}:{stage['stage']}"
            operation: PatchOperationTypeDef = {"op": "remove", "path": "/apiStages", "value": place}
            gateway.update_usage_plan(usagePlanId=plan, patchOperations=[operation])
        gateway.delete_usage_plan(usagePlanId=plan)

    return remove


def _record_remover(context: Context, resources: OwnedResources, zone: str, name: str) -> Callable[[], None]:
    def remove() -> None:
        record = resources.record_set(zone, name)
        if record is not None:
            context.access.route53.change_resource_record_sets(
                HostedZoneId=zone,
                ChangeBatch={"Changes": [{"Action": "DELETE", "ResourceRecordSet": record}]},
            )

    return remove


def _web_acl_remover(context: Context, resources: OwnedResources, web_acl: str) -> Callable[[], None]:
    access, environment = context.access, context.environment

    def remove() -> None:
        for api in resources.apis(environment.prefix):
            if resources.stage(api, environment.api.stage):
                path = f"/restapis/{api}/stages/{environment.api.stage}"
                arn = f"arn:{access.partition}:apigateway:{access.region}::{path}"
                access.wafv2.disassociate_web_acl(ResourceArn=arn)
        pace = waiters.pace(access)
        deadline = time.monotonic() + _WEB_ACL_SECONDS
        while not _delete_web_acl(context, web_acl, retry=time.monotonic() < deadline):
            time.sleep(pace.next(changed=False))

    return remove


def _delete_web_acl(context: Context, web_acl: str, *, retry: bool) -> bool:
    """Delete a web ACL; returns False if it is still in use and may be tried again."""
    waf, name = context.access.wafv2, context.environment.prefix
    response = unless_missing(lambda: waf.get_web_acl(Name=name, Scope="REGIONAL", Id=web_acl))
    if response is None:
        return True
    try:
        waf.delete_web_acl(Name=name, Scope="REGIONAL", Id=web_acl, LockToken=response["LockToken"])
    except ClientError as error:
        if retry and error.response["Error"]["Code"] == _WEB_ACL_IN_USE:
            return False
        raise
    return True
