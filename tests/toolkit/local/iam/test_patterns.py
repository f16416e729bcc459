from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.iam import Keys
from toolkit.local.iam.exceptions import PolicyError
from toolkit.local.iam.patterns import parse

NO_KEYS = Keys()


def fits(pattern: str, text: str) -> bool:
    """A naive reference implementation."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return fits(pattern[1:], text) or (bool(text) and fits(pattern, text[1:]))
    return bool(text) and pattern[0] in ("?", text[0]) and fits(pattern[1:], text[1:])


@given(st.text("ab.*?$", max_size=8), st.text("ab.*?$", max_size=10))
def test_wildcards(pattern, text):
    assert parse(pattern, variables=False).matches(text, NO_KEYS) == fits(pattern, text)


@given(st.text(max_size=20))
def test_a_string_without_wildcards_matches_itself_only(text):
    escaped = "".join(f"${{{char}}}" if char in "*?$" else char for char in text)
    template = parse(escaped, variables=True)

    assert template.resolve(NO_KEYS) == text
    assert template.matches(text, NO_KEYS)
    assert not template.matches(f"{text}x", NO_KEYS)


@given(st.text("abc*?${}", max_size=8))
def test_wildcards_in_a_variables_value_are_plain_text(value):
    template = parse("home/${aws:username}/*", variables=True)
    keys = Keys({"aws:username": value})

    assert template.matches(f"home/{value}/x", keys)
    assert not template.matches("home/somebody else/x", keys)


@pytest.mark.parametrize(
    ("pattern", "arn", "expected"),
    [
        ("*", "arn:aws:s3:::b/k", True),
        ("*", "*", True),
        ("arn:aws:s3:::b/*", "arn:aws:s3:::b/k/l", True),
        ("arn:aws:s3:::b", "arn:aws:s3:::b/k", False),
        ("arn:aws:s3:::b*", "arn:aws:s3:::b/k", True),
        ("arn:aws:sagemaker:*:1:endpoint/a-*", "arn:aws:sagemaker:eu-west-1:1:endpoint/a-b", True),
        ("arn:aws:sagemaker:*:1:endpoint/a-*", "arn:aws:sagemaker:eu-west-1:9:endpoint/a-b", False),
        # A wildcard inside one of the first parts stays in it.
        ("arn:aws:sns:us-*-1:1:t", "arn:aws:sns:us-east-1:1:t", True),
        ("arn:aws:sns:us-*t:1:t", "arn:aws:sns:us-x:y-t:1:t", False),
        # At the end of a part it does not, as AWS documents.
        ("arn:aws:sns:us-*", "arn:aws:sns:us-east-1:1:t", True),
        # The resource part may contain colons.
        ("arn:aws:logs:*:*:log-group:/a/*:*", "arn:aws:logs:us-east-1:1:log-group:/a/f:log-stream:", True),
        ("arn:aws:lambda:r:1:function:a-?:live", "arn:aws:lambda:r:1:function:a-b:live", True),
        # The resource "*" is an action without resources.
        ("arn:aws:s3:::*", "*", False),
        # Names are case-sensitive.
        ("arn:aws:s3:::B", "arn:aws:s3:::b", False),
    ],
)  # fmt: skip
def test_resources(pattern, arn, expected):
    assert parse(pattern, variables=True).matches_arn(arn, NO_KEYS) == expected


def test_a_variable_without_a_value_matches_nothing():
    template = parse("arn:aws:s3:::b/${aws:username}/*", variables=True)

    assert template.resolve(NO_KEYS) is None
    assert not template.matches_arn("arn:aws:s3:::b//x", NO_KEYS)
    assert not template.matches_arn("arn:aws:s3:::b/${aws:username}/x", NO_KEYS)


def test_default_of_a_variable():
    template = parse("${aws:PrincipalTag/team, 'company wide'}", variables=True)

    assert template.resolve(NO_KEYS) == "company wide"
    assert template.resolve(Keys({"aws:principaltag/team": "platform"})) == "platform"


def test_keys_with_several_values_are_not_variables():
    assert parse("${aws:TagKeys}", variables=True).resolve(Keys({"aws:TagKeys": ["a", "b"]})) is None


def test_old_policies_have_no_variables():
    assert parse("${aws:username}", variables=False).matches("${aws:username}", Keys({"aws:username": "eve"}))


@pytest.mark.parametrize("text", ["${}", "${aws:username, default}", "${two words}"])
def test_malformed_variables_are_errors(text):
    with pytest.raises(PolicyError):
        parse(text, variables=True)
