"""Messages about an interrupted Terraform command."""

from __future__ import annotations

import pytest

from toolkit.terraform import interrupts
from toolkit.terraform.process import Outcome

PLACES = {"log": "build/x/apply.log", "unlock": "toolkit unlock --env x"}


@pytest.mark.parametrize(
    ("name", "forced", "message"),
    [
        ("apply", True, "operations in progress may be missing from the state"),
        ("apply", False, "completed changes are in the state"),
        ("plan", True, "nothing was changed"),
        ("plan", False, "nothing was changed"),
        ("init", True, "nothing was changed"),
    ],
)
def test_the_error_fits_the_command(name: str, forced: bool, message: str) -> None:
    error = interrupts.error(name, Outcome(1, interrupted=True, forced=forced, stderr=""), **PLACES)
    assert message in str(error)
    assert error.exit_code == 130


def test_a_forced_stop_of_a_plan_warns_of_its_lock() -> None:
    stopped = Outcome(1, interrupted=True, forced=True, stderr="")
    assert "toolkit unlock --env x" in str(interrupts.error("plan", stopped, **PLACES))
    assert "unlock" not in str(interrupts.error("init", stopped, **PLACES))
