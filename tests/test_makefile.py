"""The packages that `make` installs for an environment."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.checkout import ROOT, clean_environment
from toolkit import repository

MAKEFILES = ("Makefile", "toolkit/templates/project/common.mk")


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
    for file in MAKEFILES:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, tmp_path / file)
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
    text = "".join((ROOT / file).read_text(encoding="utf-8") for file in MAKEFILES)
    targets = re.findall(r"^([a-z-]+):.* ## ", text, re.MULTILINE)
    assert {"apply", "test"} <= set(targets)
    assert [target for target in targets if f"\n  {target} " not in output] == []
    assert re.findall(r"^[A-Z]\w+$", output, re.MULTILINE) == ["Deploy", "Operate", "Develop", "Maintain"]


def test_a_teams_repository_has_the_same_targets(tmp_path: Path) -> None:
    repository.create(tmp_path / "team", "llm", None)
    output = subprocess.run(
        ["make", "help"],
        cwd=tmp_path / "team",
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    targets = re.findall(
        r"^([a-z-]+):.* ## ", (ROOT / MAKEFILES[1]).read_text(encoding="utf-8"), re.MULTILINE
    )
    assert [target for target in targets if f"\n  {target} " not in output] == []
    assert not (tmp_path / "team" / "common.mk").exists()


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
