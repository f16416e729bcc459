"""AWS Budgets and Cost Explorer of the embedded cloud, through boto3: what AWS refuses."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.cloud import Aws

pytestmark = pytest.mark.slow

ACCOUNT = {"AccountId": "123456789012"}
OVER = {"NotificationType": "ACTUAL", "ComparisonOperator": "GREATER_THAN", "Threshold": 80}
MAIL = {"SubscriptionType": "EMAIL", "Address": "a@example.com"}
TOPIC = {"SubscriptionType": "SNS", "Address": "arn:aws:sns:us-east-1:123456789012:t"}
IMPACT = {
    "Dimensions": {
        "Key": "ANOMALY_TOTAL_IMPACT_ABSOLUTE",
        "MatchOptions": ["GREATER_THAN_OR_EQUAL"],
        "Values": ["100"],
    }
}


def refused(code: str, operation: Callable[..., Any], **members: Any) -> str:
    """Expect an error code; returns the message."""
    with pytest.raises(ClientError) as error:
        operation(**members)
    assert error.value.response["Error"]["Code"] == code
    return str(error.value)


def limit(name: str) -> dict[str, Any]:
    return {
        "BudgetName": name,
        "BudgetType": "COST",
        "TimeUnit": "MONTHLY",
        "BudgetLimit": {"Amount": "10", "Unit": "USD"},
    }


@pytest.fixture
def budget(aws: Aws) -> Iterator[dict[str, str]]:
    """The account and the name of a budget."""
    budgets, name = aws("budgets"), f"b-{uuid.uuid4().hex[:8]}"
    budgets.create_budget(**ACCOUNT, Budget=limit(name), ResourceTags=[{"Key": "a", "Value": "b"}])
    yield {**ACCOUNT, "BudgetName": name}
    budgets.delete_budget(**ACCOUNT, BudgetName=name)


def test_budgets_are_unique_and_monthly_until_2087(aws: Aws, budget: dict[str, str]) -> None:
    budgets = aws("budgets")
    refused("DuplicateRecordException", budgets.create_budget, **ACCOUNT, Budget=limit(budget["BudgetName"]))
    unlimited = {**limit("unlimited"), "BudgetLimit": None}
    del unlimited["BudgetLimit"]
    refused("InvalidParameterException", budgets.create_budget, **ACCOUNT, Budget=unlimited)
    period = budgets.describe_budget(**budget)["Budget"]["TimePeriod"]
    assert (period["Start"].day, period["End"].year) == (1, 2087)
    missing = {**ACCOUNT, "BudgetName": "missing"}
    for operation in (budgets.describe_budget, budgets.delete_budget):
        refused("NotFoundException", operation, **missing)
    refused("NotFoundException", budgets.update_budget, **ACCOUNT, NewBudget=limit("missing"))


def test_notifications_are_unique_and_limited(aws: Aws, budget: dict[str, str]) -> None:
    budgets = aws("budgets")
    create = budgets.create_notification
    create(**budget, Notification=OVER, Subscribers=[MAIL, TOPIC])
    same = {**OVER, "ThresholdType": "PERCENTAGE"}
    refused("DuplicateRecordException", create, **budget, Notification=same, Subscribers=[MAIL])
    other = {**TOPIC, "Address": f"{TOPIC['Address']}2"}
    two_topics = {"Notification": {**OVER, "Threshold": 90}, "Subscribers": [TOPIC, other]}
    refused("CreationLimitExceededException", create, **budget, **two_topics)
    for threshold in range(1, 10):
        create(**budget, Notification={**OVER, "Threshold": threshold}, Subscribers=[MAIL])
    eleventh = {"Notification": {**OVER, "Threshold": 90}, "Subscribers": [MAIL]}
    refused("CreationLimitExceededException", create, **budget, **eleventh)
    subscribers = budgets.describe_subscribers_for_notification(**budget, Notification=OVER)["Subscribers"]
    assert subscribers == [MAIL, TOPIC]
    budgets.delete_notification(**budget, Notification=OVER)
    refused("NotFoundException", budgets.delete_notification, **budget, Notification=OVER)


def test_tags_of_budgets_change(aws: Aws, budget: dict[str, str]) -> None:
    budgets, arn = aws("budgets"), f"arn:aws:budgets::123456789012:budget/{budget['BudgetName']}"
    budgets.tag_resource(ResourceARN=arn, ResourceTags=[{"Key": "c", "Value": "d"}])
    budgets.untag_resource(ResourceARN=arn, ResourceTagKeys=["a"])
    assert budgets.list_tags_for_resource(ResourceARN=arn)["ResourceTags"] == [{"Key": "c", "Value": "d"}]
    refused("NotFoundException", budgets.list_tags_for_resource, ResourceARN=f"{arn}-missing")


@pytest.fixture
def monitor(aws: Aws) -> Iterator[str]:
    """The ARN of the account's monitor of services."""
    explorer = aws("ce")
    services = {"MonitorName": "services", "MonitorType": "DIMENSIONAL", "MonitorDimension": "SERVICE"}
    arn = explorer.create_anomaly_monitor(AnomalyMonitor=services)["MonitorArn"]
    message = refused("ValidationException", explorer.create_anomaly_monitor, AnomalyMonitor=services)
    assert message.endswith("Limit exceeded on dimensional spend monitor creation")
    yield arn
    explorer.delete_anomaly_monitor(MonitorArn=arn)
    refused("UnknownMonitorException", explorer.get_anomaly_monitors, MonitorArnList=[arn])


def test_subscriptions_need_monitor_threshold_and_frequency(aws: Aws, monitor: str) -> None:
    explorer = aws("ce")
    valid = {
        "SubscriptionName": "s",
        "MonitorArnList": [monitor],
        "Frequency": "DAILY",
        "Subscribers": [{"Type": "EMAIL", "Address": "a@example.com"}],
        "ThresholdExpression": IMPACT,
    }
    create = explorer.create_anomaly_subscription
    immediate = {**valid, "Frequency": "IMMEDIATE"}
    refused("ValidationException", create, AnomalySubscription=immediate)
    unlimited = {name: value for name, value in valid.items() if name != "ThresholdExpression"}
    refused("ValidationException", create, AnomalySubscription=unlimited)
    unknown = {**valid, "MonitorArnList": [f"{monitor}0"]}
    refused("UnknownMonitorException", create, AnomalySubscription=unknown)
    arn = create(AnomalySubscription=valid)["SubscriptionArn"]
    update = explorer.update_anomaly_subscription
    refused("ValidationException", update, SubscriptionArn=arn, Frequency="IMMEDIATE")
    update(SubscriptionArn=arn, Frequency="WEEKLY")
    (subscription,) = explorer.get_anomaly_subscriptions(MonitorArn=monitor)["AnomalySubscriptions"]
    assert (subscription["Frequency"], subscription["AccountId"]) == ("WEEKLY", "123456789012")
    explorer.delete_anomaly_subscription(SubscriptionArn=arn)
    unknown_arns = {"SubscriptionArnList": [arn]}
    refused("UnknownSubscriptionException", explorer.get_anomaly_subscriptions, **unknown_arns)
    refused("ResourceNotFoundException", explorer.list_tags_for_resource, ResourceArn=arn)


def test_cost_allocation_tags_are_activated_and_deactivated(aws: Aws) -> None:
    explorer = aws("ce")

    def set_status(status: str) -> list[str]:
        change = [{"TagKey": "team", "Status": status}]
        explorer.update_cost_allocation_tags_status(CostAllocationTagsStatus=change)
        tags = explorer.list_cost_allocation_tags(Status="Active", TagKeys=["team"])["CostAllocationTags"]
        return [tag["TagKey"] for tag in tags]

    assert set_status("Active") == ["team"]
    assert set_status("Inactive") == []
