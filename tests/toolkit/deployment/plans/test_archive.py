"""Saved plans that were damaged on their way."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import pytest

from toolkit.deployment.plans import archive
from toolkit.errors import StateError

CONTENTS = {archive.PLAN: b"terraform's own", archive.VARIABLES: b"name = 1\n", "packages/a.zip": b"zip"}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENTS.items()}
    manifest = json.dumps({"format": archive.FORMAT, "contents": digests})
    path = tmp_path / "plan"
    with zipfile.ZipFile(path, "w") as file:
        for name, content in {archive.MANIFEST: manifest, **CONTENTS}.items():
            file.writestr(name, content)
    return path


def is_whole(path: Path) -> bool:
    """Whether a plan is read as it was saved; False if it is refused as no plan."""
    try:
        _, contents = archive._read(path, "build/dev/plan")
    except StateError:
        return False
    assert contents == CONTENTS
    return True


def test_a_plan_with_any_bit_changed_is_whole_or_refused(saved: Path) -> None:
    whole = saved.read_bytes()
    assert is_whole(saved)
    refused = 0
    for position in range(len(whole)):
        for bit in range(8):
            changed = bytearray(whole)
            changed[position] ^= 1 << bit
            saved.write_bytes(changed)
            refused += not is_whole(saved)
    assert refused > len(whole)


def test_a_plan_that_was_cut_off_anywhere_is_refused(saved: Path) -> None:
    whole = saved.read_bytes()
    for length in range(len(whole)):
        saved.write_bytes(whole[:length])
        assert not is_whole(saved)


@pytest.mark.parametrize("manifest", ["[]", "null", "{}", '{"contents": 1}', '{"contents": []}'])
def test_another_programs_zip_file_is_refused(tmp_path: Path, manifest: str) -> None:
    with zipfile.ZipFile(tmp_path / "plan", "w") as file:
        file.writestr(archive.MANIFEST, manifest)
    assert not is_whole(tmp_path / "plan")
