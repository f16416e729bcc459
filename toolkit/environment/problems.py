"""Mistakes in an environment file, and the one error that tells all of them."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from toolkit.errors import InputError

KeyPath = tuple[str | int, ...]
MISSING = "is missing"


@dataclass(frozen=True)
class Problem:
    """One mistake.

    Attributes:
        path: the key it is about, from the top of the file; empty for the file as a whole.
        reason: what is wrong.
        remedy: how to correct it.
        meant: the keys that the unknown key may stand for.
    """

    path: KeyPath
    reason: str
    remedy: str
    meant: tuple[str, ...] = ()

    def __str__(self) -> str:
        text = f"{self.reason}; {self.remedy}"
        return f"{dotted(self.path)}: {text}" if self.path else text


class EnvironmentFileError(InputError):
    """All mistakes of one environment file, in the order of its lines.

    The first is the error's own message; the others are its details, each with its own place.

    Attributes:
        found: each mistake, as (place, problem).
    """

    def __init__(self, file: str, found: Iterable[tuple[int, Problem]]) -> None:
        ordered = sorted(found, key=lambda item: (item[0], [str(part) for part in item[1].path]))
        self.problems = [(f"{file}:{line}", problem) for line, problem in dict.fromkeys(ordered)]
        (where, first), *others = self.problems
        super().__init__(
            str(first), where=where, details=[f"{place}: {problem}" for place, problem in others]
        )


def dotted(path: KeyPath) -> str:
    """A key's path as people write it: `models.qwen3.capacity.min`, `models."qwen2.5".aliases[0]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            plain = part if re.fullmatch(r"[\w-]+", part) else json.dumps(part, ensure_ascii=False)
            text += f".{plain}" if text else plain
    return text


def closest(given: object, known: Iterable[str]) -> list[str]:
    """What somebody may have meant: the most similar of what is known, the better first."""
    text = str(given).lower()
    ratios = {name: difflib.SequenceMatcher(None, text, name.lower()).ratio() for name in known}
    best = max(ratios.values(), default=0)
    near = [name for name, ratio in ratios.items() if ratio >= max(0.6, best - 0.02)]
    return sorted(near, key=lambda name: (-ratios[name], name))[:3]


def did_you_mean(given: object, known: Iterable[str]) -> str | None:
    """`did you mean …?`, if something known is similar to what was given."""
    near = closest(given, known)
    return f"did you mean {' or '.join(near)}?" if near else None
