"""`toolkit mcp` without its optional packages."""

from __future__ import annotations

import sys

import pytest

import toolkit.mcp
from tests.support.checkout import ROOT
from toolkit.cli.mcp import mcp
from toolkit.errors import PreflightError


def test_a_missing_package_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    # Other tests may have imported it.
    monkeypatch.delattr(toolkit.mcp, "server", raising=False)
    for name in list(sys.modules):
        if name.startswith(("mcp.", "toolkit.mcp.server")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mcp", None)
    with pytest.raises(PreflightError, match="the package mcp is not installed") as error:
        mcp()
    assert str(error.value).endswith(
        f"-m pip install --no-deps --require-hashes -r {ROOT}/requirements/mcp.txt"
    )
