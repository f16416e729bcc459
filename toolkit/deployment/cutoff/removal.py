"""What of an environment its state does not know, or a destroy has left: found, named and removed.

An apply that was cut off has made things that it could not write down, and Terraform's provider takes
SageMaker's refusal to delete an endpoint that it works on for a success.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from toolkit.aws import endpoints
from toolkit.deployment.context import Context
from toolkit.deployment.cutoff import inthefront
from toolkit.deployment.cutoff.leftovers import Leftover, Leftovers, unless_missing
from toolkit.deployment.rollout import settle, watch

if TYPE_CHECKING:
    from types_boto3_application_autoscaling.literals import ScalableDimensionType

FUNCTIONS = ("gateway", "authorizer")


def find(context: Context, known: Mapping[str, frozenset[str]]) -> list[Leftover]:
    """What there is under the environment's names and tags, in an order in which it can be removed.

    Args:
        context: the environment.
        known: ids by type of what is in the state, and left out here.
    """
    there = Leftovers(context)
    parts = (_scaling, _sagemaker, _alarms, inthefront.removable, _api)
    everything = [each for part in parts for each in part(context, there)]
    return [each for each in everything if each.id not in known.get(each.type, ())]


def _scaling(context: Context, there: Leftovers) -> Iterator[Leftover]:
    """What scales endpoints, with its policies, their alarms and its schedules.

    With an endpoint SageMaker deregisters it only if the caller may do that, too, and says nothing either
    way; what is left would scale the next endpoint of that name.
    """
    autoscaling, start = context.access.autoscaling, f"endpoint/{context.environment.prefix}-"
    pages = autoscaling.get_paginator("describe_scalable_targets").paginate(ServiceNamespace="sagemaker")
    for target in pages.search("ScalableTargets[]"):
        resource = target["ResourceId"]
        if resource.startswith(start) and there.scalable_target(resource, target["ScalableTargetARN"]):
            remove = _deregister(context, resource, target["ScalableDimension"])
            yield Leftover("scalable target", "aws_appautoscaling_target", resource, remove)


def _sagemaker(context: Context, there: Leftovers) -> Iterator[Leftover]:
    sagemaker, start = context.access.sagemaker, f"{context.environment.prefix}-"
    found = sagemaker.get_paginator("list_endpoints").paginate(NameContains=start).search("Endpoints[]")
    for name in [each["EndpointName"] for each in found if each["EndpointName"].startswith(start)]:
        if there.endpoint(name):
            yield Leftover("endpoint", "aws_sagemaker_endpoint", name, _endpoint_remover(context, name))
    pages = sagemaker.get_paginator("list_endpoint_configs").paginate(NameContains=start)
    for name in [each["EndpointConfigName"] for each in pages.search("EndpointConfigs[]")]:
        if name.startswith(start) and there.configuration(name):
            kind = "endpoint configuration"
            remove = _call(lambda name: sagemaker.delete_endpoint_config(EndpointConfigName=name), name)
            yield Leftover(kind, "aws_sagemaker_endpoint_configuration", name, remove)
    models = sagemaker.get_paginator("list_models").paginate(NameContains=start).search("Models[]")
    for name in [each["ModelName"] for each in models]:
        if name.startswith(start) and there.model(name):
            remove = _call(lambda name: sagemaker.delete_model(ModelName=name), name)
            yield Leftover("model", "aws_sagemaker_model", name, remove)


def _alarms(context: Context, there: Leftovers) -> Iterator[Leftover]:
    cloudwatch, start = context.access.cloudwatch, f"{context.environment.prefix}-"
    pages = cloudwatch.get_paginator("describe_alarms").paginate(AlarmNamePrefix=start)
    for alarm in pages.search("MetricAlarms[]"):
        name = alarm["AlarmName"]
        if there.alarm(name, alarm["AlarmArn"]):
            remove = _call(lambda name: cloudwatch.delete_alarms(AlarmNames=[name]), name)
            yield Leftover("alarm", "aws_cloudwatch_metric_alarm", name, remove)


def _api(context: Context, there: Leftovers) -> Iterator[Leftover]:
    access, prefix = context.access, context.environment.prefix
    gateway = access.apigateway
    for api in there.apis(prefix):
        remove = _call(lambda api: gateway.delete_rest_api(restApiId=api), api)
        yield Leftover("API", "aws_api_gateway_rest_api", api, remove)
    for plan in there.usage_plans():
        remove = _call(lambda plan: gateway.delete_usage_plan(usagePlanId=plan), plan)
        yield Leftover("usage plan", "aws_api_gateway_usage_plan", plan, remove)
    for name in (f"{prefix}-{function}" for function in FUNCTIONS):
        if there.function(name):
            remove = _call(lambda name: access.lambda_.delete_function(FunctionName=name), name)
            yield Leftover("function", "aws_lambda_function", name, remove)
        if there.role(name):
            yield Leftover("role", "aws_iam_role", name, _role_remover(context, name))
    groups = [f"/aws/lambda/{prefix}-{function}" for function in FUNCTIONS]
    groups += [f"/aws/sagemaker/Endpoints/{name}" for name in settle.names(context).values()]
    for group in [*groups, f"/aws/apigateway/{prefix}"]:
        if there.log_group(group):
            remove = _call(lambda group: access.logs.delete_log_group(logGroupName=group), group)
            yield Leftover("log group", "aws_cloudwatch_log_group", group, remove)


def _deregister(context: Context, resource: str, dimension: ScalableDimensionType) -> Callable[[], object]:
    deregister = context.access.autoscaling.deregister_scalable_target
    return lambda: unless_missing(
        lambda: deregister(ServiceNamespace="sagemaker", ResourceId=resource, ScalableDimension=dimension)
    )


def _call(remove: Callable[[str], object], name: str) -> Callable[[], object]:
    return lambda: remove(name)


def _endpoint_remover(context: Context, name: str) -> Callable[[], None]:
    def remove() -> None:
        if name in settle.settled(context, [name]):
            context.access.sagemaker.delete_endpoint(EndpointName=name)
            rhythm = watch.pace(context.access)
            with context.console.progress(f"deleting {name}"):
                while endpoints.describe(context.access, name) is not None:
                    # As long as it is there, its configuration and its model belong to it.
                    time.sleep(rhythm.next(changed=False))

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
