"""Condition operators of policy statements, with negation and multiple values.

Source: "IAM JSON policy elements: Condition operators" and "Conditions with multiple context keys or values"
in AWS's user guide. An unknown operator is an error: a condition that never holds would allow under `Deny`.
"""

from __future__ import annotations

import base64
import ipaddress
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from toolkit.local.iam.exceptions import PolicyError
from toolkit.local.iam.patterns import ARN_COLONS, Context, Template, parse

# Whether a value of the request matches a value of the policy.
Match = Callable[[str, Template, Context], bool]

_NAME = re.compile(r"(?:(?P<quantifier>ForAllValues|ForAnyValue):)?(?P<base>\w+?)(?P<if_exists>IfExists)?")
_KEY = re.compile(r"[^\s:]+:\S.*")
_BOOLEANS = ("true", "false")


@dataclass(frozen=True)
class Operator:
    """A condition operator such as `ForAnyValue:StringNotLikeIfExists`.

    Attributes:
        match: compares two values.
        negated: whether it holds if no value matches.
        quantifier: `ForAllValues`, `ForAnyValue` or empty.
        if_exists: whether it holds without the key.
    """

    name: str
    match: Match
    negated: bool
    quantifier: str
    if_exists: bool

    def holds(self, actual: tuple[str, ...] | None, expected: tuple[Template, ...], context: Context) -> bool:
        """Whether the condition holds for a key's values in the request."""
        if actual is None:
            return self._holds_without_key()
        if self.quantifier == "ForAllValues":
            return all(self._fits(value, expected, context) for value in actual)
        if self.quantifier == "ForAnyValue" or not self.negated:
            return any(self._fits(value, expected, context) for value in actual)
        return all(self._fits(value, expected, context) for value in actual)

    def _holds_without_key(self) -> bool:
        if self.if_exists or self.quantifier == "ForAllValues":
            return True
        return self.negated and self.quantifier != "ForAnyValue"

    def _fits(self, value: str, expected: tuple[Template, ...], context: Context) -> bool:
        return self.negated != any(self.match(value, template, context) for template in expected)


@dataclass(frozen=True)
class Condition:
    """One key of one operator.

    Attributes:
        operator: None for `Null`, which checks whether the key is present.
        expected: values of the policy, of which one must match.
    """

    operator: Operator | None
    key: str
    expected: tuple[Template, ...]

    def holds(self, context: Context) -> bool:
        """Whether the request meets it.

        Raises:
            PolicyError: the key is not supported, or a value of the policy is malformed.
        """
        actual = context.values(self.key)
        if self.operator is None:
            return any(
                (template.resolve(context) == "true") == (actual is None) for template in self.expected
            )
        return self.operator.holds(actual, self.expected, context)


def parse_conditions(block: Mapping[str, Any], *, variables: bool) -> tuple[Condition, ...]:
    """Parse the `Condition` element of a statement; all conditions must hold.

    Raises:
        PolicyError: an operator, key or value is invalid.
    """
    conditions = []
    for name, keys in block.items():
        if not isinstance(keys, Mapping) or not keys:
            raise PolicyError(f"condition operator {name} needs an object of condition keys")
        parsed = None if name.lower() == "null" else parse_operator(name)
        for key, values in keys.items():
            if not _KEY.fullmatch(key):
                raise PolicyError(f"{key!r} under {name} is not a condition key")
            texts = tuple(_text(value) for value in (values if isinstance(values, list) else [values]))
            if parsed is None and not set(texts) <= set(_BOOLEANS):
                raise PolicyError(f"Null {key} takes true or false, not {', '.join(texts)}")
            expected = tuple(parse(text, variables=variables) for text in texts)
            conditions.append(Condition(parsed, key, expected))
    return tuple(conditions)


def parse_operator(name: str) -> Operator:
    """Parse the name of an operator, which is case-insensitive.

    Raises:
        PolicyError: the operator does not exist.
    """
    match = re.fullmatch(_NAME.pattern, name, re.IGNORECASE)
    base = match["base"].lower() if match else ""
    if match is None or base not in _OPERATORS:
        raise PolicyError(f"unknown condition operator {name}")
    compare, negated = _OPERATORS[base]
    quantifier = next(
        (
            quantifier_name
            for quantifier_name in ("ForAllValues", "ForAnyValue")
            if quantifier_name.lower() == (match["quantifier"] or "").lower()
        ),
        "",
    )
    return Operator(name, compare, negated, quantifier, bool(match["if_exists"]))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    raise PolicyError(f"{value!r} is not a condition value")


def _string_equals(value: str, template: Template, context: Context) -> bool:
    return template.resolve(context) == value


def _string_equals_ignore_case(value: str, template: Template, context: Context) -> bool:
    resolved = template.resolve(context)
    return resolved is not None and resolved.lower() == value.lower()


def _string_like(value: str, template: Template, context: Context) -> bool:
    return template.matches(value, context)


def _arn_like(value: str, template: Template, context: Context) -> bool:
    """Match each of the six parts, so that a wildcard does not span several."""
    if template.text.count(":") < ARN_COLONS:
        raise PolicyError(f"{template.text} is not an ARN")
    if value.count(":") < ARN_COLONS:
        return False
    parts = template.text.split(":", ARN_COLONS) if "${" not in template.text else None
    if parts is None:
        # A colon in a variable's name does not separate parts.
        return template.matches_arn(value, context)
    actual = value.split(":", ARN_COLONS)
    return all(
        parse(part, variables=False).matches(text, context) for part, text in zip(parts, actual, strict=True)
    )


def _bool(value: str, template: Template, context: Context) -> bool:
    resolved = (template.resolve(context) or "").lower()
    if resolved not in _BOOLEANS:
        raise PolicyError(f"Bool takes true or false, not {template.text}")
    return resolved == value.lower()


def _binary_equals(value: str, template: Template, context: Context) -> bool:
    try:
        expected_bytes = base64.b64decode(template.resolve(context) or "", validate=True)
    except ValueError as error:
        raise PolicyError(f"BinaryEquals takes base64, not {template.text}") from error
    try:
        return expected_bytes == base64.b64decode(value, validate=True)
    except ValueError:
        return False


def _ip_address(value: str, template: Template, context: Context) -> bool:
    try:
        network = ipaddress.ip_network(template.resolve(context) or "", strict=False)
    except ValueError as error:
        raise PolicyError(f"{template.text} is not an IP address or range") from error
    try:
        return ipaddress.ip_address(value) in network
    except ValueError:
        return False


def _ordered(read: Callable[[str], Any], compare: Callable[[Any, Any], bool]) -> Match:
    def match(value: str, template: Template, context: Context) -> bool:
        try:
            bound = read(template.resolve(context) or "")
        except ValueError as error:
            raise PolicyError(f"{template.text} is neither a number nor a date") from error
        try:
            return compare(read(value), bound)
        except ValueError:
            return False

    return match


def _date(text: str) -> datetime:
    try:
        # Epoch seconds are valid, too.
        return datetime.fromtimestamp(float(text), UTC)
    except ValueError:
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


_ORDERS: dict[str, tuple[Callable[[Any, Any], bool], bool]] = {
    "equals": (operator.eq, False),
    "notequals": (operator.eq, True),
    "lessthan": (operator.lt, False),
    "lessthanequals": (operator.le, False),
    "greaterthan": (operator.gt, False),
    "greaterthanequals": (operator.ge, False),
}
# Lower-case name → comparison, negated.
_OPERATORS: dict[str, tuple[Match, bool]] = {
    "stringequals": (_string_equals, False),
    "stringnotequals": (_string_equals, True),
    "stringequalsignorecase": (_string_equals_ignore_case, False),
    "stringnotequalsignorecase": (_string_equals_ignore_case, True),
    "stringlike": (_string_like, False),
    "stringnotlike": (_string_like, True),
    "arnequals": (_arn_like, False),
    "arnlike": (_arn_like, False),
    "arnnotequals": (_arn_like, True),
    "arnnotlike": (_arn_like, True),
    "bool": (_bool, False),
    "binaryequals": (_binary_equals, False),
    "ipaddress": (_ip_address, False),
    "notipaddress": (_ip_address, True),
    **{f"numeric{name}": (_ordered(float, compare), negated) for name, (compare, negated) in _ORDERS.items()},
    **{f"date{name}": (_ordered(_date, compare), negated) for name, (compare, negated) in _ORDERS.items()},
}
