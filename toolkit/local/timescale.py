"""The factor by which the embedded cloud shortens AWS's waiting times.

Bake times, alarm periods and cooldowns last minutes on AWS. TOOLKIT_LOCAL_TIME_SCALE multiplies them: with
0.02 ten minutes take 12 seconds, 1 is real time. Only waiting is scaled. A limit on work is never scaled
down: see `toolkit.local.sagemaker.instance` for a time limit on both.

Imports the standard library only: the client checks the setting before it starts a cloud.
"""

from __future__ import annotations

import os

from toolkit.errors import InputError

SETTING = "TOOLKIT_LOCAL_TIME_SCALE"
DEFAULT = 0.02
# With less, periods are shorter than the cloud's polling interval.
MINIMUM = 0.001


def scale() -> float:
    """Seconds in the embedded cloud per second on AWS.

    Raises:
        InputError: the setting is not a number from 0.001 to 1.
    """
    value = setting()
    return DEFAULT if value is None else value


def setting() -> float | None:
    """The setting; None if it is unset.

    Raises:
        InputError: see `scale`.
    """
    text = os.environ.get(SETTING)
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not MINIMUM <= value <= 1:
        raise InputError(
            f"invalid {SETTING} {text!r}: not a number from {MINIMUM} to 1",
            remedy=f"unset it for {DEFAULT} (ten minutes take 12 seconds), or set it to 1 for real time",
        )
    return value


def scaled(seconds: float) -> float:
    """The duration in the embedded cloud of a number of seconds on AWS."""
    return seconds * scale()
