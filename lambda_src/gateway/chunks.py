"""Engines' JSON objects → chunks of OpenAI's streams, the same for every engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from gateway.engine_errors import engine_error
from gateway.errors import InvalidRequestError, ModelError
from gateway.framing import DONE, Document

Chunk = dict[str, Any]
# Other members are dropped: timings, token ids and the like, which differ between engines.
_KEPT: Final = ("system_fingerprint", "service_tier")


@dataclass(frozen=True)
class Shape:
    """The differences between chat completions and plain ones.

    Attributes:
        request: the request's schema in the contract.
        input: the request's member that holds the prompt.
        id_prefix: prefix of response ids.
        chunk: `object` of a chunk.
        whole: `object` of a whole response.
        choice: converts an engine's choice to OpenAI's.
    """

    request: str
    input: str
    id_prefix: str
    chunk: str
    whole: str
    choice: Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class Identity:
    """The members that all chunks of one response share.

    Attributes:
        id: `chatcmpl-…` or `cmpl-…`.
        model: the model's name as the client wrote it; engines put their own paths there.
        created: seconds since the epoch.
    """

    id: str
    model: str
    created: int


def chunks(documents: Iterable[Document | None], identity: Identity, shape: Shape) -> Iterator[Chunk]:
    """Chunks of a response, as they arrive.

    Raises:
        ApiError: the engine reports an error, or the response ends before it is finished.
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
        raise ModelError("The model's response ended early.", cause=f"finished: {done}, open: {unfinished}")


def _chunk(document: Document, identity: Identity, shape: Shape) -> Chunk:
    error = document.get("error") or (document if document.get("object") == "error" else None)
    if error:
        raise engine_error(error)
    choices = document.get("choices")
    if not isinstance(choices, list):
        raise ModelError(cause=f"response has no choices, but {sorted(document)}")
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
        # Text Generation Inference sends "" before the last chunk.
        "finish_reason": reason or None,
    }


def _delta(choice: dict[str, Any]) -> dict[str, Any]:
    delta = choice.get("delta")
    if isinstance(delta, dict):
        return {"delta": delta}
    # Without streaming, the engine's message is one large delta whose tool calls lack their indexes.
    message = choice.get("message")
    if not isinstance(message, dict):
        raise ModelError(cause=f"choice has neither delta nor message, but {sorted(choice)}")
    calls = message.get("tool_calls")
    if not calls:
        return {"delta": message}
    indexed = [{"index": index, **call} for index, call in enumerate(calls)]
    return {"delta": {**message, "tool_calls": indexed}}


def _text(choice: dict[str, Any]) -> dict[str, Any]:
    text = choice.get("text")
    if not isinstance(text, str):
        raise ModelError(cause=f"choice has no text, but {sorted(choice)}")
    return {"text": text}


CHAT: Final = Shape(
    "ChatCompletionRequest", "messages", "chatcmpl-", "chat.completion.chunk", "chat.completion", _delta
)
TEXT: Final = Shape("CompletionRequest", "prompt", "cmpl-", "text_completion", "text_completion", _text)


def with_total_usage(chunks: Iterable[Chunk], choices: int) -> Iterator[Chunk]:
    """Chunks with one total of token counts at the end; llama.cpp counts each choice on its own.

    Args:
        chunks: the response's.
        choices: number of choices per prompt, each of which counts the prompt.
    """
    counts: list[dict[str, Any]] = []
    last: Chunk = {}
    for chunk in chunks:
        counts += [chunk["usage"]] if chunk["usage"] else []
        last = {**chunk, "usage": None}
        if chunk["choices"]:
            yield last
    if counts:
        prompt = sum(count.get("prompt_tokens", 0) for count in counts) // choices
        completion = sum(count.get("completion_tokens", 0) for count in counts)
        total = {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
        }
        yield {**last, "choices": [], "usage": {**counts[-1], **total}}


def with_tool_call(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """Chunks of a response that must call a tool, from the first call on.

    Raises:
        InvalidRequestError: the model does not call one; llama.cpp ignores tools if the chat template does.
    """
    called: set[int] = set()
    held: list[Chunk] = []
    for chunk in chunks:
        held.append(chunk)
        for choice in chunk["choices"]:
            if choice["delta"].get("tool_calls"):
                called.add(choice["index"])
            elif choice["finish_reason"] is not None and choice["index"] not in called:
                raise InvalidRequestError(
                    "The model did not call a tool, although 'tool_choice' requires it: it may not support "
                    "tools, or the maximum number of tokens is too small.",
                    param="tool_choice",
                )
        if called:
            yield from held
            held = []
    yield from held


def has_content(chunk: Chunk) -> bool:
    """Whether a chunk carries part of the text or a tool call, and not only the role or token counts."""
    return any(
        choice.get("text") or any(value for key, value in choice.get("delta", {}).items() if key != "role")
        for choice in chunk["choices"]
    )
