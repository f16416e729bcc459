"""The operations of Application Auto Scaling, as functions of a region and a checked request.

Each returns the response's members, or raises `ApiError`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from toolkit.local.autoscaling.lifecycle import Region
from toolkit.local.autoscaling.models import key_of, remove
from toolkit.local.autoscaling.policies import alarms_of, delete_alarms, put_alarms
from toolkit.local.autoscaling.schedules import Schedule, ScheduleError
from toolkit.local.awsapi import ApiError, Members
from toolkit.local.service_roles import AUTO_SCALING


def _register(region: Region, request: Members) -> Members:
    target = region.register(request)
    if request["ServiceNamespace"] == "sagemaker":
        AUTO_SCALING.create()
    return {"ScalableTargetARN": target.arn}


def _describe_targets(region: Region, request: Members) -> Members:
    return {"ScalableTargets": [target.members for target in region.targets.find(request)]}


def _deregister(region: Region, request: Members) -> Members:
    target = region.targets.deregister(key_of(request))
    for policy in target.policies.values():
        delete_alarms(region.name, policy)
    return {}


def _put_policy(region: Region, request: Members) -> Members:
    policy = region.targets.policy(request)
    target = region.targets.get(key_of(request))
    if "TargetTrackingScalingPolicyConfiguration" in policy:
        policy["Alarms"] = put_alarms(region.name, target, policy)
    target.policies[policy["PolicyName"]] = policy
    return {"PolicyARN": policy["PolicyARN"], "Alarms": alarms_of(region.name, policy["PolicyARN"])}


def _describe_policies(region: Region, request: Members) -> Members:
    policies = (policy for target in region.targets.find(request) for policy in target.policies.values())
    return {
        "ScalingPolicies": [
            policy | {"Alarms": alarms_of(region.name, policy["PolicyARN"])}
            for policy in _named(policies, "PolicyName", request.get("PolicyNames"))
        ]
    }


def _delete_policy(region: Region, request: Members) -> Members:
    key = key_of(request)
    policies = region.targets.get(key).policies
    delete_alarms(region.name, remove("scaling policy", policies, request["PolicyName"], key))
    return {}


def _put_schedule(region: Region, request: Members) -> Members:
    if "Schedule" in request:
        try:
            Schedule.of(request["Schedule"], request.get("Timezone"))
        except ScheduleError as error:
            raise ApiError("ValidationException", str(error)) from error
    region.targets.put_schedule(request)
    return {}


def _describe_schedules(region: Region, request: Members) -> Members:
    actions = (action for target in region.targets.find(request) for action in target.schedules.values())
    names = request.get("ScheduledActionNames")
    return {"ScheduledActions": _named(actions, "ScheduledActionName", names)}


def _named(items: Iterable[Members], member: str, names: list[str] | None) -> list[Members]:
    return [item for item in items if not names or item[member] in names]


def _delete_schedule(region: Region, request: Members) -> Members:
    key = key_of(request)
    remove("scheduled action", region.targets.get(key).schedules, request["ScheduledActionName"], key)
    return {}


def _describe_activities(region: Region, request: Members) -> Members:
    activities = list(
        region.scaler.activities.find(
            request["ServiceNamespace"], request.get("ResourceId"), request.get("ScalableDimension")
        )
    )
    start = int(request.get("NextToken") or 0)
    end = start + int(request.get("MaxResults") or 50)
    more = {"NextToken": str(end)} if end < len(activities) else {}
    return {"ScalingActivities": [activity.describe() for activity in activities[start:end]], **more}


def _list_tags(region: Region, request: Members) -> Members:
    return {"Tags": region.targets.by_arn(request["ResourceARN"]).tags}


def _tag(region: Region, request: Members) -> Members:
    region.targets.by_arn(request["ResourceARN"]).tags.update(request["Tags"])
    return {}


def _untag(region: Region, request: Members) -> Members:
    tags = region.targets.by_arn(request["ResourceARN"]).tags
    for key in request["TagKeys"]:
        tags.pop(key, None)
    return {}


OPERATIONS: dict[str, Callable[[Region, Members], Members]] = {
    "RegisterScalableTarget": _register,
    "DescribeScalableTargets": _describe_targets,
    "DeregisterScalableTarget": _deregister,
    "PutScalingPolicy": _put_policy,
    "DescribeScalingPolicies": _describe_policies,
    "DeleteScalingPolicy": _delete_policy,
    "PutScheduledAction": _put_schedule,
    "DescribeScheduledActions": _describe_schedules,
    "DeleteScheduledAction": _delete_schedule,
    "DescribeScalingActivities": _describe_activities,
    "ListTagsForResource": _list_tags,
    "TagResource": _tag,
    "UntagResource": _untag,
}
