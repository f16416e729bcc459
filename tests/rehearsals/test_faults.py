"""Faults can be planted in the present environment and policies; `make rehearsal-faults` plays them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rehearsals.faults import FAULTS, Fault
from tests.rehearsals.site import ENVIRONMENT, POLICY, Comparison, Result, planted
from tests.support.checkout import ROOT
from toolkit.environment import load
from toolkit.errors import ToolkitError
from toolkit.project import Project


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_can_be_planted(fault: Fault, tmp_path: Path) -> None:
    file = Project(tmp_path).environment_file("proof")
    file.parent.mkdir(parents=True)
    file.write_text(planted(ENVIRONMENT, fault.environment).replace("SERVER", "http://127.0.0.1:1/v1"))
    if fault.exit_code == 2:
        with pytest.raises(ToolkitError, match=fault.reason) as caught:
            load(Project(tmp_path), "proof")
        assert caught.value.exit_code == 2
    else:
        assert load(Project(tmp_path), "proof").models
    policy = (ROOT / POLICY).read_text()
    assert (planted(policy, fault.policy) != policy) == bool(fault.policy)


def test_a_verdict_that_differs_is_reported() -> None:
    fault = Fault("f", 6, "alarm")
    expected, other = Result(6, "alarm fired", 60.4), Result(0, "", 50)
    agreed = Comparison(fault, expected, expected, "8 of 100")
    assert agreed.surprises() == []
    assert agreed.cells() == ("f", "6", "6", "yes", "8 of 100", "60 s", "60 s")
    differs = Comparison(fault, other, expected, "0 of 100")
    assert differs.cells()[3] == "NO"
    assert differs.surprises() == ["rehearsal of f, expected 6: "]
