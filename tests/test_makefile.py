"""The packages that `make` installs for an environment."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.checkout import ROOT, clean_environment


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"target: local\n", "local"),
        (b"# first\r\ntarget: local\r\n", "local"),
        (b"\xef\xbb\xbftarget: local\n", "local"),
        (b"'target': \"local\"  # quoted\n", "local"),
        (b"target: aws\n# target: local\n#target: local\n", "toolkit"),
        (b"target: aws\nmodels:\n  target: local\n", "toolkit"),
    ],
)
def test_only_local_environments_install_the_embedded_cloud(
    tmp_path: Path, content: bytes, kind: str
) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "terraform" / "environments").mkdir(parents=True)
    (tmp_path / "terraform" / "environments" / "x.yaml").write_bytes(content)
    database = subprocess.run(
        ["make", "--print-data-base", "--dry-run", "help", "ENV=x"],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"\nKIND := {kind}\n" in database.stdout


def test_help_lists_all_documented_targets() -> None:
    output = subprocess.run(
        ["make", "help"], cwd=ROOT, env=clean_environment(), capture_output=True, text=True, check=True
    ).stdout
    targets = re.findall(r"^([a-z-]+):.* ## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert targets
    assert [target for target in targets if f"\n  {target} " not in output] == []


def test_make_replaces_the_exit_code_as_documented() -> None:
    drift = "TOOLKIT=sh -c 'exit 8' --"
    result = subprocess.run(
        ["make", "status", "SETUP=", drift],
        cwd=ROOT,
        env=clean_environment(LC_ALL="C"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert result.stderr.endswith("Error 8\n")
    reference = (ROOT / "docs" / "reference" / "command-line.md").read_text(encoding="utf-8")
    assert "every target that fails exits 2" in reference
