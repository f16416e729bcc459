"""The section `cost`: what the estimate of the costs rests on, their ceiling, and alarms of AWS Billing.

`docs/how-to/cost.md` explains the estimate, `docs/how-to/limit-spending.md` the alarms.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from toolkit.environment.aws_types import InstanceType, TopicArn
from toolkit.environment.base import ConfigModel, matching
from toolkit.environment.model import ModelName

# More than AWS bills for anything: bounds keep sums finite.
Dollars = Annotated[float, Field(ge=0, le=1_000_000_000)]


class Traffic(ConfigModel):
    """Expected requests to a model, from which the costs per request are estimated."""

    requests_per_day: float = Field(ge=0, le=1_000_000_000, examples=[20000])
    """Number of requests per day."""
    seconds: float | None = Field(default=None, ge=0, le=3600, examples=[8])
    """Average duration of a request in seconds, which Lambda and serverless endpoints bill; by default
    unknown, and these costs with it."""


Percent = Annotated[float, Field(gt=0, le=10_000)]
# AWS Budgets has at most 10 notifications per budget (user guide, "Quotas and restrictions").
Thresholds = Annotated[tuple[Percent, ...], Field(max_length=5)]
# Narrower than the address of a Subscriber in botocore's model of Cost Explorer.
EmailAddress = Annotated[
    str, matching(r"[\w.%+-]{1,64}@[\w-]+(\.[\w-]+)+", "use an e-mail address such as team@example.com")
]
AnomalyMonitorArn = Annotated[
    str,
    matching(
        r"arn:aws(-[a-z]+)*:ce::\d{12}:anomalymonitor/[\w-]+",
        "use the MonitorArn of `aws ce get-anomaly-monitors`",
    ),
]


class MonthlyAlarm(ConfigModel):
    """Alarm on the costs of a calendar month."""

    amount: Annotated[float, Field(gt=0, le=1_000_000_000)] = Field(examples=[5000])
    """Expected US dollars per month."""
    actual_percent: Thresholds = (80, 100)
    """Percentages of the amount above which the costs so far are notified."""
    forecast_percent: Thresholds = (100,)
    """Percentages of the amount above which the costs that AWS forecasts for the month are notified."""


class AnomalyAlarm(ConfigModel):
    """Alarm on costs that differ from their usual pattern."""

    minimum_impact: Annotated[int, Field(ge=0, le=1_000_000_000)] = Field(examples=[100])
    """Whole US dollars above the expected costs from which an anomaly is notified."""
    monitor_arn: AnomalyMonitorArn | None = None
    """Existing anomaly monitor; by default one for the environment, which a member account of an organization
    cannot create."""


class CostAlarms(ConfigModel):
    """Alarms of AWS Billing on the costs of the environment, whose cost allocation tag must be active."""

    emails: Annotated[tuple[EmailAddress, ...], Field(max_length=10)] = ()
    """Addresses that are notified; of anomalies once per day."""
    topic_arn: TopicArn | None = None
    """SNS topic in the same account that is notified; of anomalies at once."""
    monthly: MonthlyAlarm | None = None
    """Alarm on the costs of a calendar month, by AWS Budgets; by default none."""
    anomalies: AnomalyAlarm | None = None
    """Alarm on unusual costs, by AWS Cost Anomaly Detection; by default none."""


class Cost(ConfigModel):
    """Costs of the environment: prices, expected traffic, a ceiling, and alarms."""

    ceiling_per_month: Dollars | None = Field(default=None, examples=[5000])
    """US dollars per month above which `plan`, `apply` and `cost` exit 3; by default none."""
    ceiling_capacity: Literal["maximum", "minimum"] = "maximum"
    """Capacity whose cost must stay below the ceiling: all instances that autoscaling may start, or the
    minimum number only."""
    traffic: dict[ModelName, Traffic] = Field(default={})
    """Expected traffic by model; by default unknown, and the costs per request are left out."""
    instance_prices: dict[InstanceType, Dollars] = Field(default={}, examples=[{"ml.g6.2xlarge": 1.1}])
    """US dollars per instance and hour by instance type, if you do not pay the list price; by default the
    list price of AWS, which is known offline for some regions and types only."""
    alarms: CostAlarms | None = None
    """Alarms of AWS Billing; by default none."""
