"""Scalable targets with their policies and scheduled actions, and scaling activities."""

from __future__ import annotations

import time
import uuid
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from toolkit.local.awsapi import ApiError, Members
from toolkit.local.service import ACCOUNT_ID

# Service namespace, resource id, scalable dimension.
Key = tuple[str, str, str]

_NOT_SUSPENDED = {
    "DynamicScalingInSuspended": False,
    "DynamicScalingOutSuspended": False,
    "ScheduledScalingSuspended": False,
}


def key_of(request: Mapping[str, Any]) -> Key:
    """The key of the target that a request names."""
    return request["ServiceNamespace"], request["ResourceId"], request["ScalableDimension"]


@dataclass
class Target:
    """A scalable target.

    Attributes:
        members: its members in DescribeScalableTargets.
        policies: the members of its policies in DescribeScalingPolicies, by name.
        schedules: the members of its actions in DescribeScheduledActions, by name.
    """

    members: Members
    tags: dict[str, str] = field(default_factory=dict)
    policies: dict[str, Members] = field(default_factory=dict)
    schedules: dict[str, Members] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """The target's key."""
        return key_of(self.members)

    @property
    def resource_id(self) -> str:
        """The id of the scaled resource."""
        return str(self.members["ResourceId"])

    @property
    def arn(self) -> str:
        """The target's ARN."""
        return str(self.members["ScalableTargetARN"])


_ROLE = "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"


class Targets:
    """The scalable targets of a region."""

    def __init__(self, region: str) -> None:
        self._region = region
        self._targets: dict[Key, Target] = {}

    def register(self, request: Members) -> Target:
        """Create a target, or update the members in the request.

        Raises:
            ApiError: a bound is missing, or the minimum exceeds the maximum.
        """
        key = key_of(request)
        target = self._targets.get(key)
        if target is not None and request.get("Tags"):
            # terraform-aws-modules/terraform-aws-rds-aurora#420.
            message = (
                "The scalable target that you tried to tag already exists. "
                "To update tags on an existing scalable target, use the TagResource API."
            )
            raise ApiError("ValidationException", message)
        members = dict(target.members) if target else self._new_members(key)
        changes = ("MinCapacity", "MaxCapacity", "RoleARN", "SuspendedState")
        members |= {name: request[name] for name in changes if name in request}
        if "MinCapacity" not in members or "MaxCapacity" not in members:
            raise ApiError("ValidationException", "MinCapacity and MaxCapacity are required for a new target")
        if members["MinCapacity"] > members["MaxCapacity"]:
            raise ApiError("ValidationException", "Maximum capacity cannot be less than minimum capacity")
        members["SuspendedState"] = _NOT_SUSPENDED | members["SuspendedState"]
        if target is None:
            target = self._targets[key] = Target(members, dict(request.get("Tags", {})))
        target.members = members
        return target

    def deregister(self, key: Key) -> Target:
        """Remove a target with its policies and actions, and return it.

        Raises:
            ApiError: it does not exist.
        """
        self.get(key)
        return self._targets.pop(key)

    def has(self, key: Key) -> bool:
        """Whether a target exists."""
        return key in self._targets

    def get(self, key: Key, verb: str = "found") -> Target:
        """The target with this key.

        Raises:
            ApiError: it does not exist.
        """
        target = self._targets.get(key)
        if target is None:
            raise ApiError("ObjectNotFoundException", f"No scalable target {verb} for {_describe(key)}")
        return target

    def by_arn(self, arn: str) -> Target:
        """The target with this ARN.

        Raises:
            ApiError: it does not exist.
        """
        for target in self._targets.values():
            if target.arn == arn:
                return target
        raise ApiError("ResourceNotFoundException", f"No scalable target found for resource ARN {arn}")

    def __iter__(self) -> Iterator[Target]:
        return iter(list(self._targets.values()))

    def find(self, request: Members) -> Iterable[Target]:
        """The targets that a Describe request selects."""
        for (namespace, resource_id, dimension), target in self._targets.items():
            resource_ids = request.get("ResourceIds") or [request.get("ResourceId", resource_id)]
            if (
                namespace == request["ServiceNamespace"]
                and resource_id in resource_ids
                and dimension == request.get("ScalableDimension", dimension)
            ):
                yield target

    def policy(self, request: Members) -> Members:
        """A new or updated policy of a target, which is not stored yet.

        Raises:
            ApiError: the target does not exist.
        """
        target, name = self.get(key_of(request), "registered"), request["PolicyName"]
        old = target.policies.get(name)
        if old is None:
            arn = (
                f"scalingPolicy:{uuid.uuid4()}:resource/{request['ServiceNamespace']}/{request['ResourceId']}"
            )
            arn = f"arn:aws:autoscaling:{self._region}:{ACCOUNT_ID}:{arn}:policyName/{name}"
            old = {"PolicyARN": arn, "CreationTime": time.time(), "Alarms": []}
        return {"PolicyType": "StepScaling", **old, **request}

    def put_schedule(self, request: Members) -> None:
        """Create or update a scheduled action of a target.

        Raises:
            ApiError: the target does not exist, or a new action has no schedule.
        """
        target, name = self.get(key_of(request)), request["ScheduledActionName"]
        old = target.schedules.get(name)
        if old is None:
            if "Schedule" not in request:
                raise ApiError("ValidationException", "Schedule is required for a new scheduled action")
            arn = f"scheduledAction:{uuid.uuid4()}:resource/{request['ServiceNamespace']}"
            arn = f"{arn}/{request['ResourceId']}:scheduledActionName/{name}"
            arn = f"arn:aws:autoscaling:{self._region}:{ACCOUNT_ID}:{arn}"
            old = {"ScheduledActionARN": arn, "CreationTime": time.time()}
        target.schedules[name] = {**old, **request}

    def _new_members(self, key: Key) -> Members:
        namespace, resource_id, dimension = key
        role = f"aws-service-role/{namespace}.application-autoscaling.amazonaws.com/{_ROLE}"
        arn = f"arn:aws:application-autoscaling:{self._region}:{ACCOUNT_ID}:scalable-target"
        return {
            "ServiceNamespace": namespace,
            "ResourceId": resource_id,
            "ScalableDimension": dimension,
            "RoleARN": f"arn:aws:iam::{ACCOUNT_ID}:role/{role}",
            "CreationTime": time.time(),
            "SuspendedState": _NOT_SUSPENDED,
            "ScalableTargetARN": f"{arn}/{uuid.uuid4().hex}",
        }


def remove(kind: str, members: dict[str, Members], name: str, key: Key) -> Members:
    """Remove a policy or a scheduled action of a target by name, and return it.

    Raises:
        ApiError: it does not exist.
    """
    if name not in members:
        message = f"No {kind} found for {_describe(key)}, {kind.removeprefix('scaling ')} name: {name}"
        raise ApiError("ObjectNotFoundException", message)
    return members.pop(name)


def _describe(key: Key) -> str:
    return f"service namespace: {key[0]}, resource ID: {key[1]}, scalable dimension: {key[2]}"


# AWS keeps activities for six weeks.
_MAX_ACTIVITIES = 500


@dataclass
class Activity:
    """A change of a target's capacity.

    Attributes:
        key: the target's key.
        count: the new capacity.
        cause: the reason, in AWS's words.
        status: `InProgress`, `Successful` or `Failed`.
        started: seconds since the epoch.
        ended: seconds since the epoch; None while in progress.
    """

    key: Key
    count: int
    cause: str
    status: str = "InProgress"
    message: str = ""
    started: float = field(default_factory=time.time)
    ended: float | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def description(self) -> str:
        """The activity's description."""
        return f"Setting desired instance count to {self.count}."

    def __post_init__(self) -> None:
        self.message = (
            f"Successfully set desired instance count to {self.count}. Waiting for change to be fulfilled by "
            f"{self.key[0]}."
        )

    def succeed(self) -> None:
        """Record that the capacity was reached."""
        self.message = (
            f"Successfully set desired instance count to {self.count}. Change successfully fulfilled by "
            f"{self.key[0]}."
        )
        self.status, self.ended = "Successful", time.time()

    def fail(self, reason: str) -> None:
        """Record that the change failed."""
        self.message = f"Failed to set desired instance count to {self.count}. Reason: {reason}"
        self.status, self.ended = "Failed", time.time()

    def describe(self) -> dict[str, Any]:
        """The activity's members in DescribeScalingActivities."""
        namespace, resource_id, dimension = self.key
        members = {
            "ActivityId": self.id,
            "ServiceNamespace": namespace,
            "ResourceId": resource_id,
            "ScalableDimension": dimension,
            "Description": self.description,
            "Cause": self.cause,
            "StartTime": self.started,
            "EndTime": self.ended,
            "StatusCode": self.status,
            "StatusMessage": self.message,
        }
        return {name: value for name, value in members.items() if value is not None}


class Activities:
    """The activities of a region, newest first."""

    def __init__(self) -> None:
        self._activities: deque[Activity] = deque(maxlen=_MAX_ACTIVITIES)

    def add(self, activity: Activity) -> None:
        """Add a new activity."""
        self._activities.appendleft(activity)

    def find(self, namespace: str, resource_id: str | None, dimension: str | None) -> Iterable[Activity]:
        """The activities of a namespace, of a resource and of a dimension."""
        for activity in self._activities:
            key = activity.key
            if key == (namespace, resource_id or key[1], dimension or key[2]):
                yield activity
