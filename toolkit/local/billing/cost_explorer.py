"""Cost Explorer: anomaly monitors and subscriptions, which find nothing, and cost allocation tags.

Source, if none is named: botocore's model of Cost Explorer and the documentation in it.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from toolkit.local.awsapi import ApiError, Members
from toolkit.local.billing.budgets import pairs
from toolkit.local.service import ACCOUNT_ID

_MONITOR, _SUBSCRIPTION = "anomalymonitor", "anomalysubscription"
# As in moto, a tag that sets the id.
_CUSTOM_ID = "_custom_id_"
# Kind → the error for an unknown ARN.
_UNKNOWN = {_MONITOR: "UnknownMonitorException", _SUBSCRIPTION: "UnknownSubscriptionException"}


@dataclass
class Resource:
    """A monitor or a subscription."""

    members: Members
    tags: dict[str, str]


@dataclass
class CostExplorer:
    """The monitors and subscriptions of the account by ARN, and its active cost allocation tags."""

    _resources: dict[str, Resource] = field(default_factory=dict)
    _active: set[str] = field(default_factory=set)

    @property
    def operations(self) -> Mapping[str, Callable[[Members], Members]]:
        """The implemented operations, by name."""
        return {
            "CreateAnomalyMonitor": self._create_monitor,
            "GetAnomalyMonitors": self._get_monitors,
            "UpdateAnomalyMonitor": self._update_monitor,
            "DeleteAnomalyMonitor": self._delete_monitor,
            "CreateAnomalySubscription": self._create_subscription,
            "GetAnomalySubscriptions": self._get_subscriptions,
            "UpdateAnomalySubscription": self._update_subscription,
            "DeleteAnomalySubscription": self._delete_subscription,
            "ListTagsForResource": self._list_tags,
            "TagResource": self._tag,
            "UntagResource": self._untag,
            "ListCostAllocationTags": self._list_allocation_tags,
            "UpdateCostAllocationTagsStatus": self._update_allocation_tags,
        }

    def tags(self, arn: str) -> Mapping[str, str] | None:
        """The tags of a monitor or a subscription; None if it does not exist."""
        resource = self._resources.get(arn)
        return None if resource is None else resource.tags

    def _create_monitor(self, members: Members) -> Members:
        monitor = members["AnomalyMonitor"]
        dimension = monitor.get("MonitorDimension")
        if (monitor["MonitorType"] == "DIMENSIONAL") != bool(dimension):
            raise ApiError("ValidationException", "MonitorDimension is for DIMENSIONAL monitors only.")
        if (monitor["MonitorType"] == "CUSTOM") != bool(monitor.get("MonitorSpecification")):
            raise ApiError("ValidationException", "MonitorSpecification is for CUSTOM monitors only.")
        others = [item.get("MonitorDimension") for item in self._all(_MONITOR)]
        if dimension and dimension in others:
            # aws-cloudformation/cloudformation-coverage-roadmap#2515
            raise ApiError("ValidationException", "Limit exceeded on dimensional spend monitor creation")
        return self._create(_MONITOR, "MonitorArn", monitor, members)

    def _get_monitors(self, members: Members) -> Members:
        return {"AnomalyMonitors": self._all(_MONITOR, members.get("MonitorArnList"))}

    def _update_monitor(self, members: Members) -> Members:
        return self._update(_MONITOR, "MonitorArn", members)

    def _delete_monitor(self, members: Members) -> Members:
        return self._delete(_MONITOR, members["MonitorArn"])

    def _create_subscription(self, members: Members) -> Members:
        subscription = {"AccountId": ACCOUNT_ID, **_present(members["AnomalySubscription"])}
        self._check(subscription)
        return self._create(_SUBSCRIPTION, "SubscriptionArn", subscription, members)

    def _get_subscriptions(self, members: Members) -> Members:
        subscriptions = self._all(_SUBSCRIPTION, members.get("SubscriptionArnList"))
        monitor = members.get("MonitorArn")
        return {
            "AnomalySubscriptions": [
                {**item, "Subscribers": [{**one, "Status": "CONFIRMED"} for one in item["Subscribers"]]}
                for item in subscriptions
                if monitor is None or monitor in item["MonitorArnList"]
            ]
        }

    def _update_subscription(self, members: Members) -> Members:
        current = self._find(_SUBSCRIPTION, members["SubscriptionArn"]).members
        self._check(current | _present(members))
        return self._update(_SUBSCRIPTION, "SubscriptionArn", members)

    def _delete_subscription(self, members: Members) -> Members:
        return self._delete(_SUBSCRIPTION, members["SubscriptionArn"])

    def _check(self, subscription: Members) -> None:
        for monitor in subscription["MonitorArnList"]:
            self._find(_MONITOR, monitor)
        if subscription.get("Threshold") is None and not subscription.get("ThresholdExpression"):
            # hashicorp/terraform-provider-aws#36853
            message = "Threshold and ThresholdExpression cannot both be null"
            raise ApiError("ValidationException", message)
        immediate = subscription["Frequency"] == "IMMEDIATE"
        if any((subscriber.get("Type") == "SNS") != immediate for subscriber in subscription["Subscribers"]):
            # AnomalySubscription, Frequency; AWS's own message is unknown.
            message = "IMMEDIATE frequency is for SNS subscribers, DAILY and WEEKLY for e-mail."
            raise ApiError("ValidationException", message)

    def _list_tags(self, members: Members) -> Members:
        tags = self._tagged(members).tags
        return {"ResourceTags": [{"Key": name, "Value": value} for name, value in tags.items()]}

    def _tag(self, members: Members) -> Members:
        self._tagged(members).tags |= pairs(members["ResourceTags"])
        return {}

    def _untag(self, members: Members) -> Members:
        resource = self._tagged(members)
        resource.tags = {key: resource.tags[key] for key in resource.tags.keys() - members["ResourceTagKeys"]}
        return {}

    def _list_allocation_tags(self, members: Members) -> Members:
        """Tags that were activated; AWS also lists the inactive ones that it has found in billing data."""
        active = sorted(self._active) if members.get("Status") != "Inactive" else []
        tags = [{"TagKey": key, "Type": "UserDefined", "Status": "Active"} for key in active]
        named = members.get("TagKeys") or active
        return {"CostAllocationTags": [tag for tag in tags if tag["TagKey"] in named]}

    def _update_allocation_tags(self, members: Members) -> Members:
        for entry in members["CostAllocationTagsStatus"]:
            change = self._active.add if entry["Status"] == "Active" else self._active.discard
            change(entry["TagKey"])
        return {"Errors": []}

    def _create(self, kind: str, name: str, content: Members, members: Members) -> Members:
        tags = pairs(members.get("ResourceTags"))
        arn = f"arn:aws:ce::{ACCOUNT_ID}:{kind}/{tags.pop(_CUSTOM_ID, None) or uuid.uuid4()}"
        self._resources[arn] = Resource({**_present(content), name: arn}, tags)
        return {name: arn}

    def _update(self, kind: str, name: str, members: Members) -> Members:
        self._find(kind, members[name]).members |= _present(members)
        return {name: members[name]}

    def _delete(self, kind: str, arn: str) -> Members:
        self._find(kind, arn)
        del self._resources[arn]
        return {}

    def _all(self, kind: str, arns: list[str] | None = None) -> list[Members]:
        """The members of those with these ARNs, by default of all.

        Raises:
            ApiError: one of the ARNs does not exist.
        """
        if arns:
            return [self._find(kind, arn).members for arn in arns]
        return [item.members for arn, item in self._resources.items() if f":{kind}/" in arn]

    def _find(self, kind: str, arn: str) -> Resource:
        if f":{kind}/" not in arn or arn not in self._resources:
            raise ApiError(_UNKNOWN[kind], f"Unable to find {arn}")
        return self._resources[arn]

    def _tagged(self, members: Members) -> Resource:
        arn = members["ResourceArn"]
        if arn not in self._resources:
            raise ApiError("ResourceNotFoundException", f"Unable to find {arn}", ResourceName=arn)
        return self._resources[arn]


def _present(members: Members) -> Members:
    return {name: value for name, value in members.items() if value is not None}
