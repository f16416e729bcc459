"""When environments expire, and which of them `toolkit reap` destroys."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.support.contexts import opened
from toolkit.aws import state_bucket
from toolkit.aws.access import AwsAccess
from toolkit.deployment import expiry, locks, reap
from toolkit.deployment.context import Context
from toolkit.deployment.reap import ExpiringEnvironment
from toolkit.environment import EnvironmentFileError, load
from toolkit.errors import ToolkitError

LONG_AGO = "2026-01-01T00:00:00+00:00"


@pytest.fixture
def preview(account: AwsAccess, tmp_path: Path) -> Context:
    """An environment with a time to live, as its apply begins."""
    context = opened(tmp_path, account, env=f"p{uuid.uuid4().hex[:8]}", further="ttl: 3d\n").context
    state_bucket.ensure(account, context.environment.state_bucket)
    context.build.mkdir(parents=True)
    (context.build / "inference.tfvars").write_text("a = 1\n")
    return context


def mortal_of(context: Context) -> ExpiringEnvironment | None:
    """The environment as `toolkit reap` lists it."""
    name = context.environment.name
    return next((candidate for candidate in reap.find(context) if candidate.name == name), None)


def change(context: Context, **values: Any) -> None:
    """Change members of the stored record."""
    location = {"Bucket": context.environment.state_bucket, "Key": expiry.key(context.environment.name)}
    stored = json.loads(context.access.s3.get_object(**location)["Body"].read())
    context.access.s3.put_object(**location, Body=json.dumps(stored | values).encode())


def declare(context: Context, further: str) -> None:
    """Replace the time to live in the environment's file."""
    file = context.project.environment_file(context.environment.name)
    file.write_text(file.read_text().replace("ttl: 3d\n", further))


def reopened(context: Context) -> Context:
    """The environment with its present file."""
    environment = load(context.project, context.environment.name)
    return Context(context.project, environment, context.access, context.console, None)


def test_an_environment_expires_after_its_last_apply(preview: Context) -> None:
    expiry.renew(preview)
    candidate = mortal_of(preview)
    assert candidate is not None
    assert candidate.state == "alive"
    assert candidate.expires_at is not None
    assert candidate.applied_at is not None
    assert (candidate.expires_at - candidate.applied_at).days == 3
    change(preview, expires_at=LONG_AGO)
    expired = mortal_of(preview)
    assert expired is not None
    assert expired.state == "expired"
    assert expired.dollars_per_hour is not None
    assert expired.dollars_per_hour > 0
    expiry.renew(preview)
    # The environment was applied after it was shown as expired.
    (kept,) = reap.reap(preview, [expired])
    assert kept.state == "alive"


def test_an_apply_without_ttl_ends_the_expiry(preview: Context) -> None:
    expiry.renew(preview)
    declare(preview, "")
    expiry.renew(reopened(preview))
    assert mortal_of(preview) is None


def test_a_protected_environment_is_not_reaped(preview: Context) -> None:
    declare(preview, "ttl: 3d\nprotected: true\n")
    expiry.renew(reopened(preview))
    change(preview, expires_at=LONG_AGO)
    # Its file is gone: the record says it.
    preview.project.environment_file(preview.environment.name).unlink()
    candidate = mortal_of(preview)
    assert candidate is not None
    assert (candidate.state, candidate.reason) == ("kept", "it is protected")
    assert list(reap.reap(preview, [candidate])) == [candidate]


def test_a_destroyed_environment_does_not_expire(preview: Context) -> None:
    expiry.end(preview)
    assert mortal_of(preview) is None
    expiry.renew(preview)
    expiry.end(preview)
    assert mortal_of(preview) is None


def test_an_apply_after_a_destruction_keeps_its_expiry(preview: Context) -> None:
    expiry.renew(preview)
    change(preview, expires_at=LONG_AGO)
    destroyed = expiry.read(preview, preview.environment.name)
    # On another machine, before the destruction has ended.
    expiry.renew(preview)
    expiry.end(preview, destroyed)
    candidate = mortal_of(preview)
    assert candidate is not None
    assert candidate.state == "alive"
    expiry.end(preview, expiry.read(preview, preview.environment.name))
    assert mortal_of(preview) is None


def test_an_environment_in_use_is_not_reaped(preview: Context) -> None:
    expiry.renew(preview)
    change(preview, expires_at=LONG_AGO)
    candidate = mortal_of(preview)
    assert candidate is not None
    with locks.exclusive(preview):
        (failed,) = reap.reap(preview, [candidate])
    assert failed.state == "failed"
    assert "in use on this machine" in str(failed)
    with pytest.raises(ToolkitError, match="cannot reap") as error:
        reap.raise_for_failures([failed])
    assert error.value.exit_code == 9
    assert mortal_of(preview) == candidate


@pytest.mark.parametrize(
    ("further", "reason"),
    [
        ("protected: true\n", "its file protects it; apply it"),
        ("", "its file has no ttl any more; apply it"),
        ("ttl: 5d\n", "its file has a longer ttl; apply it"),
        ("ttl: soon\n", "its file has problems"),
    ],
)
def test_the_present_file_keeps_an_expired_environment(preview: Context, further: str, reason: str) -> None:
    expiry.renew(preview)
    change(preview, expires_at=LONG_AGO)
    declare(preview, further)
    candidate = mortal_of(preview)
    assert candidate is not None
    assert candidate.state == "kept"
    assert reason in str(candidate)
    assert list(reap.reap(preview, [candidate])) == [candidate]
    preview.project.environment_file(preview.environment.name).unlink()
    orphan = mortal_of(preview)
    assert orphan is not None
    assert orphan.state == "expired"


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"environment": "other"}, "it is of 'other'"),
        ({"expires_at": "tomorrow"}, "its record was changed after it was stored"),
        ({"expires_at": LONG_AGO.removesuffix("+00:00")}, "its record was changed after it was stored"),
        ({"expires_at": LONG_AGO, "file": "{"}, "cannot read the recorded file"),
        ({"expires_at": LONG_AGO, "file": None}, "its record was changed after it was stored"),
    ],
)
def test_a_record_that_cannot_be_attributed_is_not_reaped(
    preview: Context, values: dict[str, Any], reason: str
) -> None:
    expiry.renew(preview)
    change(preview, **values)
    assert_unreadable(preview, reason)


@pytest.mark.parametrize(
    "change_", [("name: llm", "name: other"), ("region: us-east-1", "region: eu-west-1")]
)
def test_a_record_of_another_account_is_not_reaped(preview: Context, change_: tuple[str, str]) -> None:
    expiry.renew(preview)
    text = preview.project.environment_file(preview.environment.name).read_text()
    change(preview, expires_at=LONG_AGO, file=text.replace(*change_))
    assert_unreadable(preview, "of another account, region or state bucket")


def assert_unreadable(context: Context, reason: str) -> None:
    candidate = mortal_of(context)
    assert candidate is not None
    assert candidate.state == "unreadable"
    assert reason in str(candidate)
    results = list(reap.reap(context, [candidate]))
    assert results == [candidate]
    with pytest.raises(ToolkitError, match=f"cannot reap {candidate.name}") as error:
        reap.raise_for_failures(results)
    assert error.value.exit_code == 9


@pytest.mark.parametrize("ttl", ["soon", "1h", "3", "-3d", "3w"])
def test_a_ttl_is_a_duration_of_hours_or_days(account: AwsAccess, tmp_path: Path, ttl: str) -> None:
    with pytest.raises(EnvironmentFileError, match=r": ttl: ") as error:
        opened(tmp_path, account, further=f"ttl: {ttl!r}\n")
    assert "12h or 3d" in str(error.value) or "use 2h or more" in str(error.value)
