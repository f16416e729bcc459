"""The command that updates expectations."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import expectations
from tests.support.environments import table
from tests.tools import expected_plans


def test_an_unknown_environment_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert expected_plans.main(["nonsense"]) == 2
    assert "there are vllm, lmi, tgi, llama-cpp, tei, custom, mixed" in capsys.readouterr().err


def test_written_plans_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expectations, "DIRECTORY", tmp_path)
    digest = {"m": {'a["x"]': {"name": "n"}, "b": {}}, "other": {"a": {"list": [1, 2]}}}
    file = expectations.write("tei", digest)
    assert expectations.expected("tei") == digest
    assert len(file.read_text().splitlines()) == 2 + 2 * len(digest) + 3  # one resource per line
    assert expectations.expected("vllm") == {}


def test_the_table_has_every_combination() -> None:
    for name, text in table().items():
        if name != "mixed":
            for kind in ("realtime", "async"):
                for strategy in ("at-once", "canary", "linear", "rolling"):
                    assert f"{kind}-{strategy}:" in text and f"{kind}-{strategy}-vpc:" in text
