"""Condition operators: tables from AWS's documentation, and properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.iam import Keys
from toolkit.local.iam.conditions import parse_conditions, parse_operator
from toolkit.local.iam.exceptions import PolicyError

KEY = "aws:k"


def holds(operator, expected, actual):
    """Whether a condition holds; None is a request without the key."""
    conditions = parse_conditions({operator: {KEY: expected}}, variables=True)
    keys = Keys({} if actual is None else {KEY: actual})
    return all(condition.holds(keys) for condition in conditions)


TABLE = [
    ("StringEquals", "a", "a", True),
    ("StringEquals", "a", "A", False),
    ("StringEquals", ["a", "b"], "b", True),
    ("StringEquals", "a*", "ab", False),
    ("StringEquals", "a", None, False),
    ("StringNotEquals", "a", "b", True),
    ("StringNotEquals", ["a", "b"], "b", False),
    ("StringNotEquals", "a", None, True),
    ("StringEqualsIgnoreCase", "Dev", "dEV", True),
    ("StringNotEqualsIgnoreCase", "Dev", "dEV", False),
    ("StringLike", "llm-*", "llm-prod", True),
    ("StringLike", "llm-?", "llm-prod", False),
    ("StringLike", "repo:org/app:ref:refs/heads/*", "repo:org/app:ref:refs/heads/main", True),
    ("StringNotLike", "llm-*", "llm-prod", False),
    ("NumericLessThanEquals", "10", "10", True),
    ("NumericLessThan", 10, "9.5", True),
    ("NumericGreaterThan", "10", "9", False),
    ("NumericGreaterThanEquals", "10", "10", True),
    ("NumericEquals", "1", "1.0", True),
    ("NumericNotEquals", "1", "2", True),
    ("NumericLessThan", "10", "many", False),
    ("DateLessThan", "2026-01-01T00:00:00Z", "2025-12-31T23:59:59Z", True),
    ("DateGreaterThan", "2026-01-01T00:00:00Z", "2025-12-31T23:59:59Z", False),
    ("DateGreaterThanEquals", "2026-01-01", "2026-01-01T00:00:00Z", True),
    ("DateEquals", "1767225600", "2026-01-01T00:00:00Z", True),
    ("Bool", "true", "true", True),
    ("Bool", True, "true", True),
    ("Bool", "false", "true", False),
    ("Bool", "true", None, False),
    ("BoolIfExists", "false", None, True),
    ("BoolIfExists", "false", "true", False),
    ("BinaryEquals", "QmluYXJ5", "QmluYXJ5", True),
    ("BinaryEquals", "QmluYXJ5", "QmluYXJ6", False),
    ("IpAddress", "203.0.113.0/24", "203.0.113.9", True),
    ("IpAddress", "203.0.113.0/24", "198.51.100.9", False),
    ("IpAddress", ["203.0.113.0/24", "127.0.0.1"], "127.0.0.1", True),
    ("IpAddress", "2001:db8::/32", "2001:db8::1", True),
    ("NotIpAddress", "203.0.113.0/24", "198.51.100.9", True),
    ("ArnEquals", "arn:aws:iam::123456789012:role/*", "arn:aws:iam::123456789012:role/ci", True),
    ("ArnLike", "arn:aws:iam::*:role/ci", "arn:aws:iam::123456789012:role/ci", True),
    # A wildcard stays in its part.
    ("ArnLike", "arn:aws:iam*:role/ci", "arn:aws:iam::123456789012:role/ci", PolicyError),
    ("ArnLike", "arn:*:*:*:1:x", "arn:aws:iam::2:1:x", False),
    ("ArnNotLike", "arn:aws:iam::*:role/ci", "arn:aws:iam::123456789012:role/other", True),
    ("ArnNotEquals", "arn:aws:iam::1:role/ci", None, True),
    ("ArnLike", "arn:aws:iam::1:role/ci", "not an arn", False),
    ("Null", "true", None, True),
    ("Null", "true", "x", False),
    ("Null", "false", "x", True),
    ("Null", False, None, False),
    # Several values of the request, after "Multivalued context keys".
    ("ForAllValues:StringEquals", ["environment", "cost-center"], ["environment"], True),
    ("ForAllValues:StringEquals", ["environment", "cost-center"], ["environment", "cost-center"], True),
    ("ForAllValues:StringEquals", ["environment", "cost-center"], ["environment", "dept"], False),
    ("ForAllValues:StringEquals", ["environment"], None, True),
    ("ForAnyValue:StringEquals", ["environment", "cost-center"], ["dept", "cost-center"], True),
    ("ForAnyValue:StringEquals", ["environment"], ["dept"], False),
    ("ForAnyValue:StringEquals", ["environment"], None, False),
    ("ForAnyValue:StringNotEquals", ["environment"], None, False),
    ("ForAllValues:StringNotEquals", ["webserver"], ["db", "webserver"], False),
    ("ForAnyValue:StringLike", ["env*"], ["environment"], True),
    ("ForAnyValue:StringEqualsIfExists", ["environment"], None, True),
    # Operators are case-insensitive.
    ("stringequals", "a", "a", True),
    ("forAnyValue:stringLIKE", "a*", ["ab"], True),
]


@pytest.mark.parametrize(("operator", "expected", "actual", "outcome"), TABLE)
def test_operators(operator, expected, actual, outcome):
    if outcome is PolicyError:
        with pytest.raises(PolicyError):
            holds(operator, expected, actual)
    else:
        assert holds(operator, expected, actual) is outcome


WORDS = st.text("abAB*?", min_size=1, max_size=4)
POSITIVE = ["StringEquals", "StringEqualsIgnoreCase", "StringLike"]


def negated(operator):
    return operator.replace("String", "StringNot")


@given(st.sampled_from(POSITIVE), st.lists(WORDS, min_size=1, max_size=3), WORDS)
def test_negation_inverts_the_result_for_a_present_key(operator, expected, actual):
    assert holds(operator, expected, actual) != holds(negated(operator), expected, actual)


@given(
    st.sampled_from(POSITIVE),
    st.lists(WORDS, min_size=1, max_size=3),
    st.lists(WORDS, min_size=1, max_size=3),
)
def test_quantifiers(operator, expected, actual):
    single = [holds(operator, expected, value) for value in actual]

    assert holds(f"ForAnyValue:{operator}", expected, actual) == any(single)
    assert holds(f"ForAllValues:{operator}", expected, actual) == all(single)
    assert holds(f"ForAllValues:{negated(operator)}", expected, actual) == (not any(single))


@given(st.sampled_from([*POSITIVE, *map(negated, POSITIVE)]), st.lists(WORDS, min_size=1, max_size=3), WORDS)
def test_if_exists_matters_for_missing_keys_only(operator, expected, actual):
    assert holds(f"{operator}IfExists", expected, actual) == holds(operator, expected, actual)
    assert holds(f"{operator}IfExists", expected, None)


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=3), st.integers(-5, 5))
def test_numbers(expected, actual):
    texts = [str(number) for number in expected]

    assert holds("NumericLessThan", texts, str(actual)) == any(actual < number for number in expected)
    assert holds("NumericGreaterThanEquals", texts, str(actual)) == any(
        actual >= number for number in expected
    )


def test_all_keys_of_all_operators_must_hold():
    block = {"StringEquals": {"aws:a": "1", "aws:b": "2"}, "Bool": {"aws:c": "true"}}
    conditions = parse_conditions(block, variables=True)

    assert [condition.key for condition in conditions] == ["aws:a", "aws:b", "aws:c"]
    assert all(
        condition.holds(Keys({"aws:a": "1", "aws:b": "2", "aws:c": "true"})) for condition in conditions
    )


def test_variables_in_values():
    block = {"StringEquals": {"aws:ResourceTag/owner": "${aws:username}"}}
    (condition,) = parse_conditions(block, variables=True)

    assert condition.holds(Keys({"aws:resourcetag/owner": "eve", "aws:username": "eve"}))
    assert not condition.holds(Keys({"aws:resourcetag/owner": "eve", "aws:username": "bob"}))
    assert not condition.holds(Keys({"aws:resourcetag/owner": "${aws:username}"}))


@pytest.mark.parametrize(
    "block",
    [
        {"StringMatches": {KEY: "a"}},
        {"ForSomeValues:StringEquals": {KEY: "a"}},
        {"StringEqualsIfExistsIfExists": {KEY: "a"}},
        {"NullIfExists": {KEY: "true"}},
        {"StringEquals": {"no key": "a"}},
        {"StringEquals": {"username": "a"}},
        {"StringEquals": {KEY: {"a": "b"}}},
        {"StringEquals": "a"},
        {"Null": {KEY: "maybe"}},
    ],
)
def test_unknown_operators_and_keys_are_parse_errors(block):
    with pytest.raises(PolicyError):
        parse_conditions(block, variables=True)


@pytest.mark.parametrize(
    ("operator", "value"),
    [
        ("Bool", "yes"),
        ("NumericEquals", "one"),
        ("DateLessThan", "soon"),
        ("IpAddress", "here"),
        ("BinaryEquals", "é"),
    ],
)
def test_malformed_values_are_errors(operator, value):
    with pytest.raises(PolicyError):
        holds(operator, value, "1")


def test_an_unsupported_key_is_an_error():
    (condition,) = parse_conditions({"StringNotEquals": {KEY: "a"}}, variables=True)

    with pytest.raises(PolicyError):
        condition.holds(Keys(unknown=[KEY]))


def test_operator_names_are_kept():
    assert parse_operator("ForAllValues:StringLike").name == "ForAllValues:StringLike"
