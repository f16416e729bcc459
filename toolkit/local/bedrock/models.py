"""Guardrails: which texts they block, and which they mask."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from toolkit.local.awsapi import Members

Source = Literal["INPUT", "OUTPUT"]
# Bedrock counts texts in units of this length.
_UNIT_CHARACTERS = 1000
_UNITS = (
    *("topicPolicyUnits", "contentPolicyUnits", "wordPolicyUnits", "sensitiveInformationPolicyUnits"),
    *("sensitiveInformationPolicyFreeUnits", "contextualGroundingPolicyUnits", "contentPolicyImageUnits"),
)


@dataclass
class Guardrail:
    """A guardrail with its draft and its numbered versions.

    Attributes:
        id: in its ARN.
        arn: its ARN.
        draft: the members of CreateGuardrail.
        versions: copies of the draft, by number.
    """

    id: str
    arn: str
    draft: Members
    versions: dict[str, Members] = field(default_factory=dict)
    created_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat())

    def add_version(self) -> str:
        """Make the draft a version; returns its number."""
        number = str(max(map(int, self.versions), default=0) + 1)
        self.versions[number] = dict(self.draft)
        return number

    def version(self, name: str) -> Members | None:
        """The members of a version, or of the draft."""
        return self.draft if name in ("", "DRAFT") else self.versions.get(name)


def apply(guardrail: Members, source: Source, texts: Sequence[str]) -> Members:
    """The response of ApplyGuardrail.

    Of several texts, each has its own masked text in the response
    (https://docs.aws.amazon.com/bedrock/latest/userguide/guardrails-use-independent-api.html, and how LiteLLM
    reads it); a blocked one leaves the message of the guardrail only.
    """
    words = list(_words(guardrail, source, texts))
    regexes = [match for text in texts for match in _regexes(guardrail, source, text)]
    actions = [match["action"] for match in (*words, *regexes)]
    units = sum(math.ceil(len(text) / _UNIT_CHARACTERS) for text in texts)
    usage = dict.fromkeys(_UNITS, 0)
    if "wordPolicyConfig" in guardrail:
        usage["wordPolicyUnits"] = units
    if "sensitiveInformationPolicyConfig" in guardrail:
        # Regular expressions are free of charge.
        usage["sensitiveInformationPolicyFreeUnits"] = units
    outputs: list[str] = []
    if "BLOCKED" in actions:
        name = "blockedInputMessaging" if source == "INPUT" else "blockedOutputsMessaging"
        outputs = [guardrail[name]]
    elif "ANONYMIZED" in actions:
        outputs = [_masked(guardrail, source, text) for text in texts]
    assessment: dict[str, Any] = {}
    if words:
        assessment["wordPolicy"] = {"customWords": words, "managedWordLists": []}
    if regexes:
        assessment["sensitiveInformationPolicy"] = {"piiEntities": [], "regexes": regexes}
    return {
        "usage": usage,
        "action": "GUARDRAIL_INTERVENED" if outputs else "NONE",
        "outputs": [{"text": text} for text in outputs],
        "assessments": [assessment] if assessment else [],
    }


def _action(rule: Members, source: Source) -> str:
    """`BLOCK`, `ANONYMIZE` or `NONE`."""
    side = source.lower()
    if not rule.get(f"{side}Enabled", True):
        return "NONE"
    return str(rule.get(f"{side}Action") or rule.get("action") or "BLOCK")


def _words(guardrail: Members, source: Source, texts: Sequence[str]) -> Iterator[Members]:
    for rule in guardrail.get("wordPolicyConfig", {}).get("wordsConfig", ()):
        pattern = rf"(?<!\w){re.escape(rule['text'])}(?!\w)"
        match = next(filter(None, (re.search(pattern, text, re.IGNORECASE) for text in texts)), None)
        if match and _action(rule, source) == "BLOCK":
            yield {"match": match[0], "action": "BLOCKED", "detected": True}


def _rules(guardrail: Members) -> Sequence[Members]:
    rules: Sequence[Members] = guardrail.get("sensitiveInformationPolicyConfig", {}).get("regexesConfig", ())
    return rules


def _regexes(guardrail: Members, source: Source, text: str) -> Iterator[Members]:
    actions = {"BLOCK": "BLOCKED", "ANONYMIZE": "ANONYMIZED"}
    for rule in _rules(guardrail):
        action = actions.get(_action(rule, source))
        for match in re.finditer(rule["pattern"], text) if action else ():
            names = {"name": rule["name"], "regex": rule["pattern"]}
            yield {**names, "match": match[0], "action": action, "detected": True}


def _masked(guardrail: Members, source: Source, text: str) -> str:
    for rule in _rules(guardrail):
        if _action(rule, source) == "ANONYMIZE":
            text = re.sub(rule["pattern"], lambda _, name=rule["name"]: f"{{{name}}}", text)  # type: ignore[misc]
    return text
