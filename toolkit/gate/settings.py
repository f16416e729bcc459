"""The gate's settings: threshold and exceptions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from toolkit.gate.rules import Severity


@dataclass(frozen=True)
class PolicyException:
    """Findings that are accepted until a date.

    Attributes:
        rule: the rule's id, "CKV_LLM_1".
        resource: pattern for resource addresses: `*` matches any text, `?` any character.
        reason: why they are accepted.
        expires: the last day on which they are.
        file, line: location of the exception, for messages.
    """

    rule: str
    resource: str
    reason: str
    expires: date
    file: str | None = None
    line: int | None = None

    def covers(self, rule: str, resource: str) -> bool:
        """Whether it matches a finding, expired or not."""
        # Not fnmatch: brackets in an address are not character classes.
        pattern = re.escape(self.resource).replace(r"\*", ".*").replace(r"\?", ".")
        return rule == self.rule and re.fullmatch(pattern, resource) is not None


@dataclass(frozen=True)
class GateSettings:
    """Settings of the gate.

    Attributes:
        fail_at: lowest severity of a violation.
        exceptions: accepted findings.
    """

    fail_at: Severity = Severity.HIGH
    exceptions: Sequence[PolicyException] = ()
