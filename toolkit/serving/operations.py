"""The operations of the API that a container serves at `/invocations`, the only path that SageMaker calls.

An image of AWS serves what its release routes there. An image of the user's own follows the contract in
docs/how-to/own-images.md, which has all operations.

Sources, read on 2026-11-30, with the release in which a route appeared:

- llama.cpp: aws/deep-learning-containers `scripts/docker/llama_cpp/llama_cpp_sagemaker.conf.template`. nginx
  sends every request to `/v1/chat/completions`.
- vLLM: vllm-project/vllm `vllm/entrypoints/sagemaker/api_router.py`. The first request type that the body
  matches, of those that the model supports.
- LMI: deepjavalibrary/djl-serving `engines/python/setup/djl_python/lmi_vllm/vllm_async_service.py`, the
  default for models that generate text since LMI 17 (commit fc651296), with embeddings since LMI 25 (commit
  080710c2). Older images, and a rolling batch, parse with `djl_python/input_parser.py`, which knows
  `messages` and `inputs`.
- Text Generation Inference: huggingface/text-generation-inference `router/src/sagemaker.rs`, since 2.4.0;
  before that `router/src/server.rs`, which needs MESSAGES_API_ENABLED for chats, since 1.4.0.
- Text Embeddings Inference: huggingface/text-embeddings-inference `router/src/http/server.rs`. The kind of
  the model selects the route.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

Operation = Literal["chat", "completions", "embeddings", "rerank", "score"]
OPERATIONS: Final[tuple[Operation, ...]] = get_args(Operation)


@dataclass(frozen=True)
class Routes:
    """Operations that the AWS images of an engine serve at `/invocations`.

    Attributes:
        since: their oldest release.
        operations: of the API.
        variables: environment variables that the container needs for it, with one of these values.
    """

    since: str
    operations: tuple[Operation, ...]
    variables: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


# For messages to people.
NAMES: Final[Mapping[str, str]] = {
    "chat": "chat completions",
    "completions": "completions",
    "embeddings": "embeddings",
    "rerank": "rankings",
    "score": "scores",
}
# Values of LMI's `option.task` for models that create embeddings.
LMI_EMBEDDING_TASKS: Final = ("text-embedding", "feature-extraction")
# By engine. The first entry that fits release and variables applies.
ROUTES: Final[Mapping[str, tuple[Routes, ...]]] = {
    "llama_cpp": (Routes("1", ("chat",)),),
    # A model serves those of its kind; others get 400 from vLLM.
    "vllm": (Routes("0", OPERATIONS),),
    "lmi": (
        Routes("0.28", ("chat",), {"OPTION_ROLLING_BATCH": ("vllm", "lmi-dist", "trtllm")}),
        # 0.36.0 is LMI 27 in the catalogue.
        Routes("0.36", ("embeddings",), {"OPTION_TASK": LMI_EMBEDDING_TASKS, "OPTION_ASYNC_MODE": ("true",)}),
        Routes("0.35", ("chat", "completions")),
        Routes("0.33", ("chat", "completions"), {"OPTION_ASYNC_MODE": ("true",)}),
        Routes("0.28", ("chat",)),
    ),
    "tgi": (
        Routes("2.4", ("chat", "completions")),
        Routes("1.4", ("chat",), {"MESSAGES_API_ENABLED": ("true",)}),
    ),
    "tei": (
        # Sparse vectors and similarities, which no operation has.
        Routes("0", (), {"POOLING": ("splade",)}),
        Routes("1.5", (), {"TASK": ("sentence-similarity",)}),
        Routes("0", ("embeddings", "rerank", "score")),
    ),
}
# By engine, what an own image serves that speaks the API of the engine; others serve all operations.
_OWN: Final[Mapping[str, tuple[Operation, ...]]] = {
    "tgi": ("chat", "completions"),
    "tei": ("embeddings", "rerank", "score"),
}


def own_image(engine: str) -> tuple[Operation, ...]:
    """The operations of the contract of an own image."""
    return _OWN.get(engine, OPERATIONS)


def served(engine: str, release: str, variables: Mapping[str, str]) -> tuple[Operation, ...]:
    """The operations that an AWS image serves.

    Args:
        engine: name in the catalogue.
        release: version of the image.
        variables: environment of the container.
    """
    for routes in ROUTES[engine]:
        if _numbers(release) >= _numbers(routes.since) and _fits(routes, variables):
            return routes.operations
    return ()


def first_release(engine: str, operation: Operation, variables: Mapping[str, str]) -> str | None:
    """The oldest release of an engine's AWS images that serves an operation in this environment."""
    releases = (routes.since for routes in ROUTES[engine])
    serving = (release for release in releases if operation in served(engine, release, variables))
    return min(serving, key=_numbers, default=None)


def engines(operation: Operation) -> list[str]:
    """The engines with AWS images that serve an operation."""
    return [name for name, entries in ROUTES.items() if any(operation in item.operations for item in entries)]


def _fits(routes: Routes, variables: Mapping[str, str]) -> bool:
    return all(variables.get(name, "").lower() in values for name, values in routes.variables.items())


def _numbers(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in release.split("."))
