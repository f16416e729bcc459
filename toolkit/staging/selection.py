"""Select the files of a repository that make up the model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from toolkit.errors import InputError
from toolkit.serving.engines import Engine

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


def for_engine(engine: Engine, model: object, where: str, names: Iterable[str]) -> list[str]:
    """The names of the files that an engine can start with.

    Args:
        engine: files that change how this engine starts are excluded.
        model: the option that names the GGUF file to serve.
        where: the variant in the environment file.
        names: all selected files.

    Raises:
        InputError: it is not clear which GGUF file llama.cpp serves. Its container takes the first that
            `find -maxdepth 2` lists, in no certain order (aws/deep-learning-containers,
            scripts/docker/llama_cpp/sagemaker_entrypoint.sh).
    """
    kept = [name for name in names if name not in engine.startup_files]
    ggufs = sorted(name for name in kept if name.endswith(".gguf"))
    option = f"{where}.serving.options.model"
    if model is not None and model not in kept:
        reason, remedy = f"the weights contain no {model}", "name one of the files"
        raise InputError(reason, where=option, details=_shown(ggufs), remedy=remedy)
    if (
        engine.name == "llama_cpp"
        and model is None
        and (len(ggufs) > 1 or any(name.count("/") > 1 for name in ggufs))
    ):
        reason = "llama.cpp needs the name of the GGUF file to serve"
        remedy = "set the option to the model, or to its first part"
        raise InputError(reason, where=option, details=_shown(ggufs), remedy=remedy)
    return kept


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
