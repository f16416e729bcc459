"""Application Auto Scaling as a part of the cloud."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from toolkit.local.autoscaling.targets import Members, Targets, key_of, remove
from toolkit.local.awsapi import JSON, Signature, TargetRoute
from toolkit.local.schema import Schema
from toolkit.local.status import Item

# Called with region, resource id and bounds when a target was registered or changed.
OnRegister = Callable[[str, str, int, int], None]
_COUNT = "sagemaker:variant:DesiredInstanceCount"


class AutoScalingService:
    """The operations.

    Args:
        on_register: told about targets for a variant's instance count: AWS moves the count between the
            bounds at once.
    """

    def __init__(self, on_register: OnRegister) -> None:
        self._on_register = on_register
        self._regions: dict[str, Targets] = {}
        self._operations: dict[str, Callable[[Targets, Members], Members]] = {
            "DescribeScalableTargets": self._describe_targets,
            "DeregisterScalableTarget": self._deregister,
            "PutScalingPolicy": self._put_policy,
            "DescribeScalingPolicies": self._describe_policies,
            "DeleteScalingPolicy": self._delete_policy,
            "PutScheduledAction": self._put_schedule,
            "DescribeScheduledActions": self._describe_schedules,
            "DeleteScheduledAction": self._delete_schedule,
            "ListTagsForResource": self._list_tags,
            "TagResource": self._tag,
            "UntagResource": self._untag,
        }
        self._schema = Schema("application-autoscaling", [*self._operations, "RegisterScalableTarget"])

    def routes(self) -> Sequence[BaseRoute]:
        """See `toolkit.local.service.Service`."""
        operations = [*self._operations, "RegisterScalableTarget"]
        return [TargetRoute("AnyScaleFrontendService", operations, self._operate)]

    async def start(self) -> None:
        """See `toolkit.local.service.Service`."""

    async def stop(self) -> None:
        """See `toolkit.local.service.Service`."""

    def status(self) -> Iterable[Item]:
        """See `toolkit.local.service.Service`."""
        return []

    async def _operate(self, request: Request) -> Response:
        operation = request.path_params["operation"]
        members = self._schema.parse(operation, await request.body())
        region = Signature.of(request.headers).region
        targets = self._regions.setdefault(region, Targets(region))
        if operation == "RegisterScalableTarget":
            answer = self._register(region, targets, members)
        else:
            answer = self._operations[operation](targets, members)
        headers = {"x-amzn-requestid": str(uuid.uuid4())}
        return Response(json.dumps(answer), media_type=JSON, headers=headers)

    def _register(self, region: str, targets: Targets, request: Members) -> Members:
        target = targets.register(request)
        if request["ScalableDimension"] == _COUNT:
            bounds = target.members["MinCapacity"], target.members["MaxCapacity"]
            self._on_register(region, request["ResourceId"], *bounds)
        return {"ScalableTargetARN": target.arn}

    def _describe_targets(self, targets: Targets, request: Members) -> Members:
        return {"ScalableTargets": [target.members for target in targets.find(request)]}

    def _deregister(self, targets: Targets, request: Members) -> Members:
        targets.deregister(key_of(request))
        return {}

    def _put_policy(self, targets: Targets, request: Members) -> Members:
        policy = targets.put_policy(request)
        return {"PolicyARN": policy["PolicyARN"], "Alarms": policy["Alarms"]}

    def _describe_policies(self, targets: Targets, request: Members) -> Members:
        names = request.get("PolicyNames")
        found = [policy for target in targets.find(request) for policy in target.policies.values()]
        return {"ScalingPolicies": [item for item in found if not names or item["PolicyName"] in names]}

    def _delete_policy(self, targets: Targets, request: Members) -> Members:
        key = key_of(request)
        remove("scaling policy", targets.get(key).policies, request["PolicyName"], key)
        return {}

    def _put_schedule(self, targets: Targets, request: Members) -> Members:
        targets.put_schedule(request)
        return {}

    def _describe_schedules(self, targets: Targets, request: Members) -> Members:
        names = request.get("ScheduledActionNames")
        found = [action for target in targets.find(request) for action in target.schedules.values()]
        kept = [item for item in found if not names or item["ScheduledActionName"] in names]
        return {"ScheduledActions": kept}

    def _delete_schedule(self, targets: Targets, request: Members) -> Members:
        key = key_of(request)
        remove("scheduled action", targets.get(key).schedules, request["ScheduledActionName"], key)
        return {}

    def _list_tags(self, targets: Targets, request: Members) -> Members:
        return {"Tags": targets.by_arn(request["ResourceARN"]).tags}

    def _tag(self, targets: Targets, request: Members) -> Members:
        targets.by_arn(request["ResourceARN"]).tags.update(request["Tags"])
        return {}

    def _untag(self, targets: Targets, request: Members) -> Members:
        tags = targets.by_arn(request["ResourceARN"]).tags
        for key in request["TagKeys"]:
            tags.pop(key, None)
        return {}
