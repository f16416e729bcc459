"""Engines' JSON objects → the chunks of OpenAI's streams, the same for every engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from gateway.dialects import DONE, Document
from gateway.engine_errors import engine_error
from gateway.errors import ModelError

Chunk = dict[str, Any]
# Everything else stays inside: engines add timings, token ids and the like, and not all the same.
_KEPT: Final = ("system_fingerprint", "service_tier")


@dataclass(frozen=True)
class Shape:
    """What differs between chat completions and plain ones.

    Attributes:
        input: the request's member that holds the prompt.
        id_prefix: what ids of answers begin with.
        chunk: `object` of a chunk.
        whole: `object` of a whole answer.
        choice: makes OpenAI's choice of an engine's.
    """

    input: str
    id_prefix: str
    chunk: str
    whole: str
    choice: Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class Identity:
    """What all chunks of one answer have in common.

    Attributes:
        id: `chatcmpl-…` or `cmpl-…`.
        model: the model's name as the client wrote it; engines put paths of their own there.
        created: seconds since the epoch.
    """

    id: str
    model: str
    created: int


def chunks(documents: Iterable[Document | None], identity: Identity, shape: Shape) -> Iterator[Chunk]:
    """Chunks of an answer, as they come.

    Raises:
        ApiError: the engine reports an error, or the answer ends before it is finished.
    """
    done = False
    unfinished: set[int] = set()
    started = False
    for document in documents:
        if document is DONE:
            done = True
            continue
        chunk = _chunk(document, identity, shape)
        for choice in chunk["choices"]:
            started = True
            unfinished.add(choice["index"])
            if choice["finish_reason"] is not None:
                unfinished.discard(choice["index"])
        yield chunk
    if not started or (unfinished and not done):
        raise ModelError("The model's answer ended early.", cause=f"finished: {done}, open: {unfinished}")


def _chunk(document: Document, identity: Identity, shape: Shape) -> Chunk:
    error = document.get("error") or (document if document.get("object") == "error" else None)
    if error:
        raise engine_error(error)
    choices = document.get("choices")
    if not isinstance(choices, list):
        raise ModelError(cause=f"answer has no choices, but {sorted(document)}")
    return {
        "id": identity.id,
        "object": shape.chunk,
        "created": identity.created,
        "model": identity.model,
        "choices": [_choice(choice, shape) for choice in choices],
        **{key: document[key] for key in _KEPT if document.get(key) is not None},
        "usage": document.get("usage"),
    }


def _choice(choice: dict[str, Any], shape: Shape) -> dict[str, Any]:
    reason = choice.get("finish_reason")
    if reason == "error":
        raise ModelError(cause="finish_reason: error")
    return {
        "index": choice.get("index", 0),
        **shape.choice(choice),
        "logprobs": choice.get("logprobs"),
        # Text Generation Inference says "" while it goes on.
        "finish_reason": reason or None,
    }


def _delta(choice: dict[str, Any]) -> dict[str, Any]:
    delta = choice.get("delta")
    if isinstance(delta, dict):
        return {"delta": delta}
    # An engine that did not stream: its message is one big delta, whose tool calls lack their numbers.
    message = choice.get("message")
    if not isinstance(message, dict):
        raise ModelError(cause=f"choice has neither delta nor message, but {sorted(choice)}")
    calls = message.get("tool_calls")
    if not calls:
        return {"delta": message}
    numbered = [{"index": number, **call} for number, call in enumerate(calls)]
    return {"delta": {**message, "tool_calls": numbered}}


def _text(choice: dict[str, Any]) -> dict[str, Any]:
    text = choice.get("text")
    if not isinstance(text, str):
        raise ModelError(cause=f"choice has no text, but {sorted(choice)}")
    return {"text": text}


CHAT: Final = Shape("messages", "chatcmpl-", "chat.completion.chunk", "chat.completion", _delta)
TEXT: Final = Shape("prompt", "cmpl-", "text_completion", "text_completion", _text)


def says_something(chunk: Chunk) -> bool:
    """Whether a chunk carries part of the answer, and not only the role or the counts."""
    return any(
        choice.get("text") or any(value for key, value in choice.get("delta", {}).items() if key != "role")
        for choice in chunk["choices"]
    )
