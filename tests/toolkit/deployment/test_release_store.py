"""Releases in a bucket: numbered, complete, unchanged."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path

import pytest

from toolkit.aws.access import AwsAccess
from toolkit.deployment.releases import Release, Releases
from toolkit.errors import InputError, StateError
from toolkit.packaging import package_name

pytestmark = pytest.mark.slow


def releases_in(account: AwsAccess, bucket: str, env: str = "dev") -> Releases:
    account.s3.create_bucket(Bucket=bucket)
    return Releases(account, bucket, env)


def name_of(content: bytes) -> str:
    return package_name("gateway", hashlib.sha256(content).hexdigest())


def release_of(content: bytes, **changes: object) -> Release:
    plain = Release(
        number=0,
        created_at="2026-11-22T12:00:00+00:00",
        created_by="arn:aws:iam::123456789012:user/ana",
        action="apply",
        commit="0" * 40,
        uncommitted=False,
        plan_digest="1" * 64,
        variables='description = "名前 ${x}"\n',
        packages={name_of(content): hashlib.sha256(content).hexdigest()},
        endpoints={"llm-dev-a": "llm-dev-a-0123"},
        smoke_test="passed",
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def recorded(releases: Releases, directory: Path, content: bytes = b"zip one", **changes: object) -> Release:
    package = directory / name_of(content)
    package.write_bytes(content)
    return releases.record(release_of(content, **changes), {package.name: package})


def test_releases_are_numbered_from_one_and_read_back_complete(account: AwsAccess, tmp_path: Path) -> None:
    releases = releases_in(account, "releases-numbered")
    assert releases.latest() is None
    first = recorded(releases, tmp_path)
    second = recorded(releases, tmp_path, action="rollback to 1")
    assert (first.number, second.number) == (1, 2)
    assert releases.list() == [second, first]
    assert releases.get(1) == first
    assert releases.latest() == second
    with pytest.raises(InputError, match="no release 3"):
        releases.get(3)


WRONG_TYPES = re.sub(r'"packages": {[^}]*}', '"packages": 1', release_of(b"zip").to_json()).encode()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"number": 1}', b"\xff", WRONG_TYPES])
def test_a_damaged_record_does_not_prevent_the_next(
    account: AwsAccess, tmp_path: Path, content: bytes
) -> None:
    releases = releases_in(account, f"releases-damaged-{hashlib.sha256(content).hexdigest()[:8]}")
    recorded(releases, tmp_path)
    account.s3.put_object(Bucket=releases.bucket, Key="dev/releases/000001.json", Body=content)
    account.s3.put_object(Bucket=releases.bucket, Key="dev/releases/000001.json.bak", Body=b"kept")
    for read in (releases.latest, releases.list, lambda: releases.get(1)):
        with pytest.raises(StateError, match="cannot read release 1") as caught:
            read()
        assert caught.value.where == f"s3://{releases.bucket}/dev/releases/000001.json"
    assert recorded(releases, tmp_path).number == 2


def test_environments_do_not_see_each_others_releases(account: AwsAccess, tmp_path: Path) -> None:
    dev = releases_in(account, "releases-shared")
    recorded(dev, tmp_path)
    assert Releases(account, "releases-shared", "de").list() == []


def test_a_number_recorded_by_another_machine_is_not_overwritten(account: AwsAccess, tmp_path: Path) -> None:
    # Another machine recorded its release between this one's list and its write.
    releases = releases_in(account, "releases-raced")
    first = recorded(releases, tmp_path)
    assert not releases._create(replace(first, action="late"))
    assert releases.get(1).action == "apply"


def test_packages_are_restored_unchanged(account: AwsAccess, tmp_path: Path) -> None:
    releases = releases_in(account, "releases-packages")
    release = recorded(releases, tmp_path, content=b"earlier zip")
    target = tmp_path / "elsewhere"
    releases.restore_packages(release, target)
    assert (target / name_of(b"earlier zip")).read_bytes() == b"earlier zip"
    (target / name_of(b"earlier zip")).write_bytes(b"tampered")
    releases.restore_packages(release, target)
    assert (target / name_of(b"earlier zip")).read_bytes() == b"earlier zip"


def test_a_package_changed_in_the_bucket_is_rejected(account: AwsAccess, tmp_path: Path) -> None:
    releases = releases_in(account, "releases-changed")
    release = recorded(releases, tmp_path)
    account.s3.put_object(
        Bucket="releases-changed",
        Key=releases.package_key(release.packages[name_of(b"zip one")]),
        Body=b"other",
    )
    with pytest.raises(StateError, match="was changed"):
        releases.restore_packages(release, tmp_path / "elsewhere")


def test_fields_of_later_versions_are_ignored() -> None:
    release = release_of(b"x")
    document = release.to_json().replace('"action"', '"from_the_future": 1,\n"action"')
    assert Release.from_json(document, "s3://b/dev/releases/000000.json") == release


@pytest.mark.parametrize("name", ["../evil.zip", "/evil.zip", "gateway.zip", "gateway-000000000000.zip"])
def test_a_record_cannot_name_a_file_outside_the_folder(
    account: AwsAccess, tmp_path: Path, name: str
) -> None:
    releases = releases_in(account, f"releases-names-{hashlib.sha256(name.encode()).hexdigest()[:8]}")
    release = recorded(releases, tmp_path)
    tampered = replace(release, packages={name: next(iter(release.packages.values()))})
    with pytest.raises(StateError, match="unknown package"):
        releases.restore_packages(tampered, tmp_path / "a" / "b")
    assert not list((tmp_path / "a").rglob("*.zip"))
