"""Problems of an environment file, and the error that reports all of them."""

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
    """One problem.

    Attributes:
        path: path of the key; empty for the file as a whole.
        reason: what is wrong.
        remedy: how to correct it.
        similar: known keys that resemble an unknown key.
    """

    path: KeyPath
    reason: str
    remedy: str
    similar: tuple[str, ...] = ()

    def __str__(self) -> str:
        text = f"{self.reason}; {self.remedy}"
        return f"{dotted(self.path)}: {text}" if self.path else text


class EnvironmentFileError(InputError):
    """All problems of one environment file, in the order of lines.

    The first is the message of the error; the others are its details, each with its location.

    Attributes:
        problems: each problem, as (location, problem).
    """

    def __init__(self, file: str, problems: Iterable[tuple[int, Problem]]) -> None:
        ordered = sorted(problems, key=lambda item: (item[0], [str(part) for part in item[1].path]))
        self.problems = [(f"{file}:{line}", problem) for line, problem in dict.fromkeys(ordered)]
        (location, first), *others = self.problems
        super().__init__(
            str(first), where=location, details=[f"{line}: {problem}" for line, problem in others]
        )


def dotted(path: KeyPath) -> str:
    """A key path as text: `models.qwen3.capacity.min`, `models."qwen2.5".aliases[0]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            plain = part if re.fullmatch(r"[\w-]+", part) else json.dumps(part, ensure_ascii=False)
            text += f".{plain}" if text else plain
    return text


def closest(value: object, candidates: Iterable[str]) -> list[str]:
    """The known names that are most similar to `value`, best first."""
    text = str(value).lower()
    ratios = {name: difflib.SequenceMatcher(None, text, name.lower()).ratio() for name in candidates}
    best = max(ratios.values(), default=0)
    near = [name for name, ratio in ratios.items() if ratio >= max(0.6, best - 0.02)]
    return sorted(near, key=lambda name: (-ratios[name], name))[:3]


def did_you_mean(value: object, candidates: Iterable[str]) -> str | None:
    """`did you mean …?`, if a known name is similar to `value`."""
    near = closest(value, candidates)
    return f"did you mean {' or '.join(near)}?" if near else None
