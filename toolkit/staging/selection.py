"""Select the files of a repository that make up the model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from toolkit.errors import InputError

# Other formats of the same weights, unused if there are safetensors.
_OTHER_FORMS = re.compile(r".*\.(bin|ckpt|gguf|h5|msgpack|onnx|onnx_data|ot|pt|pth|tflite)")
_PART = re.compile(r"-\d+-of-\d+(?=\.gguf$)")
_SHOWN_NAMES = 20


def choose(repository: str, names: Sequence[str], patterns: Sequence[str] | None, where: str) -> list[str]:
    """The names of the selected files, sorted.

    Args:
        repository: `owner/name`, for messages.
        names: all files.
        patterns: patterns of the environment file; None selects every file an engine may need.
        where: the patterns in the environment file.

    Raises:
        InputError: no file matches, or patterns are needed to choose between several models.
    """
    if patterns is None:
        return _by_default(repository, sorted(names), where)
    # A trailing slash selects a folder, as in huggingface_hub.
    globs = [f"{pattern}*" if pattern.endswith("/") else pattern for pattern in patterns]
    selected = sorted(name for name in names if any(fnmatchcase(name, pattern) for pattern in globs))
    if not selected:
        raise InputError(
            f"no file of {repository} matches the patterns ({len(names)} files)",
            where=where,
            details=_shown(sorted(names)),
            remedy="correct the patterns",
        )
    return selected


def _by_default(repository: str, names: list[str], where: str) -> list[str]:
    if any(name.endswith(".safetensors") for name in names):
        return [name for name in names if not _OTHER_FORMS.fullmatch(name)]
    ggufs = [name for name in names if name.endswith(".gguf")]
    if len({_PART.sub("", name) for name in ggufs}) > 1:
        raise InputError(
            f"{repository} contains several models: {len(ggufs)} GGUF files",
            where=where,
            details=_shown(ggufs),
            remedy="select one with patterns in `files`, including the other files it needs",
        )
    if not names:
        raise InputError(f"{repository} has no files", where=where)
    return names


def _shown(names: list[str]) -> list[str]:
    return names[:_SHOWN_NAMES] + ["…"] * (len(names) > _SHOWN_NAMES)
