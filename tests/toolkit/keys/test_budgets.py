"""The use of budgets, against DynamoDB."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.contexts import opened
from toolkit.aws.access import AwsAccess
from toolkit.keys import Usage, usage

pytestmark = pytest.mark.slow

PLANS = """\
api:
  usage_plans:
    trial: {tokens: {per_minute: 100, per_month: 5000}}
    paid: {dollars_per_month: 2.5}
  keys:
    guest: {usage_plan: trial}
    partner: {usage_plan: paid}
"""
PRICE = "    price: {input_per_million: 1, output_per_million: 2}\n"
KEYS = {"guest": "trial", "partner": "paid", "default": "default"}


def test_the_use_of_keys_with_a_budget(account: AwsAccess, tmp_path: Path) -> None:
    environment = opened(tmp_path, account, ("m",), "budgets", PRICE + PLANS).context.environment
    # Before the first apply with budgets.
    assert usage(account, environment, KEYS) == {}
    account.dynamodb.create_table(
        TableName="llm-budgets-budgets",
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": "S"} for name in ("api_key", "usage_month")
        ],
        KeySchema=[
            {"AttributeName": "api_key", "KeyType": "HASH"},
            {"AttributeName": "usage_month", "KeyType": "RANGE"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    now = time.time()
    for month, minute in ((f"{datetime.fromtimestamp(now, UTC):%Y-%m}", int(now // 60) + 5), ("2020-01", 1)):
        account.dynamodb.put_item(
            TableName="llm-budgets-budgets",
            Item={
                "api_key": {"S": "guest"},
                "usage_month": {"S": month},
                "usage_minute": {"N": str(minute)},
                "minute_tokens": {"N": "70"},
                "month_tokens": {"N": "4321"},
                "month_dollars": {"N": "0.125"},
            },
        )
    assert usage(account, environment, KEYS) == {
        "guest": Usage(70, 4321, 0.125, 100, 5000, None),
        "partner": Usage(0, 0, 0.0, None, None, 2.5),
    }
