"""The part of the environment file about what the policy gate lets through."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from toolkit.environment.base import Checked, ConfigModel, Invalid, matching


def _check_date(value: str) -> Invalid | None:
    try:
        written = date.fromisoformat(value)
    except ValueError:
        written = None
    # fromisoformat takes 20270630 and weeks, too.
    if written is None or written.isoformat() != value:
        return Invalid(f"{value!r} is not a day", "write year, month and day, as in 2027-06-30")
    return None


class PolicyException(ConfigModel):
    """A finding that is accepted for a while."""

    rule: Annotated[
        str, matching(r"CKV2?_[A-Z]+_\d+", "rules are called like CKV_LLM_9; see docs/reference/policies.md")
    ] = Field(examples=["CKV_LLM_9"])
    """The rule's id."""
    resource: Annotated[str, Field(min_length=1)] = Field(examples=["module.api.aws_api_gateway_stage.*"])
    """The resource's address in Terraform; `*` and `?` stand for other characters."""
    reason: Annotated[str, matching(r"\s*\S(.|\s)*", "say why the finding is acceptable")]
    """Why it is acceptable."""
    expires: Annotated[str, Checked(_check_date, {"pattern": r"^\d{4}-\d\d-\d\d$"})] = Field(
        examples=["2027-06-30"]
    )
    """The last day that it is; afterwards the exception is a finding itself."""

    @property
    def last_day(self) -> date:
        """The day that `expires` says."""
        return date.fromisoformat(self.expires)


class Policy(ConfigModel):
    """What the policy gate of `plan` and `apply` lets through."""

    fail_at: Literal["low", "medium", "high", "critical"] = "high"
    """Findings of this severity and above forbid to go on."""
    exceptions: tuple[PolicyException, ...] = ()
    """Findings that are accepted for a while."""
