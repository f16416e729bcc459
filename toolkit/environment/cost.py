"""The section `cost`: what the estimate of the costs rests on, and their ceiling.

`docs/how-to/cost.md` explains the estimate.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from toolkit.environment.aws_types import InstanceType
from toolkit.environment.base import ConfigModel
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


class Cost(ConfigModel):
    """Costs of the environment: prices, expected traffic, and a ceiling."""

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
