"""The list of releases claims only what was tested."""

from __future__ import annotations

from dataclasses import replace

from toolkit.cli.releases import _line
from toolkit.deployment.releases import Release

JUDGED = Release(
    2, "2026-11-30", "arn", "apply", None, False, "0" * 64, "", {}, quality={"llm-dev-m": "llm-dev-m-1"}
)


def test_only_an_apply_judges_expectations() -> None:
    assert _line(JUDGED).endswith(", expectations met")
    assert _line(replace(JUDGED, action="rollback to 2")).endswith(", expectations met earlier")
    assert _line(replace(JUDGED, action="pause")).endswith("arn")
    assert _line(replace(JUDGED, action="rollback to 1", quality={})).endswith("arn")
