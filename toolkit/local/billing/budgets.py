"""AWS Budgets: budgets with notifications and subscribers, which are never sent.

Source, if none is named: botocore's model of AWS Budgets and the documentation in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from toolkit.local.awsapi import ApiError, Members

_NOTIFICATIONS, _SNS, _EMAILS = 10, 1, 10
# 2087-06-15, "the default of the end date".
_END = 3706473600
_COST_TYPES = {
    f"Include{name}": True
    for name in (
        *("Credit", "Discount", "OtherSubscription", "Recurring", "Refund"),
        *("Subscription", "Support", "Tax", "Upfront"),
    )
} | {"UseAmortized": False, "UseBlended": False}
# Kind, operator, threshold and its unit.
Key = tuple[str, str, float, str]


@dataclass
class Notification:
    """A notification of a budget, with its subscribers."""

    members: Members
    subscribers: list[Members]


@dataclass
class Budget:
    """A budget."""

    members: Members
    tags: dict[str, str]
    notifications: dict[Key, Notification] = field(default_factory=dict)

    @property
    def description(self) -> Members:
        """The budget with the values that AWS adds."""
        nothing = {"Amount": "0.0", "Unit": "USD"}
        start = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        period = {"Start": int(start.timestamp()), "End": _END, **self.members.get("TimePeriod", {})}
        return {
            "CostTypes": _COST_TYPES,
            "CalculatedSpend": {"ActualSpend": nothing, "ForecastedSpend": nothing},
            **self.members,
            "TimePeriod": period,
        }


class Budgets:
    """The budgets of the account, by name."""

    def __init__(self) -> None:
        self._budgets: dict[str, Budget] = {}

    @property
    def operations(self) -> Mapping[str, Callable[[Members], Members]]:
        """The implemented operations, by name."""
        return {
            "CreateBudget": self._create,
            "DescribeBudget": self._describe,
            "DescribeBudgets": self._describe_all,
            "UpdateBudget": self._update,
            "DeleteBudget": self._delete,
            "CreateNotification": self._create_notification,
            "DeleteNotification": self._delete_notification,
            "DescribeNotificationsForBudget": self._describe_notifications,
            "DescribeSubscribersForNotification": self._describe_subscribers,
            "ListTagsForResource": self._list_tags,
            "TagResource": self._tag,
            "UntagResource": self._untag,
        }

    def tags(self, arn: str) -> Mapping[str, str] | None:
        """The tags of a budget; None if it does not exist."""
        budget = self._budgets.get(arn.partition(":budget/")[2])
        return None if budget is None else budget.tags

    def _create(self, members: Members) -> Members:
        name = members["Budget"]["BudgetName"]
        if name in self._budgets:
            message = f"Error creating budget: {name} - the budget already exists."
            raise ApiError("DuplicateRecordException", message)
        budget = Budget(_checked(members["Budget"]), pairs(members.get("ResourceTags")))
        for item in members.get("NotificationsWithSubscribers") or ():
            _add(budget, item["Notification"], item["Subscribers"])
        self._budgets[name] = budget
        return {}

    def _describe(self, members: Members) -> Members:
        return {"Budget": self._find(members).description}

    def _describe_all(self, _: Members) -> Members:
        return {"Budgets": [budget.description for budget in self._budgets.values()]}

    def _update(self, members: Members) -> Members:
        budget = self._find(members["NewBudget"])
        budget.members = _checked(members["NewBudget"])
        return {}

    def _delete(self, members: Members) -> Members:
        self._find(members)
        del self._budgets[members["BudgetName"]]
        return {}

    def _create_notification(self, members: Members) -> Members:
        _add(self._find(members), members["Notification"], members["Subscribers"])
        return {}

    def _delete_notification(self, members: Members) -> Members:
        budget, key = self._find(members), _key(members["Notification"])
        _notification(budget, key)
        del budget.notifications[key]
        return {}

    def _describe_notifications(self, members: Members) -> Members:
        notifications = self._find(members).notifications.values()
        return {"Notifications": [{**item.members, "NotificationState": "OK"} for item in notifications]}

    def _describe_subscribers(self, members: Members) -> Members:
        notification = _notification(self._find(members), _key(members["Notification"]))
        return {"Subscribers": notification.subscribers}

    def _list_tags(self, members: Members) -> Members:
        tags = self._find_by_arn(members).tags
        return {"ResourceTags": [{"Key": name, "Value": value} for name, value in tags.items()]}

    def _tag(self, members: Members) -> Members:
        self._find_by_arn(members).tags |= pairs(members["ResourceTags"])
        return {}

    def _untag(self, members: Members) -> Members:
        budget = self._find_by_arn(members)
        budget.tags = {name: budget.tags[name] for name in budget.tags.keys() - members["ResourceTagKeys"]}
        return {}

    def _find(self, members: Members) -> Budget:
        name = members["BudgetName"]
        if name not in self._budgets:
            message = f"Unable to get budget: {name} - the budget doesn't exist."
            raise ApiError("NotFoundException", message)
        return self._budgets[name]

    def _find_by_arn(self, members: Members) -> Budget:
        return self._find({"BudgetName": members["ResourceARN"].partition(":budget/")[2]})


def _checked(budget: Members) -> Members:
    if not any(budget.get(name) for name in ("BudgetLimit", "PlannedBudgetLimits", "AutoAdjustData")):
        reason = "please provide one of the followings: Budget Limit/ Planned Budget Limit/ Auto Adjust Data"
        raise ApiError("InvalidParameterException", f"Unable to create/update budget - {reason}")
    return {name: value for name, value in budget.items() if value is not None}


def _key(notification: Members) -> Key:
    unit = notification.get("ThresholdType") or "PERCENTAGE"
    return (
        *(notification["NotificationType"], notification["ComparisonOperator"]),
        *(float(notification["Threshold"]), unit),
    )


def _add(budget: Budget, notification: Members, subscribers: list[Members]) -> None:
    key = _key(notification)
    if key in budget.notifications:
        raise ApiError("DuplicateRecordException", "Error creating notification: it already exists.")
    kinds = [subscriber["SubscriptionType"] for subscriber in subscribers]
    too_many = kinds.count("SNS") > _SNS or kinds.count("EMAIL") > _EMAILS
    if too_many or len(budget.notifications) >= _NOTIFICATIONS:
        reason = f"a budget has {_NOTIFICATIONS}, with {_SNS} SNS subscriber and {_EMAILS} e-mail addresses"
        raise ApiError("CreationLimitExceededException", f"Unable to create notification - {reason}")
    if not subscribers:
        raise ApiError("InvalidParameterException", "A notification must have at least one subscriber.")
    budget.notifications[key] = Notification(notification, subscribers)


def _notification(budget: Budget, key: Key) -> Notification:
    if key not in budget.notifications:
        raise ApiError("NotFoundException", "Unable to get notification - the notification doesn't exist.")
    return budget.notifications[key]


def pairs(tags: list[Members] | None) -> dict[str, str]:
    """Tags as a dictionary."""
    return {tag["Key"]: tag["Value"] for tag in tags or ()}
