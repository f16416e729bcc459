"""Scalable targets with their policies and scheduled actions, in one region."""

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
    """Which target a request is about."""
    return request["ServiceNamespace"], request["ResourceId"], request["ScalableDimension"]


@dataclass
class Target:
    """A scalable target.

    Attributes:
        members: as DescribeScalableTargets answers it.
        policies: as DescribeScalingPolicies answers them, by name.
        schedules: as DescribeScheduledActions answers them, by name.
    """

    members: Members
    tags: dict[str, str] = field(default_factory=dict)
    policies: dict[str, Members] = field(default_factory=dict)
    schedules: dict[str, Members] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """What identifies it."""
        return key_of(self.members)

    @property
    def resource_id(self) -> str:
        """Of what it is the capacity."""
        return str(self.members["ResourceId"])

    @property
    def arn(self) -> str:
        """Its ARN."""
        return str(self.members["ScalableTargetARN"])


class Targets:
    """The scalable targets of a region."""

    def __init__(self, region: str) -> None:
        self._region = region
        self._targets: dict[Key, Target] = {}

    def register(self, request: Members) -> Target:
        """Make a target, or change the members of one that the request has.

        Raises:
            ApiError: bounds are missing or the wrong way round.
        """
        key = key_of(request)
        target = self._targets.get(key)
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
        """Remove a target with all that it has, and return it.

        Raises:
            ApiError: there is none.
        """
        self.get(key)
        return self._targets.pop(key)

    def has(self, key: Key) -> bool:
        """Whether there is a target."""
        return key in self._targets

    def get(self, key: Key) -> Target:
        """A target.

        Raises:
            ApiError: there is none.
        """
        target = self._targets.get(key)
        if target is None:
            raise ApiError("ObjectNotFoundException", f"No scalable target found for {_describe(key)}")
        return target

    def by_arn(self, arn: str) -> Target:
        """A target.

        Raises:
            ApiError: there is none.
        """
        for target in self._targets.values():
            if target.arn == arn:
                return target
        raise ApiError("ResourceNotFoundException", f"No scalable target found for resource ARN {arn}")

    def __iter__(self) -> Iterator[Target]:
        return iter(list(self._targets.values()))

    def find(self, request: Members) -> Iterable[Target]:
        """The targets that a Describe request asks for."""
        for (namespace, resource_id, dimension), target in self._targets.items():
            wanted = request.get("ResourceIds") or [request.get("ResourceId", resource_id)]
            if (
                namespace == request["ServiceNamespace"]
                and resource_id in wanted
                and dimension == request.get("ScalableDimension", dimension)
            ):
                yield target

    def policy(self, request: Members) -> Members:
        """What a scaling policy of a target is to be, new or changed; it is not kept yet.

        Raises:
            ApiError: there is no such target.
        """
        target, name = self.get(key_of(request)), request["PolicyName"]
        old = target.policies.get(name)
        if old is None:
            arn = (
                f"scalingPolicy:{uuid.uuid4()}:resource/{request['ServiceNamespace']}/{request['ResourceId']}"
            )
            arn = f"arn:aws:autoscaling:{self._region}:{ACCOUNT_ID}:{arn}:policyName/{name}"
            old = {"PolicyARN": arn, "CreationTime": time.time(), "Alarms": []}
        return {"PolicyType": "StepScaling", **old, **request}

    def put_schedule(self, request: Members) -> None:
        """Make or change a scheduled action of a target.

        Raises:
            ApiError: there is no such target, or a new action has no schedule.
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
        role = f"aws-service-role/{namespace}.application-autoscaling.amazonaws.com"
        arn = f"arn:aws:application-autoscaling:{self._region}:{ACCOUNT_ID}:scalable-target"
        return {
            "ServiceNamespace": namespace,
            "ResourceId": resource_id,
            "ScalableDimension": dimension,
            "RoleARN": f"arn:aws:iam::{ACCOUNT_ID}:role/{role}/AWSServiceRoleForApplicationAutoScaling",
            "CreationTime": time.time(),
            "SuspendedState": _NOT_SUSPENDED,
            "ScalableTargetARN": f"{arn}/{uuid.uuid4().hex}",
        }


def remove(kind: str, members: dict[str, Members], name: str, key: Key) -> Members:
    """Remove a policy or a scheduled action of a target by name, and return it.

    Raises:
        ApiError: there is none.
    """
    if name not in members:
        message = f"No {kind} found for {_describe(key)}, name: {name}"
        raise ApiError("ObjectNotFoundException", message)
    return members.pop(name)


def _describe(key: Key) -> str:
    return f"service namespace: {key[0]}, resource ID: {key[1]}, scalable dimension: {key[2]}"


# AWS keeps them for six weeks.
_KEPT = 500


@dataclass
class Activity:
    """A change of a target's capacity.

    Attributes:
        key: of the target.
        count: what the capacity was to be.
        cause: in AWS's words.
        status: `InProgress`, `Successful` or `Failed`.
        started: seconds since the epoch.
        ended: likewise; None as long as it goes on.
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
        """What it does."""
        return f"Setting desired instance count to {self.count}."

    def __post_init__(self) -> None:
        self.message = (
            f"Successfully set desired instance count to {self.count}. Waiting for change to be fulfilled by "
            f"{self.key[0]}."
        )

    def succeed(self) -> None:
        """The capacity is there."""
        self.message = (
            f"Successfully set desired instance count to {self.count}. Change successfully fulfilled by "
            f"{self.key[0]}."
        )
        self.status, self.ended = "Successful", time.time()

    def fail(self, reason: str) -> None:
        """It was refused, or was not possible."""
        self.message = f"Failed to set desired instance count to {self.count}. Reason: {reason}"
        self.status, self.ended = "Failed", time.time()

    def describe(self) -> dict[str, Any]:
        """As DescribeScalingActivities answers it."""
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
        self._kept: deque[Activity] = deque(maxlen=_KEPT)

    def add(self, activity: Activity) -> None:
        """Keep one that begins."""
        self._kept.appendleft(activity)

    def find(self, namespace: str, resource_id: str | None, dimension: str | None) -> Iterable[Activity]:
        """Those of a service, of a resource, of a dimension."""
        for activity in self._kept:
            of = activity.key
            if of == (namespace, resource_id or of[1], dimension or of[2]):
                yield activity
