"""Find and remove resources that are missing in the state or that a destroy left behind.

An interrupted apply creates resources that it cannot record, and the provider mistakes SageMaker's refusal to
delete an endpoint in progress for success.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from toolkit.aws import endpoints
from toolkit.deployment.context import Context
from toolkit.deployment.recovery.orphans import ALL_PATHS, Orphan, OwnedResources, unless_missing
from toolkit.deployment.rollout import waiters

if TYPE_CHECKING:
    from types_boto3_application_autoscaling.literals import ScalableDimensionType

FUNCTIONS = ("gateway", "authorizer")
# AWS WAF notices the deletion of a stage with a delay.
_WEB_ACL_IN_USE = "WAFAssociatedItemException"
_WEB_ACL_SECONDS = 300


def find(context: Context, state_ids: Mapping[str, frozenset[str]]) -> list[Orphan]:
    """Resources under the environment's names and tags, in an order in which they can be removed.

    Args:
        context: the environment.
        state_ids: IDs by type of the resources in the state, which are skipped.
    """
    resources = OwnedResources(context)
    finders = (_scaling, _sagemaker, _alarms, _ingress, _api)
    orphans = [orphan for finder in finders for orphan in finder(context, resources)]
    return [orphan for orphan in orphans if orphan.id not in state_ids.get(orphan.type, ())]


def _scaling(context: Context, resources: OwnedResources) -> Iterator[Orphan]:
    """Scalable targets, with their policies, alarms and schedules.

    SageMaker deregisters them with their endpoint only if the caller has that permission, and reports nothing
    either way. An orphaned target would scale the next endpoint of that name.
    """
    autoscaling, start = context.access.autoscaling, f"endpoint/{context.environment.prefix}-"
    pages = autoscaling.get_paginator("describe_scalable_targets").paginate(ServiceNamespace="sagemaker")
    for target in pages.search("ScalableTargets[]"):
        resource = target["ResourceId"]
        if resource.startswith(start) and resources.scalable_target(resource, target["ScalableTargetARN"]):
            remove = _deregister(context, resource, target["ScalableDimension"])
            yield Orphan("scalable target", "aws_appautoscaling_target", resource, remove)


def _sagemaker(context: Context, resources: OwnedResources) -> Iterator[Orphan]:
    sagemaker, start = context.access.sagemaker, f"{context.environment.prefix}-"
    pages = sagemaker.get_paginator("list_endpoints").paginate(NameContains=start).search("Endpoints[]")
    for name in [endpoint["EndpointName"] for endpoint in pages]:
        if name.startswith(start) and resources.endpoint(name):
            yield Orphan("endpoint", "aws_sagemaker_endpoint", name, _endpoint_remover(context, name))
    configurations = sagemaker.get_paginator("list_endpoint_configs").paginate(NameContains=start)
    for name in [item["EndpointConfigName"] for item in configurations.search("EndpointConfigs[]")]:
        if name.startswith(start) and resources.configuration(name):
            kind = "endpoint configuration"
            remove = _call(lambda name: sagemaker.delete_endpoint_config(EndpointConfigName=name), name)
            yield Orphan(kind, "aws_sagemaker_endpoint_configuration", name, remove)
    models = sagemaker.get_paginator("list_models").paginate(NameContains=start).search("Models[]")
    for name in [model["ModelName"] for model in models]:
        if name.startswith(start) and resources.model(name):
            remove = _call(lambda name: sagemaker.delete_model(ModelName=name), name)
            yield Orphan("model", "aws_sagemaker_model", name, remove)


def _alarms(context: Context, resources: OwnedResources) -> Iterator[Orphan]:
    cloudwatch, start = context.access.cloudwatch, f"{context.environment.prefix}-"
    pages = cloudwatch.get_paginator("describe_alarms").paginate(AlarmNamePrefix=start)
    for alarm in pages.search("MetricAlarms[]"):
        name = alarm["AlarmName"]
        if resources.alarm(name, alarm["AlarmArn"]):
            remove = _call(lambda name: cloudwatch.delete_alarms(AlarmNames=[name]), name)
            yield Orphan("alarm", "aws_cloudwatch_metric_alarm", name, remove)


def _ingress(context: Context, resources: OwnedResources) -> Iterator[Orphan]:
    """The domain and the web ACL that the environment file names."""
    api = context.environment.api
    if api.domain is not None and resources.domain(api.domain.name):
        yield from _domain(context, resources, api.domain.name, api.domain.hosted_zone_id)
    if api.waf is not None and (web_acl := resources.firewall(context.environment.prefix)):
        remove = _web_acl_remover(context, resources, web_acl)
        yield Orphan("web ACL", "aws_wafv2_web_acl", web_acl, remove)


def _domain(context: Context, resources: OwnedResources, name: str, zone: str | None) -> Iterator[Orphan]:
    """First the record, which is identified by its target, and the mappings, which would block the API."""
    gateway = context.access.apigateway
    if zone is not None and (record := resources.record(zone, name)):
        remove = _record_remover(context, resources, zone, name)
        yield Orphan("DNS record", "aws_route53_record", record, remove)
    pages = gateway.get_paginator("get_base_path_mappings").paginate(domainName=name)
    for path in [mapping["basePath"] for page in pages for mapping in page.get("items", [])]:
        mapping_id = f"{name}/{'' if path == ALL_PATHS else path}"
        delete = _mapping_remover(context, name, path)
        yield Orphan("base path mapping", "aws_api_gateway_base_path_mapping", mapping_id, delete)
    delete = _call(lambda name: gateway.delete_domain_name(domainName=name), name)
    yield Orphan("domain name", "aws_api_gateway_domain_name", name, delete)


def _api(context: Context, resources: OwnedResources) -> Iterator[Orphan]:
    access, prefix = context.access, context.environment.prefix
    gateway = access.apigateway
    for api in resources.apis(prefix):
        remove = _call(lambda api: gateway.delete_rest_api(restApiId=api), api)
        yield Orphan("API", "aws_api_gateway_rest_api", api, remove)
    for plan in resources.usage_plans():
        remove = _call(lambda plan: gateway.delete_usage_plan(usagePlanId=plan), plan)
        yield Orphan("usage plan", "aws_api_gateway_usage_plan", plan, remove)
    for name in (f"{prefix}-{function}" for function in FUNCTIONS):
        if resources.function(name):
            remove = _call(lambda name: access.lambda_.delete_function(FunctionName=name), name)
            yield Orphan("function", "aws_lambda_function", name, remove)
        if resources.role(name):
            yield Orphan("role", "aws_iam_role", name, _role_remover(context, name))
    groups = [f"/aws/lambda/{prefix}-{function}" for function in FUNCTIONS]
    groups += [f"/aws/sagemaker/Endpoints/{name}" for name in waiters.endpoint_names(context).values()]
    for group in [*groups, f"/aws/apigateway/{prefix}"]:
        if resources.log_group(group):
            remove = _call(lambda group: access.logs.delete_log_group(logGroupName=group), group)
            yield Orphan("log group", "aws_cloudwatch_log_group", group, remove)


def _call(remove: Callable[[str], object], name: str) -> Callable[[], object]:
    return lambda: remove(name)


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
                while endpoints.describe(context.access, name) is not None:
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


def _record_remover(context: Context, resources: OwnedResources, zone: str, name: str) -> Callable[[], None]:
    def remove() -> None:
        record = resources.record_set(zone, name)
        if record is not None:
            context.access.route53.change_resource_record_sets(
                HostedZoneId=zone,
                ChangeBatch={"Changes": [{"Action": "DELETE", "ResourceRecordSet": record}]},
            )

    return remove


def _mapping_remover(context: Context, domain: str, path: str) -> Callable[[], object]:
    delete = context.access.apigateway.delete_base_path_mapping
    return lambda: delete(domainName=domain, basePath=path)


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
