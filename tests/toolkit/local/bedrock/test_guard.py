"""The gateway's client for guardrails against the embedded cloud, with IAM enforced."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator

import pytest
from gateway.errors import ContentFilterError, GuardError
from gateway.guard import Content, Source
from gateway.guard.bedrock import MAX_CHARACTERS, BedrockGuard
from gateway.settings import BedrockGuardrail

from tests.support.access import enforce_iam
from tests.support.cloud import Aws
from tests.support.iam import allow, document
from toolkit.local.client import RunningCloud

pytestmark = pytest.mark.slow

REGEXES = {"regexesConfig": [{"name": "ticket", "pattern": r"T-\d+", "action": "ANONYMIZE"}]}


@pytest.fixture(scope="module")
def guardrails(aws: Aws) -> list[str]:
    return [
        aws("bedrock").create_guardrail(
            name=f"g-{uuid.uuid4().hex[:8]}",
            wordPolicyConfig={"wordsConfig": [{"text": "forbidden"}]},
            sensitiveInformationPolicyConfig=REGEXES,
            blockedInputMessaging="not in requests",
            blockedOutputsMessaging="not in responses",
        )["guardrailId"]
        for _ in range(2)
    ]


@pytest.fixture
def caller(
    cloud: RunningCloud, aws: Aws, guardrails: list[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """The environment of a function that may apply the first guardrail only, while IAM is enforced."""
    name = f"guarded-{uuid.uuid4().hex[:8]}"
    iam = aws("iam")
    iam.create_user(UserName=name)
    resource = f"arn:aws:bedrock:us-east-1:123456789012:guardrail/{guardrails[0]}"
    policy = document(allow("bedrock:ApplyGuardrail", resource))
    iam.put_user_policy(UserName=name, PolicyName="inline", PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    enforce_iam(cloud, True)
    yield
    enforce_iam(cloud, False)


def check(cloud: RunningCloud, guardrail: str, *texts: str, source: Source = "input") -> list[str]:
    environ = {"AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": cloud.endpoint_url}

    async def run() -> list[str]:
        guard = BedrockGuard(BedrockGuardrail(guardrail, "DRAFT"), environ)
        return await guard.check(texts, Content("", source, "demo"))

    return asyncio.run(run())


def test_verdicts_of_a_guardrail(cloud: RunningCloud, guardrails: list[str], caller: None) -> None:
    guardrail = guardrails[0]
    assert check(cloud, guardrail, "a", "b") == ["a", "b"]
    assert check(cloud, guardrail, "for T-1", "none") == ["for {ticket}", "none"]
    with pytest.raises(ContentFilterError) as caught:
        check(cloud, guardrail, "a", "forbidden T-1")
    assert caught.value.message == "not in requests"
    assert caught.value.cause == "guardrail: wordPolicy"
    with pytest.raises(ContentFilterError, match="not in responses"):
        check(cloud, guardrail, "forbidden", source="output")


def test_texts_that_exceed_a_call(cloud: RunningCloud, guardrails: list[str], caller: None) -> None:
    words = "word " * (MAX_CHARACTERS // 5)
    long = f"{words[:-3]} T-12345 {words}"
    assert check(cloud, guardrails[0], "T-1", long, "b") == [
        "{ticket}",
        long.replace("T-12345", "{ticket}"),
        "b",
    ]
    with pytest.raises(ContentFilterError):
        check(cloud, guardrails[0], f"{words}forbidden")


@pytest.mark.parametrize("name", ["other", "missing"])
def test_a_guardrail_that_cannot_be_applied_lets_nothing_pass(
    cloud: RunningCloud, guardrails: list[str], caller: None, name: str
) -> None:
    guardrail = guardrails[1] if name == "other" else guardrails[0][::-1]
    with pytest.raises(GuardError) as caught:
        check(cloud, guardrail, "private")
    # Without the permission, a caller does not learn which guardrails exist.
    assert caught.value.cause == "ApplyGuardrail: status 403 AccessDeniedException"
