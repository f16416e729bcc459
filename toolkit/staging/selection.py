"""Which of a repository's files make up the model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from toolkit.errors import InputError

# Other forms of the same weights, which nothing reads where there are safetensors.
_OTHER_FORMS = re.compile(r".*\.(bin|ckpt|gguf|h5|msgpack|onnx|onnx_data|ot|pt|pth|tflite)")
_PART = re.compile(r"-\d+-of-\d+(?=\.gguf$)")
_SHOWN_NAMES = 20


def choose(repository: str, names: Sequence[str], patterns: Sequence[str] | None, where: str) -> list[str]:
    """The names of the files wanted, sorted.

    Args:
        repository: `owner/name`, to speak of it.
        names: all files.
        patterns: what the environment file wants; None takes all that an engine may need.
        where: the patterns in the environment file.

    Raises:
        InputError: the patterns want nothing, or are needed to choose between several models.
    """
    if patterns is None:
        return _by_default(repository, sorted(names), where)
    # A pattern with a slash at its end is a folder, as everywhere with the hub.
    whole = [f"{pattern}*" if pattern.endswith("/") else pattern for pattern in patterns]
    wanted = sorted(name for name in names if any(fnmatchcase(name, pattern) for pattern in whole))
    if not wanted:
        raise InputError(
            f"none of the {len(names)} files of {repository} is wanted",
            where=where,
            details=_shown(sorted(names)),
            remedy="correct the patterns",
        )
    return wanted


def _by_default(repository: str, names: list[str], where: str) -> list[str]:
    if any(name.endswith(".safetensors") for name in names):
        return [name for name in names if not _OTHER_FORMS.fullmatch(name)]
    ggufs = [name for name in names if name.endswith(".gguf")]
    if len({_PART.sub("", name) for name in ggufs}) > 1:
        raise InputError(
            f"{repository} has several models in one: {len(ggufs)} GGUF files",
            where=where,
            details=_shown(ggufs),
            remedy="name the one you want in `files`, with patterns for further files that it needs",
        )
    if not names:
        raise InputError(f"{repository} has no files", where=where)
    return names


def _shown(names: list[str]) -> list[str]:
    return names[:_SHOWN_NAMES] + ["…"] * (len(names) > _SHOWN_NAMES)
