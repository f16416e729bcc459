"""Guardrails as boto3 uses them."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.cloud import Aws

pytestmark = pytest.mark.slow

MESSAGES = {"blockedInputMessaging": "not in requests", "blockedOutputsMessaging": "not in responses"}
WORDS = {"wordsConfig": [{"text": "for bidden"}, {"text": "quiet", "inputEnabled": False}]}
REGEXES = {
    "regexesConfig": [
        {"name": "ticket", "pattern": r"T-\d+", "action": "ANONYMIZE"},
        {"name": "badge", "pattern": r"B-\d+", "action": "BLOCK"},
    ]
}


@pytest.fixture(scope="module")
def guardrail(aws: Aws) -> str:
    created = aws("bedrock").create_guardrail(
        name=f"g-{uuid.uuid4().hex[:8]}",
        wordPolicyConfig=WORDS,
        sensitiveInformationPolicyConfig=REGEXES,
        **MESSAGES,
    )
    assert created["version"] == "DRAFT"
    assert created["guardrailArn"].endswith(f":guardrail/{created['guardrailId']}")
    return str(created["guardrailId"])


def apply(aws: Aws, guardrail: str, *texts: str, source: str = "INPUT", version: str = "DRAFT") -> Any:
    return aws("bedrock-runtime").apply_guardrail(
        guardrailIdentifier=guardrail,
        guardrailVersion=version,
        source=source,
        content=[{"text": {"text": text}} for text in texts],
    )


def outputs(response: Any) -> list[str]:
    return [output["text"] for output in response["outputs"]]


def test_a_text_passes(aws: Aws, guardrail: str) -> None:
    response = apply(aws, guardrail, "forbidden and quiet", "x" * 1001)
    assert (response["action"], response["outputs"], response["assessments"]) == ("NONE", [], [])
    assert response["usage"]["wordPolicyUnits"] == 3


def test_a_word_blocks(aws: Aws, guardrail: str) -> None:
    response = apply(aws, guardrail, "a", "FOR BIDDEN!")
    assert (response["action"], outputs(response)) == ("GUARDRAIL_INTERVENED", ["not in requests"])
    (word,) = response["assessments"][0]["wordPolicy"]["customWords"]
    assert (word["match"], word["action"]) == ("FOR BIDDEN", "BLOCKED")
    assert outputs(apply(aws, guardrail, "quiet", source="OUTPUT")) == ["not in responses"]


def test_each_text_is_masked(aws: Aws, guardrail: str) -> None:
    response = apply(aws, guardrail, "T-1 and T-22", "none")
    assert outputs(response) == ["{ticket} and {ticket}", "none"]
    regexes = response["assessments"][0]["sensitiveInformationPolicy"]["regexes"]
    assert [(match["match"], match["action"]) for match in regexes] == [
        ("T-1", "ANONYMIZED"),
        ("T-22", "ANONYMIZED"),
    ]
    assert outputs(apply(aws, guardrail, "T-1", "B-2")) == ["not in requests"]


def test_versions(aws: Aws, guardrail: str) -> None:
    bedrock = aws("bedrock")
    version = bedrock.create_guardrail_version(guardrailIdentifier=guardrail)["version"]
    guardrail_version = bedrock.get_guardrail(guardrailIdentifier=guardrail, guardrailVersion=version)
    assert (guardrail_version["version"], guardrail_version["status"]) == (version, "READY")
    assert guardrail_version["wordPolicy"]["words"][0] == {"text": "for bidden"}
    assert (
        apply(aws, guardrail_version["guardrailArn"], "for bidden", version=version)["action"]
        == "GUARDRAIL_INTERVENED"
    )
    bedrock.delete_guardrail(guardrailIdentifier=guardrail, guardrailVersion=version)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        apply(aws, guardrail, "a", version=version)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (
            {"topicPolicyConfig": {"topicsConfig": [{"name": "a", "definition": "b", "type": "DENY"}]}},
            "not emulated",
        ),
        ({"wordPolicyConfig": {"managedWordListsConfig": [{"type": "PROFANITY"}]}}, "not emulated"),
        ({"wordPolicyConfig": {"wordsConfig": [{"text": "x" * 101}]}}, "length less than or equal to 100"),
        (
            {
                "sensitiveInformationPolicyConfig": {
                    "regexesConfig": [{"name": "a", "pattern": "(", "action": "BLOCK"}]
                }
            },
            "Invalid regex",
        ),
    ],
)
def test_what_is_not_emulated_or_not_valid_is_refused(aws: Aws, members: Any, message: str) -> None:
    with pytest.raises(ClientError, match=message):
        aws("bedrock").create_guardrail(name="refused", **MESSAGES, **members)
