"""How much faster the embedded cloud's waiting times pass than AWS's.

Bake times, alarm periods, cooldowns and the like are minutes on AWS. Here they are as long times a factor,
the setting TOOLKIT_LOCAL_TIME_SCALE: 0.02 makes 12 seconds of ten minutes, 1 is real time. What is scaled
is waiting alone. Work takes as long as it takes, so a limit on work is never scaled down: see
`toolkit.local.sagemaker.instance` for a time limit on both.

Standard library only: the client checks the setting before it starts a cloud.
"""

from __future__ import annotations

import os

from toolkit.errors import InputError

SETTING = "TOOLKIT_LOCAL_TIME_SCALE"
DEFAULT = 0.02
# Less, and a period is shorter than the cloud can look at it.
MINIMUM = 0.001


def scale() -> float:
    """Seconds here for a second of AWS.

    Raises:
        InputError: the setting is not a number from 0.001 to 1.
    """
    value = asked()
    return DEFAULT if value is None else value


def asked() -> float | None:
    """The setting, if it is made.

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
            f"{SETTING} is {text!r}, which is not a number from {MINIMUM} to 1",
            remedy=f"unset it for {DEFAULT} (ten minutes of AWS take 12 seconds), or set 1 for real time",
        )
    return value


def scaled(seconds: float) -> float:
    """The time in the embedded cloud, in seconds, for so many seconds on AWS."""
    return seconds * scale()
