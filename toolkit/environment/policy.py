"""The section `policy`: settings of the policy gate."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from toolkit.environment.base import Checked, ConfigModel, Invalid, matching


def _check_date(value: str) -> Invalid | None:
    try:
        day = date.fromisoformat(value)
    except ValueError:
        day = None
    # fromisoformat also accepts 20270630 and weeks.
    if day is None or day.isoformat() != value:
        return Invalid(f"{value!r} is not a date", "use year, month and day, such as 2027-06-30")
    return None


class PolicyException(ConfigModel):
    """An exception that accepts findings until a date."""

    rule: Annotated[
        str,
        matching(
            r"CKV2?_[A-Z]+_\d+", "use the id of a rule, such as CKV_LLM_9; see docs/reference/policies.md"
        ),
    ] = Field(examples=["CKV_LLM_9"])
    """Id of the rule."""
    resource: Annotated[str, Field(min_length=1)] = Field(examples=["module.api.aws_api_gateway_stage.*"])
    """Terraform address of the resource; `*` and `?` are wildcards."""
    reason: Annotated[str, matching(r"\s*\S(.|\s)*", "explain why the finding is acceptable")]
    """Why the finding is acceptable."""
    expires: Annotated[str, Checked(_check_date, {"pattern": r"^\d{4}-\d\d-\d\d$"})] = Field(
        examples=["2027-06-30"]
    )
    """Last day of the exception; afterwards the exception itself is a finding."""

    @property
    def last_day(self) -> date:
        """The date of `expires`."""
        return date.fromisoformat(self.expires)


class Policy(ConfigModel):
    """Policy checks of `plan` and `apply`."""

    fail_at: Literal["low", "medium", "high", "critical"] = "high"
    """Lowest severity that fails the check."""
    exceptions: tuple[PolicyException, ...] = ()
    """Exceptions that accept findings until a date."""
