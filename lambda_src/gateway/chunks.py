"""Engines' JSON objects → chunks of OpenAI's streams, the same for every engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from gateway.engine_errors import engine_error
from gateway.errors import InvalidRequestError, ModelError
from gateway.framing import DONE, Document

Chunk = dict[str, Any]
# Members that all chunks of one response share, the first in each.
SHARED: Final = ("id", "object", "created", "model")
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


class Chunks:
    """An engine's objects → chunks of one response.

    Args:
        identity: the members that they share.
        shape: chat completions or plain ones.
    """

    def __init__(self, identity: Identity, shape: Shape) -> None:
        self._identity = identity
        self._shape = shape
        self._done = False
        self._started = False
        self._unfinished: set[int] = set()

    def feed(self, document: Document | None) -> tuple[Chunk, ...]:
        """The chunk of an object.

        Raises:
            ApiError: the engine reports an error.
        """
        if document is DONE:
            self._done = True
            return ()
        chunk = _chunk(document, self._identity, self._shape)
        for choice in chunk["choices"]:
            self._started = True
            if choice["finish_reason"] is None:
                self._unfinished.add(choice["index"])
            else:
                self._unfinished.discard(choice["index"])
        return (chunk,)

    def end(self) -> tuple[Chunk, ...]:
        """Nothing.

        Raises:
            ModelError: the response is not finished.
        """
        if not self._started or (self._unfinished and not self._done):
            cause = f"finished: {self._done}, open: {self._unfinished}"
            raise ModelError("The model's response ended early.", cause=cause)
        return ()


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


class TotalUsage:
    """Chunks → chunks with one total of token counts at the end; llama.cpp counts each choice on its own.

    Args:
        choices: number of choices per prompt, each of which counts the prompt.
    """

    def __init__(self, choices: int) -> None:
        self._choices = choices
        self._counts: list[dict[str, Any]] = []
        self._last: Chunk = {}

    def feed(self, chunk: Chunk) -> tuple[Chunk, ...]:
        """The chunk without its counts, unless it has only counts."""
        if chunk["usage"]:
            self._counts.append(chunk["usage"])
        self._last = {**chunk, "usage": None}
        return (self._last,) if chunk["choices"] else ()

    def end(self) -> tuple[Chunk, ...]:
        """The chunk with the total, if there were counts."""
        if not self._counts:
            return ()
        prompt = sum(count.get("prompt_tokens", 0) for count in self._counts) // self._choices
        completion = sum(count.get("completion_tokens", 0) for count in self._counts)
        total = {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
        }
        return ({**self._last, "choices": [], "usage": {**self._counts[-1], **total}},)


class RequiredToolCall:
    """Chunks of a response that must call a tool → the same, from the first call on."""

    def __init__(self) -> None:
        self._called: set[int] = set()
        self._held: list[Chunk] = []

    def feed(self, chunk: Chunk) -> list[Chunk]:
        """The chunks that need not be held back any longer.

        Raises:
            InvalidRequestError: the model does not call a tool; llama.cpp ignores tools if the chat template
                does.
        """
        self._held.append(chunk)
        for choice in chunk["choices"]:
            if choice["delta"].get("tool_calls"):
                self._called.add(choice["index"])
            elif choice["finish_reason"] is not None and choice["index"] not in self._called:
                raise InvalidRequestError(
                    "The model did not call a tool, although 'tool_choice' requires it: it may not support "
                    "tools, or the maximum number of tokens is too small.",
                    param="tool_choice",
                )
        return self.end() if self._called else []

    def end(self) -> list[Chunk]:
        """The chunks held back."""
        held, self._held = self._held, []
        return held


def has_content(chunk: Chunk) -> bool:
    """Whether a chunk carries part of the text or a tool call, and not only the role or token counts."""
    return any(
        choice.get("text") or any(value for key, value in choice.get("delta", {}).items() if key != "role")
        for choice in chunk["choices"]
    )
