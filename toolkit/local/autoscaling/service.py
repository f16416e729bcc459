"""Application Auto Scaling as a part of the cloud."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from toolkit.local.autoscaling import alarms, servicerole
from toolkit.local.autoscaling.cron import Schedule, ScheduleError
from toolkit.local.autoscaling.region import Region
from toolkit.local.autoscaling.targets import Members, key_of, remove
from toolkit.local.autoscaling.variants import DIMENSION, Variants
from toolkit.local.awsapi import JSON, ApiError, Signature, TargetRoute
from toolkit.local.metrics.service import Metrics
from toolkit.local.schema import Schema
from toolkit.local.status import Item

_POLICY_ARNS = "arn:aws:autoscaling:"


class AutoScalingService:
    """The operations.

    Args:
        operations: SageMaker's, by which variants are asked and changed.
        metrics: whose alarms set policies off.
    """

    def __init__(self, operations: Mapping[str, Callable[[str, Members], Members]], metrics: Metrics) -> None:
        self._variants = Variants(operations)
        self._metrics = metrics
        self._regions: dict[str, Region] = {}
        self._operations: dict[str, Callable[[Region, Members], Members]] = {
            "RegisterScalableTarget": self._register,
            "DescribeScalableTargets": self._describe_targets,
            "DeregisterScalableTarget": self._deregister,
            "PutScalingPolicy": self._put_policy,
            "DescribeScalingPolicies": self._describe_policies,
            "DeleteScalingPolicy": self._delete_policy,
            "PutScheduledAction": self._put_schedule,
            "DescribeScheduledActions": self._describe_schedules,
            "DeleteScheduledAction": self._delete_schedule,
            "DescribeScalingActivities": self._describe_activities,
            "ListTagsForResource": self._list_tags,
            "TagResource": self._tag,
            "UntagResource": self._untag,
        }
        self._schema = Schema("application-autoscaling", self._operations)

    def is_registered(self, region: str, resource_id: str) -> bool:
        """Whether a variant's instance count is scaled."""
        return self._region(region).targets.has(("sagemaker", resource_id, DIMENSION))

    def routes(self) -> Sequence[BaseRoute]:
        """See `toolkit.local.service.Service`."""
        return [TargetRoute("AnyScaleFrontendService", self._operations, self._operate)]

    async def start(self) -> None:
        """See `toolkit.local.service.Service`."""
        self._metrics.on_action(_POLICY_ARNS, lambda firing: self._region(firing.region).act(firing))

    async def stop(self) -> None:
        """See `toolkit.local.service.Service`."""
        await asyncio.gather(*(region.stop() for region in self._regions.values()))

    def status(self) -> Iterable[Item]:
        """See `toolkit.local.service.Service`."""
        return []

    def _region(self, name: str) -> Region:
        if name not in self._regions:
            self._regions[name] = Region(name, self._variants, self._metrics)
        return self._regions[name]

    def arn_of(self, region: str, members: Mapping[str, Any]) -> str | None:
        """The ARN of the target that a request names; None if there is none, or it names none."""
        try:
            return self._regions[region].targets.get(key_of(members)).arn
        except (KeyError, ApiError):
            return None

    def tags_of(self, region: str, arn: str) -> Mapping[str, str]:
        """A target's tags; none if there is no such target."""
        try:
            return self._regions[region].targets.by_arn(arn).tags
        except (KeyError, ApiError):
            return {}

    async def _operate(self, request: Request) -> Response:
        operation = request.path_params["operation"]
        members = self._schema.parse(operation, await request.body())
        region = self._region(Signature.of(request.headers).region)
        answer = self._operations[operation](region, members)
        headers = {"x-amzn-requestid": str(uuid.uuid4())}
        return Response(json.dumps(answer), media_type=JSON, headers=headers)

    @staticmethod
    def _register(region: Region, request: Members) -> Members:
        target = region.register(request)
        if request["ServiceNamespace"] == "sagemaker":
            servicerole.ensure()
        return {"ScalableTargetARN": target.arn}

    @staticmethod
    def _describe_targets(region: Region, request: Members) -> Members:
        return {"ScalableTargets": [target.members for target in region.targets.find(request)]}

    @staticmethod
    def _deregister(region: Region, request: Members) -> Members:
        target = region.targets.deregister(key_of(request))
        for policy in target.policies.values():
            alarms.delete(region.name, policy)
        return {}

    @staticmethod
    def _put_policy(region: Region, request: Members) -> Members:
        target, policy = region.targets.get(key_of(request)), region.targets.policy(request)
        if "TargetTrackingScalingPolicyConfiguration" in policy:
            policy["Alarms"] = alarms.put(region.name, target, policy)
        target.policies[policy["PolicyName"]] = policy
        return {"PolicyARN": policy["PolicyARN"], "Alarms": alarms.of(region.name, policy["PolicyARN"])}

    @staticmethod
    def _describe_policies(region: Region, request: Members) -> Members:
        names = request.get("PolicyNames")
        found = [policy for target in region.targets.find(request) for policy in target.policies.values()]
        kept = [
            policy | {"Alarms": alarms.of(region.name, policy["PolicyARN"])}
            for policy in found
            if not names or policy["PolicyName"] in names
        ]
        return {"ScalingPolicies": kept}

    @staticmethod
    def _delete_policy(region: Region, request: Members) -> Members:
        key = key_of(request)
        policies = region.targets.get(key).policies
        alarms.delete(region.name, remove("scaling policy", policies, request["PolicyName"], key))
        return {}

    @staticmethod
    def _put_schedule(region: Region, request: Members) -> Members:
        if "Schedule" in request:
            try:
                Schedule.of(request["Schedule"], request.get("Timezone"))
            except ScheduleError as error:
                raise ApiError("ValidationException", str(error)) from error
        region.targets.put_schedule(request)
        return {}

    @staticmethod
    def _describe_activities(region: Region, request: Members) -> Members:
        found = region.scaler.activities.find(
            request["ServiceNamespace"], request.get("ResourceId"), request.get("ScalableDimension")
        )
        activities, start = list(found), int(request.get("NextToken") or 0)
        end = start + int(request.get("MaxResults") or 50)
        more = {"NextToken": str(end)} if end < len(activities) else {}
        return {"ScalingActivities": [each.describe() for each in activities[start:end]], **more}

    @staticmethod
    def _describe_schedules(region: Region, request: Members) -> Members:
        names = request.get("ScheduledActionNames")
        found = [action for target in region.targets.find(request) for action in target.schedules.values()]
        kept = [item for item in found if not names or item["ScheduledActionName"] in names]
        return {"ScheduledActions": kept}

    @staticmethod
    def _delete_schedule(region: Region, request: Members) -> Members:
        key = key_of(request)
        remove("scheduled action", region.targets.get(key).schedules, request["ScheduledActionName"], key)
        return {}

    @staticmethod
    def _list_tags(region: Region, request: Members) -> Members:
        return {"Tags": region.targets.by_arn(request["ResourceARN"]).tags}

    @staticmethod
    def _tag(region: Region, request: Members) -> Members:
        region.targets.by_arn(request["ResourceARN"]).tags.update(request["Tags"])
        return {}

    @staticmethod
    def _untag(region: Region, request: Members) -> Members:
        tags = region.targets.by_arn(request["ResourceARN"]).tags
        for key in request["TagKeys"]:
            tags.pop(key, None)
        return {}
