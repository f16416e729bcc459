from __future__ import annotations

from pathlib import Path

import pytest

from toolkit.cli.rehearse import _policies, _quotas
from toolkit.errors import InputError
from toolkit.project import Project
from toolkit.rehearsal.run import _keep_logs


def test_policies_must_exist() -> None:
    assert _policies("planner, operator") == ("planner", "operator")
    with pytest.raises(InputError, match="no such policy: sagemaker-deploer"):
        _policies("api-deployer,sagemaker-deploer")


@pytest.mark.parametrize("number", ["", "x", "²"])
def test_quotas_are_numbers(number: str) -> None:
    with pytest.raises(InputError, match="cannot read --quota"):
        _quotas([f"ml.g6.2xlarge={number}"])


def test_logs_of_an_earlier_rehearsal_are_removed(tmp_path: Path) -> None:
    site, target = Project(tmp_path / "site"), tmp_path / "rehearsal"
    site.build.mkdir(parents=True)
    target.mkdir()
    (target / "apply.log").write_text("earlier")
    (site.build / "plan.log").write_text("now")
    _keep_logs(site, target)
    assert [path.name for path in target.iterdir()] == ["plan.log"]
