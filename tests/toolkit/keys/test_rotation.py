"""New values for keys."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from toolkit.errors import InputError, PreflightError
from toolkit.keys import Keys, rotate, rotation

pytestmark = pytest.mark.slow

MakeKeys = Callable[..., Keys]


def values(keys: Keys, name: str) -> list[str]:
    return [keys.value(key) for key in keys.list() if key.name == name]


def test_the_old_value_ends_only_when_it_is_ended(make_keys: MakeKeys) -> None:
    keys = make_keys("llm-rotated")
    keys.create("ci")
    old = keys.show("ci")
    prompts: list[str] = []
    acceptances = iter([False, True, False, True, True, True, True, True])

    def accepted(value: str) -> bool:
        prompts.append(value)
        # Both values exist during the rotation.
        assert set(values(keys, "ci")) == {old, value}
        return next(acceptances)

    rotate(keys, "ci", accepted)
    # Some servers do not know the key yet, so several accepted responses in a row are needed.
    assert next(acceptances, None) is None
    new = keys.show("ci")
    assert set(prompts) == {new} != {old}
    assert [(key.name, key.old, key.usage_plan) for key in keys.list()] == [
        ("ci", False, "default"),
        ("ci", True, "default"),
    ]
    with pytest.raises(InputError, match="already has two valid values"):
        rotate(keys, "ci", lambda _: True)
    keys.delete(*keys.to_revoke("ci", old=True))
    assert values(keys, "ci") == [new]
    with pytest.raises(InputError, match="only one value"):
        keys.delete(*keys.to_revoke("ci", old=True))
    rotate(keys, "ci", lambda _: True)
    keys.delete(*keys.to_revoke("ci"))
    assert keys.list() == []


def test_a_value_that_the_api_does_not_take_is_deleted_again(
    make_keys: MakeKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = make_keys("llm-refused")
    keys.create("ci")
    old = keys.show("ci")
    monkeypatch.setattr(rotation, "PROPAGATION_SECONDS", 0.0)
    with pytest.raises(PreflightError, match="does not accept the new value of ci"):
        rotate(keys, "ci", lambda _: False)
    assert values(keys, "ci") == [old]


def test_there_must_be_a_key(make_keys: MakeKeys) -> None:
    with pytest.raises(InputError, match="no key named ci"):
        rotate(make_keys("llm-none"), "ci", lambda _: True)
