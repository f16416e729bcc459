"""Mistakes in where weights come from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from toolkit.environment.checks.parts import Parts
from toolkit.environment.problems import MISSING, Problem
from toolkit.environment.sources import HubSource, PackageSource, PathSource, S3Source, ServerSource
from toolkit.environment.variants import Hosting
from toolkit.serving.engines import ENGINES

_HOW_TO_PIN = (
    "pin the full commit: 40 hexadecimal digits, from the model's page under Files and versions;"
    " a branch or tag may be another model tomorrow, which allow_unpinned: true takes"
)
# Formats of weights that one kind of engine reads and the other does not.
_GGUF, _OTHERS = (".gguf",), (".safetensors", ".bin", ".pt", ".pth")


def check(parts: Parts, hosting: Hosting) -> Iterator[Problem]:
    """Mistakes in the weights of one variant."""
    source = hosting.source
    if source is None:
        if hosting.engine != "custom":
            right = "say where the weights come from, as in source: {hub: Qwen/Qwen3-8B, revision: …}"
            yield Problem(hosting.path("source"), MISSING, right)
        return
    if isinstance(source, ServerSource):
        yield from _server(parts, hosting)
        return
    if parts.target == "local" and hosting.engine != "llama_cpp":
        wrong = f"the embedded cloud cannot run {hosting.engine}"
        right = "use llama_cpp, or a server that runs already as source"
        yield Problem(hosting.path("serving", "engine"), wrong, right)
        return
    if isinstance(source, HubSource):
        yield from _hub(hosting, source)
    elif isinstance(source, S3Source):
        yield from _in_model_store(parts, hosting, source)
    else:
        yield from _format(hosting, source)


def _server(parts: Parts, hosting: Hosting) -> Iterator[Problem]:
    if parts.target == "aws":
        right = "use package, path, s3 or hub; server is for target: local"
        wrong = "a SageMaker endpoint cannot hand on to another server"
        yield Problem((*hosting.path("source"), "server"), wrong, right)


def _hub(hosting: Hosting, source: HubSource) -> Iterator[Problem]:
    path = hosting.path("source")
    if source.staged and source.allow_unpinned:
        right = "remove one: the weights' place in the model store is made of the commit"
        yield Problem((*path, "allow_unpinned"), "staged weights are always pinned", right)
    elif not source.is_pinned and not source.allow_unpinned:
        wrong = MISSING if source.revision is None else f"{source.revision!r} is not a commit"
        yield Problem((*path, "revision"), wrong, _HOW_TO_PIN)
    if source.files is not None and not source.staged:
        right = "add staged: true, or remove it: a container chooses by itself what it loads from the hub"
        yield Problem((*path, "files"), "is for staged weights", right)
    if ENGINES[hosting.engine].model is None and not source.staged:
        wrong = f"{hosting.engine} cannot load a model from the hub by itself"
        right = "add staged: true, and stage the weights with `toolkit model stage`"
        yield Problem((*path, "hub"), wrong, right)
    elif hosting.engine == "llama_cpp" and source.files is None:
        wrong = "a repository of GGUF files has many of them, and one is served"
        yield Problem(path, wrong, 'name it in files, as in files: ["*Q4_K_M.gguf"]')


def _in_model_store(parts: Parts, hosting: Hosting, source: S3Source) -> Iterator[Problem]:
    store = parts.readable_bucket
    if store is not None and not source.s3.startswith(f"s3://{store}/"):
        right = f"the execution role reads nothing else: copy the weights to s3://{store}/"
        yield Problem((*hosting.path("source"), "s3"), f"{source.s3} is not in the model store", right)


def _format(hosting: Hosting, source: PackageSource | PathSource) -> Iterator[Problem]:
    file = source.file if isinstance(source, PackageSource) else source.path
    suffix = PurePosixPath(file).suffix.lower()
    wanted = _GGUF if hosting.engine == "llama_cpp" else _OTHERS
    if hosting.engine == "custom" or suffix in wanted or suffix not in _GGUF + _OTHERS:
        return
    right = (
        "serve it with llama_cpp" if suffix in _GGUF else "give a GGUF file, or serve it with another engine"
    )
    yield Problem(hosting.path("serving", "engine"), f"{hosting.engine} cannot load {file}", right)
