"""What a user decides about the gate."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from toolkit.gate.rules import Severity


@dataclass(frozen=True)
class PolicyException:
    """A finding that is accepted, for a while.

    Attributes:
        rule: the rule's id, "CKV_LLM_1".
        resource: the resource's address in Terraform; `*` stands for any text, `?` for any character.
        reason: why it is accepted.
        expires: the last day that it is.
        file, line: where it is written, for messages.
    """

    rule: str
    resource: str
    reason: str
    expires: date
    file: str | None = None
    line: int | None = None

    def covers(self, rule: str, resource: str) -> bool:
        """Whether it is about this finding, be it expired or not."""
        # Not fnmatch: the brackets in an address are no character classes.
        pattern = re.escape(self.resource).replace(r"\*", ".*").replace(r"\?", ".")
        return rule == self.rule and re.fullmatch(pattern, resource) is not None


@dataclass(frozen=True)
class GateSettings:
    """What the gate lets through.

    Attributes:
        fail_at: findings of this severity and above are violations.
        exceptions: findings that are accepted.
    """

    fail_at: Severity = Severity.HIGH
    exceptions: Sequence[PolicyException] = ()
