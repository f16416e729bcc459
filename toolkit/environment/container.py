"""Checks of what a container is told: names and values of options and environment variables."""

from __future__ import annotations

import re
from collections.abc import Iterable

from toolkit.environment.section import Checked, Mistake
from toolkit.serving.engines import ENGINES

_SECRET_WORDS = {"SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIAL", "CREDENTIALS", "APIKEY"}
_SECRET_KEYS = {"API", "ACCESS", "AUTH", "ENCRYPTION", "PRIVATE", "SECRET"}
# A tokeniser's tokens are no secrets.
_PUBLIC_TOKENS = {"BOS", "EOS", "MASK", "PAD", "SEP", "STOP", "UNK"}
_SECRET_VALUE = re.compile(r"\bhf_[A-Za-z0-9]{30,}|\bA(KIA|SIA)[A-Z0-9]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY")

_HOW_WITHOUT = (
    "remove it: it would stand in Terraform's state and in SageMaker's answers; weights that need a token"
    " are put into the model store, and the container runs without one"
)
_WHO_DECIDES = "remove it; name and source of the model decide"
_MAX_VALUE = 1024  # SageMaker's limit


def option_name(engine: str) -> Checked:
    """Names of options that are handed to an engine without being known here."""

    def check(name: str) -> Mistake | None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            right = f"write the flag as {name.strip('-').lower().replace('-', '_')}"
            return Mistake(f"{name!r} is not an option's name", right)
        if name in ENGINES[engine].reserved_options:
            return Mistake(f"{name} is set by the toolkit", _WHO_DECIDES)
        return _secret_name(name)

    return Checked(check)


def variable_name(engine: str, options: Iterable[str] = ()) -> Checked:
    """Names of further environment variables of an engine's container.

    Args:
        engine: the engine.
        options: its options that are known here.
    """
    known = ENGINES[engine]
    option_of = {known.variable(option): option for option in options}

    def check(name: str) -> Mistake | None:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,1023}", name):
            return Mistake(
                f"{name!r} is not the name of an environment variable", "use letters, digits and underscores"
            )
        if name in known.reserved_variables:
            return Mistake(f"{name} is set by the toolkit", _WHO_DECIDES)
        option = option_of.get(name)
        if option is None and known.prefix and name.startswith(known.prefix):
            option = name.removeprefix(known.prefix).lower()
        if option is not None:
            return Mistake(f"{name} is an option of the engine", f"set it as options.{option}")
        return _secret_name(name)

    return Checked(check, {"pattern": r"^[A-Za-z_][A-Za-z0-9_]*$"})


def _check_value(value: object) -> Mistake | None:
    if isinstance(value, str):
        if len(value) > _MAX_VALUE:
            return Mistake(f"has {len(value)} characters", f"SageMaker allows {_MAX_VALUE}")
        if _SECRET_VALUE.search(value):
            return Mistake("looks like a secret", _HOW_WITHOUT)
    return None


def _check_option(value: object) -> Mistake | None:
    if not isinstance(value, str | int | float):
        return Mistake("is not a single value", "give a string, a number, true or false")
    return _check_value(value)


def _secret_name(name: str) -> Mistake | None:
    *before, last = name.upper().split("_")
    previous = before[-1] if before else ""
    secret = (
        (last == "TOKEN" and previous not in _PUBLIC_TOKENS)
        or (last == "KEY" and previous in _SECRET_KEYS)
        or not _SECRET_WORDS.isdisjoint([*before, last])
    )
    return Mistake(f"{name} looks like the name of a secret", _HOW_WITHOUT) if secret else None


VALUE = Checked(_check_value, {"maxLength": _MAX_VALUE})
OPTION = Checked(_check_option, {"type": ["string", "number", "boolean"]})
