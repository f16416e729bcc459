"""Checks of a machine with problems."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.checkout import ROOT
from tests.support.policy import quiet
from toolkit import preflight
from toolkit.project import Project


def test_an_unusable_cache_does_not_stop_other_checks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TOOLKIT_CACHE_DIR", str(tmp_path / "file" / "cache"))
    findings = {finding.subject: finding for finding in preflight.examine(Project(ROOT), "local", quiet())}
    assert not findings["cache"].ok
    assert "TOOLKIT_CACHE_DIR" in findings["cache"].detail
    assert findings["environment"].ok
    assert {"toolkit", "python", "terraform", "provider", "project", "embedded cloud"} <= findings.keys()


def test_checking_the_cache_leaves_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOOLKIT_CACHE_DIR", str(tmp_path / "new" / "cache"))
    (cache,) = [
        finding for finding in preflight.examine(Project(ROOT), None, quiet()) if finding.subject == "cache"
    ]
    assert cache.ok
    assert cache.detail.startswith(f"{tmp_path}/new/cache, ")
    assert not list((tmp_path / "new" / "cache").glob("tmp*"))
