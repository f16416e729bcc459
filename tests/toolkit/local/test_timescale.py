from __future__ import annotations

import pytest

from toolkit.errors import InputError
from toolkit.local import timescale


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(timescale.SETTING, raising=False)


def test_waiting_times_are_scaled_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert timescale.setting() is None
    assert timescale.scaled(600) == pytest.approx(12)
    monkeypatch.setenv(timescale.SETTING, "1")
    assert timescale.setting() == 1
    assert timescale.scaled(600) == 600


@pytest.mark.parametrize("value", ["fast", "0", "-1", "1.5", "nan", "0.0001"])
def test_an_invalid_value_has_a_remedy(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(timescale.SETTING, value)
    with pytest.raises(InputError) as error:
        timescale.scaled(1)
    assert repr(value) in error.value.message
    assert "real time" in str(error.value.remedy)
