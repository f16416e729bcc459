"""The release that a rollback, a pause and a resume start from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.contexts import opened
from toolkit.aws.access import AwsAccess
from toolkit.deployment import prepare, releases
from toolkit.deployment.releases import Release
from toolkit.errors import InputError

CONTEXT: Any = SimpleNamespace(environment=SimpleNamespace(name="dev"))
FIRST = Release(1, "2026-11-30", "arn", "apply", None, False, "0" * 64, "a = 1\n", {})
SECOND = replace(FIRST, number=2, variables="a = 2\n")


def test_the_previous_release_has_other_variables() -> None:
    third = replace(SECOND, number=3)
    assert prepare._previous(CONTEXT, [third, SECOND, FIRST]) == FIRST


def test_a_pause_is_not_rolled_back_to() -> None:
    paused = replace(SECOND, number=3, action="pause")
    assert prepare._previous(CONTEXT, [paused, SECOND, FIRST]) == FIRST


@pytest.mark.parametrize("history", [[FIRST], [replace(FIRST, number=2), FIRST]])
def test_without_a_previous_release_nothing_is_rolled_back(history: list[Release]) -> None:
    with pytest.raises(InputError, match="no previous release"):
        prepare._previous(CONTEXT, history)


def latest(monkeypatch: pytest.MonkeyPatch, release: Release | None) -> None:
    monkeypatch.setattr(releases, "of", lambda _: SimpleNamespace(latest=lambda: release))


def test_only_a_running_release_is_paused(monkeypatch: pytest.MonkeyPatch) -> None:
    latest(monkeypatch, None)
    with pytest.raises(InputError, match="no release yet"):
        prepare.pause(CONTEXT)
    latest(monkeypatch, replace(SECOND, action="pause"))
    with pytest.raises(InputError, match="already paused"):
        prepare.pause(CONTEXT)


def test_only_a_paused_release_is_resumed(monkeypatch: pytest.MonkeyPatch) -> None:
    latest(monkeypatch, SECOND)
    with pytest.raises(InputError, match="not paused"):
        prepare.resume(CONTEXT)


def test_a_fresh_checkout_has_backend_settings_for_a_rollback(tmp_path: Path) -> None:
    context = opened(tmp_path, AwsAccess("us-east-1", "123456789012")).context
    backend = context.workspace(prepare.STACK).backend_file
    assert backend is not None
    assert '"x/inference.tfstate"' in backend.read_text()
