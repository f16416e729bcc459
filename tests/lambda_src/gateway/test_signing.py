"""Signatures and credentials, compared with botocore's."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from gateway.signing import Credentials, CredentialSource, Signer
from hypothesis import given
from hypothesis import strategies as st

PRINTABLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=40)
SEGMENTS = st.text("abcXYZ019-._~", min_size=1, max_size=20).filter(lambda segment: segment.strip("."))


@given(
    path=st.lists(SEGMENTS, min_size=1, max_size=4).map(lambda segments: "/" + "/".join(segments)),
    values=st.dictionaries(st.sampled_from(["content-type", "x-amzn-id", "a", "zeta"]), PRINTABLE),
    body=st.binary(max_size=200),
    keys=st.tuples(PRINTABLE, PRINTABLE, st.none() | PRINTABLE),
    region=st.sampled_from(["us-east-1", "eu-west-3"]),
)
def test_signatures_are_those_of_botocore(
    path: str, values: dict[str, str], body: bytes, keys: Any, region: str
) -> None:
    headers = {"host": "runtime.example:8443", **values}
    signed = Signer(region, "sagemaker").sign(path, headers, body, Credentials(*keys))
    request = AWSRequest("POST", f"https://runtime.example:8443{path}", headers=headers, data=body)
    auth = SigV4Auth(BotocoreCredentials(*keys), "sagemaker", region)
    # Signed at the same second as ours.
    request.context["timestamp"] = signed["x-amz-date"]
    request.headers["X-Amz-Date"] = signed["x-amz-date"]
    if keys[2]:
        request.headers["X-Amz-Security-Token"] = keys[2]
    text = auth.string_to_sign(request, auth.canonical_request(request))
    expected = (
        f"AWS4-HMAC-SHA256 Credential={auth.scope(request)}, "
        f"SignedHeaders={auth.signed_headers(auth.headers_to_sign(request))}, "
        f"Signature={auth.signature(text, request)}"
    )
    assert signed["authorization"] == expected


def test_the_key_follows_the_credentials_and_the_day(monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)

    class Clock:
        @staticmethod
        def now(zone: Any) -> datetime:  # noqa: ARG004
            return now

    monkeypatch.setattr("gateway.signing.datetime", Clock)
    signer = Signer("us-east-1", "sagemaker")

    def sign(signer: Signer, secret: str) -> str:
        return signer.sign("/", {"host": "h"}, b"", Credentials("key", secret, None))["authorization"]

    first = sign(signer, "one")
    other = sign(signer, "two")
    now = datetime(2026, 2, 1, tzinfo=UTC)
    assert len({first, other, sign(signer, "two")}) == 3
    assert sign(signer, "one") == sign(Signer("us-east-1", "sagemaker"), "one")


def test_credentials_are_read_for_each_request(monkeypatch: pytest.MonkeyPatch) -> None:
    source = CredentialSource()
    for number in ("1", "2"):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", f"key{number}")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", f"secret{number}")
        monkeypatch.setenv("AWS_SESSION_TOKEN", f"token{number}")
        assert asyncio.run(source.get()) == (f"key{number}", f"secret{number}", f"token{number}")


def test_other_credentials_are_those_that_botocore_finds(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "credentials"
    file.write_text("[default]\naws_access_key_id = a\naws_secret_access_key = b\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    assert asyncio.run(CredentialSource().get()) == ("a", "b", None)
