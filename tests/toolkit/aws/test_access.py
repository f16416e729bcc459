"""Credentials for AWS and for the embedded cloud."""

from __future__ import annotations

import pytest

from toolkit.aws.access import AwsAccess
from toolkit.errors import InputError

LOCAL = AwsAccess("eu-west-1", "123456789012", "http://127.0.0.1:4566", ("local", "secret"))
AWS = AwsAccess("eu-west-1", "123456789012")


def applied(changes: dict[str, str | None], user: dict[str, str]) -> dict[str, str]:
    unchanged = {name: value for name, value in user.items() if name not in changes}
    return unchanged | {name: value for name, value in changes.items() if value is not None}


def test_a_users_credentials_never_reach_the_embedded_cloud(monkeypatch: pytest.MonkeyPatch) -> None:
    user = {
        "AWS_PROFILE": "production",
        "AWS_ACCESS_KEY_ID": "AKIAUSER",
        "AWS_SECRET_ACCESS_KEY": "users-own",
        "AWS_SESSION_TOKEN": "users-session",
        "AWS_ENDPOINT_URL_S3": "https://elsewhere.invalid",
        "AWS_ROLE_ARN": "arn:aws:iam::1:role/x",
    }
    for name, value in user.items():
        monkeypatch.setenv(name, value)
    environment = applied(LOCAL.process_environment(), user)
    assert set(user.values()).isdisjoint(environment.values())
    assert environment["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4566"
    assert environment["AWS_REGION"] == "eu-west-1"
    frozen = LOCAL._session.get_credentials().get_frozen_credentials()  # type: ignore[union-attr]
    assert (frozen.access_key, frozen.secret_key, frozen.token) == ("local", "secret", None)
    assert "secret" not in repr(LOCAL)


def test_on_aws_settings_of_the_user_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    assert applied(AWS.process_environment(), {"AWS_PROFILE": "production"}) == {
        "AWS_PROFILE": "production",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }


def test_the_embedded_cloud_accepts_other_identities(monkeypatch: pytest.MonkeyPatch) -> None:
    assert LOCAL.is_local_root and not AWS.is_local_root
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAUSER")
    monkeypatch.setenv("TOOLKIT_LOCAL_ACCESS_KEY_ID", "AKIAANN")
    monkeypatch.setenv("TOOLKIT_LOCAL_SECRET_ACCESS_KEY", "anns")
    monkeypatch.setenv("TOOLKIT_LOCAL_SESSION_TOKEN", "session")
    access = AwsAccess("eu-west-1", "123456789012", "http://127.0.0.1:4566", ("local", "secret"))
    environment = access.process_environment()
    expected = {
        "AWS_ACCESS_KEY_ID": "AKIAANN",
        "AWS_SECRET_ACCESS_KEY": "anns",
        "AWS_SESSION_TOKEN": "session",
    }
    assert {name: environment[name] for name in expected} == expected
    frozen = access._session.get_credentials().get_frozen_credentials()  # type: ignore[union-attr]
    assert (frozen.access_key, frozen.secret_key, frozen.token) == tuple(expected.values())
    assert not access.is_local_root
    assert "AKIAANN" not in AWS.process_environment().values()


def test_incomplete_credentials_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOOLKIT_LOCAL_ACCESS_KEY_ID", "AKIAANN")
    with pytest.raises(InputError, match="TOOLKIT_LOCAL_SECRET_ACCESS_KEY is not set"):
        LOCAL.process_environment()
