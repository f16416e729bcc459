"""Values of API keys: `sk-<name>-<40 letters and digits>`.

The authorizer reads the name there and tells it to the gateway, which thereby knows what the key may use.
Nobody can claim another's name: API Gateway lets a request pass only if the whole value is one of its keys.
"""

from __future__ import annotations

import secrets
import string
from typing import Final

_ALPHABET: Final = string.ascii_letters + string.digits
# 238 bits.
_LENGTH: Final = 40


def new_value(name: str) -> str:
    """A value that nobody can guess.

    Args:
        name: the key's name, which anybody may know.
    """
    return f"sk-{name}-{''.join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))}"
