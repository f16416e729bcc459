"""The use of API keys' budgets, as the gateway counts it in DynamoDB."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from botocore.exceptions import ClientError

from toolkit.aws.access import AwsAccess
from toolkit.aws.concurrent import map_concurrently
from toolkit.environment import Environment, budget_table
from toolkit.environment.api import UsagePlan


@dataclass(frozen=True)
class Usage:
    """The use of a key now.

    Attributes:
        tokens_this_minute: of prompts and responses, including reservations of requests in progress.
        tokens_this_month: likewise, in UTC.
        dollars_this_month: by the prices of the models that have one.
        tokens_per_minute: the limit; None is unlimited, like the following.
        tokens_per_month: the limit.
        dollars_per_month: the limit.
    """

    tokens_this_minute: int
    tokens_this_month: int
    dollars_this_month: float
    tokens_per_minute: int | None
    tokens_per_month: int | None
    dollars_per_month: float | None


def usage(access: AwsAccess, environment: Environment, plans: Mapping[str, str]) -> dict[str, Usage]:
    """The use of the keys that have a budget, by name; empty before the first apply with budgets.

    Args:
        access: the account.
        environment: the environment.
        plans: the usage plan of each key, by the key's name.
    """
    budgets = {
        name: environment.api.plans[plan]
        for name, plan in plans.items()
        if plan in environment.api.plans and environment.api.plans[plan].budget
    }
    table = budget_table(environment.prefix)
    try:
        counters = map_concurrently(lambda name: _counters(access, table, name), budgets)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return {}
        raise
    return {
        name: _usage(plan, numbers) for (name, plan), numbers in zip(budgets.items(), counters, strict=True)
    }


def _counters(access: AwsAccess, table: str, key: str) -> dict[str, str]:
    month = f"{datetime.now(UTC):%Y-%m}"
    item = access.dynamodb.get_item(
        TableName=table, Key={"api_key": {"S": key}, "usage_month": {"S": month}}, ConsistentRead=True
    )
    return {name: value["N"] for name, value in item.get("Item", {}).items() if "N" in value}


def _usage(plan: UsagePlan, counters: Mapping[str, str]) -> Usage:
    is_current = int(counters.get("usage_minute", 0)) >= int(time.time() // 60)
    return Usage(
        tokens_this_minute=int(counters.get("minute_tokens", 0)) if is_current else 0,
        tokens_this_month=int(counters.get("month_tokens", 0)),
        dollars_this_month=float(counters.get("month_dollars", 0)),
        tokens_per_minute=plan.tokens.per_minute,
        tokens_per_month=plan.tokens.per_month,
        dollars_per_month=plan.dollars_per_month,
    )
