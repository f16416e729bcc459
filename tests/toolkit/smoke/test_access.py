"""A key from the environment variable replaces the one that the smoke test would read."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import pytest

from tests.support.contexts import opened, outputs
from toolkit.aws.access import AwsAccess
from toolkit.smoke.access import KEY_VARIABLE, Access
from toolkit.smoke.results import FailedError

KEY = f"sk-night-shift-{'a1' * 20}"


@pytest.fixture
def access(tmp_path: Path) -> Access:
    """Access without an AWS to read a key from."""
    context = opened(tmp_path, AwsAccess("us-east-1", "123456789012", "http://127.0.0.1:1")).context
    return Access(context, outputs({}), 5)


@pytest.mark.parametrize(("key", "name"), [(KEY, "night-shift"), ("another-kind-of-key", "default")])
def test_a_given_key_is_sent_without_reading_one(
    access: Access, monkeypatch: pytest.MonkeyPatch, key: str, name: str
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, key)
    assert any(key in value for value in access.client().headers.values())
    assert (access.secret, access.key_name) == (key, name)


@pytest.mark.parametrize("key", ["", "two words", "line\n", "clé"])
def test_a_damaged_key_is_explained_without_its_value(
    access: Access, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, key)
    with pytest.raises(FailedError) as caught:
        access.client()
    assert caught.value.cause == "TOOLKIT_API_KEY is empty, or has a space or line break"
    assert not key or key.strip() not in str(caught.value)


@pytest.mark.slow
def test_a_given_key_may_be_new(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    """API Gateway learns of it later than the time for which an old key may be refused."""
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    known_at = time.monotonic() + 4
    access.seconds = 600

    def serve(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200 if time.monotonic() > known_at else 403)

    with httpx.Client(transport=httpx.MockTransport(serve), base_url="http://api") as client:
        key = access._read_key()
        assert access._wait(client, key, client.get("models")).status_code == 200
