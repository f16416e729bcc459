"""Saved plans that were damaged or forged in transit."""

from __future__ import annotations

import hashlib
import json
import stat
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies

from toolkit.deployment.plans import manifest
from toolkit.errors import InputError, StateError
from toolkit.packaging import package_name


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


GATEWAY = "packages/" + package_name("gateway", sha256(b"gateway"))
AUTHORIZER = "packages/" + package_name("authorizer", sha256(b"authorizer"))
CONTENTS = {
    manifest.PLAN: b"terraform's own",
    manifest.VARIABLES: b"name = 1\n",
    GATEWAY: b"gateway",
    AUTHORIZER: b"authorizer",
}


def manifest_of(contents: dict[str, bytes]) -> dict[str, Any]:
    """The manifest of these contents."""
    return {
        "format": manifest.FORMAT,
        "subject": {"environment": "dev"},
        "created_at": "2026-11-30T00:00:00+00:00",
        "uncommitted": False,
        "action": "apply",
        "has_changes": True,
        "counts": {"add": 1, "change": 0, "remove": 0, "imported": 0},
        "changes": [{"address": "a.b", "action": "create", "resource_type": "a"}],
        "instance_counts": {"m": {"v": 1}},
        "rolls_out": False,
        "state": {"lineage": "", "serial": 0},
        "inputs": {"toolkit": "1"},
        "contents": {name: sha256(content) for name, content in contents.items()},
    }


def write(
    path: Path, members: Iterable[tuple[str | zipfile.ZipInfo, bytes]], text: str | None = None
) -> Path:
    members = list(members)
    contents = {name if isinstance(name, str) else name.filename: content for name, content in members}
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(manifest.MANIFEST, text if text is not None else json.dumps(manifest_of(contents)))
        for name, content in members:
            file.writestr(name, content)
    return path


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return write(tmp_path / "plan", CONTENTS.items())


def is_accepted(path: Path) -> bool:
    """Whether a plan is read as it was saved; False if it is refused."""
    try:
        _, contents = manifest.read(path, "build/dev/plan")
    except InputError as error:
        assert error.exit_code == 2
        return False
    assert contents == CONTENTS
    return True


def test_a_plan_with_a_changed_bit_is_unaffected_or_rejected(saved: Path) -> None:
    whole = saved.read_bytes()
    assert is_accepted(saved)
    refused = 0
    for position in range(len(whole)):
        changed = bytearray(whole)
        changed[position] ^= 1 << position % 8
        saved.write_bytes(changed)
        refused += not is_accepted(saved)
    assert refused > len(whole) / 2


def test_a_truncated_plan_is_refused(saved: Path) -> None:
    whole = saved.read_bytes()
    for length in range(len(whole)):
        saved.write_bytes(whole[:length])
        assert not is_accepted(saved)


@pytest.mark.parametrize(
    "name",
    [
        "packages//etc/cron.d/evil",
        "packages/../../terraform/stacks/inference/evil.auto.tfvars",
        "packages/gateway-000000000000.zip",
        GATEWAY.replace("packages", "Packages"),
        "evil.auto.tfvars",
        "packages/",
    ],
)
def test_a_plan_with_an_unknown_member_is_refused(tmp_path: Path, name: str) -> None:
    assert not is_accepted(write(tmp_path / "plan", [*CONTENTS.items(), (name, b"evil")]))


def test_a_member_that_the_manifest_omits_is_refused(tmp_path: Path) -> None:
    members = [*CONTENTS.items(), ("packages/x.zip", b"evil")]
    assert not is_accepted(write(tmp_path / "plan", members, json.dumps(manifest_of(CONTENTS))))


@pytest.mark.parametrize("name", CONTENTS)
def test_a_plan_without_one_of_its_members_is_refused(tmp_path: Path, name: str) -> None:
    members = [(member, content) for member, content in CONTENTS.items() if member != name]
    assert not is_accepted(write(tmp_path / "plan", members))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_duplicate_member_is_refused(tmp_path: Path) -> None:
    assert not is_accepted(write(tmp_path / "plan", [*CONTENTS.items(), *CONTENTS.items()]))


def test_a_symbolic_link_in_place_of_a_member_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo(manifest.PLAN)
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    members = [(name, content) for name, content in CONTENTS.items() if name != manifest.PLAN]
    assert not is_accepted(write(tmp_path / "plan", [(link, CONTENTS[manifest.PLAN]), *members]))


def test_a_compressed_member_is_refused(tmp_path: Path) -> None:
    bomb = zipfile.ZipInfo(manifest.PLAN)
    bomb.compress_type = zipfile.ZIP_DEFLATED
    members = [(name, content) for name, content in CONTENTS.items() if name != manifest.PLAN]
    assert not is_accepted(write(tmp_path / "plan", [(bomb, bytes(2**20)), *members]))


@pytest.mark.parametrize("text", ["[]", "null", "{}", '{"contents": 1}', '{"format": 1}', "[" * 100_000])
def test_another_programs_zip_file_is_refused(tmp_path: Path, text: str) -> None:
    assert not is_accepted(write(tmp_path / "plan", [], text))


UNREADABLE = Path("/proc/self/mem")  # for root, too


@pytest.mark.skipif(not UNREADABLE.exists(), reason="no such file on this system")
def test_an_unreadable_plan_is_not_called_foreign() -> None:
    with pytest.raises(OSError, match="Input/output error"):
        manifest.read(UNREADABLE, "plan")


def test_a_plan_of_another_version_has_its_own_error(tmp_path: Path) -> None:
    path = write(tmp_path / "plan", [], '{"format": 2}')
    with pytest.raises(StateError, match="another version"):
        manifest.read(path, "plan")


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("created_at", "yesterday"),
        ("created_at", "2026-11-30T00:00:00"),
        ("created_at", ""),
        ("action", "rollback to 3"),
        ("state", {"lineage": "", "serial": -1}),
        ("counts", {"add": "1"}),
    ],
)
def test_damage_in_the_manifest_is_named(tmp_path: Path, member: str, value: Any) -> None:
    text = json.dumps({**manifest_of(CONTENTS), member: value})
    with pytest.raises(InputError, match="not a plan file") as caught:
        manifest.read(write(tmp_path / "plan", CONTENTS.items(), text), "plan")
    assert caught.value.details[0].startswith(f"manifest.json: {member}")


def test_variables_that_are_not_text_are_named(tmp_path: Path) -> None:
    contents = {**CONTENTS, manifest.VARIABLES: b"name = 1\n\xff"}
    with pytest.raises(InputError) as caught:
        manifest.read(write(tmp_path / "plan", contents.items()), "plan")
    assert caught.value.details == ("inference.tfvars: line 2: byte 0xFF is not UTF-8",)


@pytest.mark.parametrize(
    ("path", "reason"), [(".", "this is a folder"), ("missing", "no such file"), ("/dev/null", "not a file")]
)
def test_a_path_that_is_not_a_file_is_described(tmp_path: Path, path: str, reason: str) -> None:
    with pytest.raises(InputError, match=f"cannot read the plan: {reason}"):
        manifest.read(tmp_path / path, "plan")


JSON = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers() | strategies.text(max_size=5),
    lambda inner: (
        strategies.lists(inner, max_size=2) | strategies.dictionaries(strategies.text(), inner, max_size=2)
    ),
    max_leaves=4,
)


@hypothesis.given(member=strategies.sampled_from(sorted(manifest_of(CONTENTS))), value=JSON)
def test_a_wrongly_typed_manifest_is_refused(
    tmp_path_factory: pytest.TempPathFactory, member: str, value: Any
) -> None:
    text = json.dumps({**manifest_of(CONTENTS), member: value})
    path = write(tmp_path_factory.mktemp("plan") / "plan", CONTENTS.items(), text)
    try:
        accepted, _ = manifest.read(path, "plan")
    except InputError as error:
        assert error.details[0].startswith("manifest.json: ")
        return
    except StateError as error:
        assert (member, error.message) == ("format", "the plan was created by another version of the toolkit")
        return
    assert accepted.model_dump(mode="json")[member] == value
