"""Give a key a new value while the old one stays valid, and wait until the API accepts a key."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

from toolkit.errors import InputError, PreflightError
from toolkit.keys.store import ApiKey, Keys, require_secret

# API Gateway's servers learn of a new key within a minute or so; each response may come from another server.
PROPAGATION_SECONDS: Final = 180.0
# Accepted in a row.
ATTEMPTS: Final = 5
_INTERVAL_SECONDS: Final = 0.2

_pause = threading.Event()


def rotate(keys: Keys, name: str, is_accepted: Callable[[str], bool], consecutive: int = ATTEMPTS) -> ApiKey:
    """Create a second value for a key, and return it once the API accepts it; the first stays valid.

    Args:
        keys: the environment's keys.
        name: the key's name.
        is_accepted: whether the API accepts a value.
        consecutive: responses in a row that must accept it; each counts towards its quota.

    Raises:
        InputError: there is no such key, or it has two values.
        PreflightError: the API does not accept the new value, which is deleted.
    """
    old = keys.find(name)
    require_secret(name)
    if any(key.name == name and key.old for key in keys.list()):
        raise InputError(
            f"{name} already has two valid values, from the last rotation",
            remedy="once no client uses the older one, revoke it: "
            f"`toolkit keys revoke {name} --old --env ENV`",
        )
    new = keys.add(name, replaces=old)
    refused = True
    try:
        refused = bool(wait_until_accepted({name: keys.value(new)}, is_accepted, consecutive))
    finally:
        if refused:
            keys.delete(new)
    if refused:
        raise PreflightError(
            f"the API does not accept the new value of {name} after {PROPAGATION_SECONDS:.0f} s",
            remedy="check that this machine reaches the API, and try again; the old value is still valid",
        )
    return new


def wait_until_accepted(
    values: Mapping[str, str],
    is_accepted: Callable[[str], bool | None],
    consecutive: int = ATTEMPTS,
) -> list[str]:
    """Wait until the API accepts values of new or moved keys; returns the names of those that it refuses.

    Args:
        values: by the keys' names.
        is_accepted: whether the API accepts a value now; None if it neither accepts nor refuses it.
        consecutive: responses in a row that must accept a value; each counts towards its quota.
    """
    deadline = time.monotonic() + PROPAGATION_SECONDS
    return [
        name for name, value in values.items() if not _accepted(value, is_accepted, deadline, consecutive)
    ]


def _accepted(
    value: str, is_accepted: Callable[[str], bool | None], deadline: float, consecutive: int
) -> bool:
    accepted_count = 0
    while accepted_count < consecutive:
        accepted = is_accepted(value)
        if accepted is None:
            return True
        if accepted:
            accepted_count += 1
        elif time.monotonic() > deadline:
            return False
        else:
            accepted_count = 0
            _pause.wait(_INTERVAL_SECONDS)
    return True
