"""A new value for a key, with no moment in which none is valid."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from toolkit.errors import InputError, PreflightError
from toolkit.keys.store import ApiKey, Keys

# A new key is known to all of API Gateway's servers within a minute or so; each answer may come from another.
PROPAGATION_SECONDS: Final = 180.0
_IN_A_ROW: Final = 5
_BETWEEN_SECONDS: Final = 0.2

_pause = threading.Event()


def rotate(keys: Keys, name: str, is_accepted: Callable[[str], bool]) -> ApiKey:
    """Make a second value for a key, and return it once the API accepts it; the first one stays valid.

    Args:
        keys: the environment's keys.
        name: the key's name.
        is_accepted: asks the API whether it takes a value.

    Raises:
        InputError: there is no such key, or it has two values already.
        PreflightError: the API does not accept the new value, which is deleted again.
    """
    old = keys.find(name)
    if any(key.name == name and key.old for key in keys.list()):
        raise InputError(
            f"{name} has two valid values already, from the last rotation",
            remedy=f"`toolkit keys revoke {name} --old` ends the older one, once no client uses it",
        )
    new = keys.add(name, replaces=old)
    try:
        _wait(lambda: is_accepted(keys.value(new)), name)
    except BaseException:
        keys.delete(new)
        raise
    return new


def _wait(accepted: Callable[[], bool], name: str) -> None:
    deadline = time.monotonic() + PROPAGATION_SECONDS
    in_a_row = 0
    while (in_a_row := in_a_row + 1 if accepted() else 0) < _IN_A_ROW:
        if time.monotonic() > deadline:
            raise PreflightError(
                f"the API does not accept the new value of {name} after {PROPAGATION_SECONDS:.0f} s",
                remedy="the old value is as valid as before, the new one is deleted; see that this machine "
                "reaches the API, and try again",
            )
        _pause.wait(_BETWEEN_SECONDS)
