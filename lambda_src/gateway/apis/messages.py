"""Anthropic's Messages API: requests to chat completions, and chunks to its events.

Types and events: https://docs.anthropic.com/en/api/messages and /messages-streaming, and `anthropic.types`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from gateway.apis.blocks import Block, Blocks
from gateway.chunks import Chunk
from gateway.errors import ApiError, InvalidRequestError, ModelError
from gateway.schema import encode

Document = dict[str, Any]

SCHEMA: Final = "MessageRequest"
TOKENS_SCHEMA: Final = "MessageTokensRequest"
# The member of a chat completion → the client's, for errors.
PARAMS: Final = (
    (r"^messages\b.*", "messages"),
    (r"^max_completion_tokens$", "max_tokens"),
    (r"^stop$", "stop_sequences"),
    (r"^(tools\[\d+\])\.function\.parameters\b", r"\1.input_schema"),
    (r"^(tools\[\d+\])\.function\b", r"\1"),
    (r"^tool_choice\.function\b", "tool_choice"),
    (r"^parallel_tool_calls$", "tool_choice.disable_parallel_tool_use"),
)
_SAME: Final = ("model", "stream", "temperature", "top_p", "top_k")
# Members without an effect here: they concern Anthropic's cache, billing and reasoning.
_UNUSED: Final = frozenset(
    {"cache_control", "context_management", "inference_geo", "metadata", "service_tier", "thinking"}
)
_TRANSLATED: Final = frozenset(
    {"max_tokens", "messages", "output_config", "stop_sequences", "system", "tool_choice", "tools"}
)
_UNSUPPORTED: Final = {
    "container": "the API runs no code",
    "mcp_servers": "call the servers from the client, as tools",
}
_CHOICES: Final = {"auto": "auto", "any": "required", "none": "none"}
_STOP_REASONS: Final = {
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}
_ERROR_TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    405: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}


def chat_request(document: Document) -> Document:
    """The chat completion that a request asks for.

    Args:
        document: it conforms to `SCHEMA` or `TOKENS_SCHEMA`.

    Raises:
        InvalidRequestError: it asks for something that only Anthropic's own service has.
    """
    for name, reason in _UNSUPPORTED.items():
        if document.get(name):
            raise InvalidRequestError(f"'{name}' is not supported: {reason}.", param=name)
    handled = _UNUSED | _TRANSLATED | _UNSUPPORTED.keys()
    chat = {name: value for name, value in document.items() if name in _SAME or name not in handled}
    chat["messages"] = list(_messages(document))
    if "max_tokens" in document:
        chat["max_completion_tokens"] = document["max_tokens"]
    if document.get("stop_sequences"):
        chat["stop"] = document["stop_sequences"]
    if document.get("tools"):
        chat["tools"] = [_tool(tool) for tool in document["tools"]]
    chat.update(_tool_choice(document.get("tool_choice") or {}))
    if schema := ((document.get("output_config") or {}).get("format") or {}).get("schema"):
        chat["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "output", "schema": schema, "strict": True},
        }
    return chat


def prompt_only(document: Document) -> Document:
    """The shortest chat completion whose prompt is that of a request."""
    chat = chat_request({**document, "tool_choice": None})
    return {**chat, "max_completion_tokens": 1, "stream": False}


def error_body(error: ApiError) -> Document:
    """The body of an error response: Anthropic's shape, and the other members of this API's errors."""
    kind = _ERROR_TYPES.get(error.status, "api_error")
    return {"type": "error", "error": {**error.body()["error"], "type": kind}}


def _messages(document: Document) -> Iterator[Document]:
    if document.get("system"):
        yield {"role": "system", "content": _plain_text(document["system"])}
    for message in document["messages"]:
        content = message["content"]
        if isinstance(content, str):
            yield {"role": message["role"], "content": content}
        elif message["role"] == "assistant":
            yield _assistant(content)
        else:
            yield from _user(message["role"], content)


def _assistant(blocks: list[Document]) -> Document:
    """A response of the model; chat templates leave out the reasoning of earlier ones."""
    text = _plain_text(blocks)
    calls = [
        {
            "id": block["id"],
            "type": "function",
            "function": {"name": block["name"], "arguments": json.dumps(block["input"], ensure_ascii=False)},
        }
        for block in blocks
        if block["type"] == "tool_use"
    ]
    return {"role": "assistant", "content": text, **({"tool_calls": calls} if calls else {})}


def _user(role: str, blocks: list[Document]) -> Iterator[Document]:
    """A message of the user; the results of tools are separate messages."""
    for block in blocks:
        if block["type"] == "tool_result":
            content = _content(block.get("content") or "")
            yield {"role": "tool", "tool_call_id": block["tool_use_id"], "content": content}
    others = [block for block in blocks if block["type"] != "tool_result"]
    if others:
        yield {"role": role, "content": _content(others)}


def _content(content: Any) -> Any:
    if isinstance(content, str) or all(block["type"] != "image" for block in content):
        return _plain_text(content)
    return [
        {"type": "image_url", "image_url": {"url": _image_url(block["source"])}}
        if block["type"] == "image"
        else {"type": "text", "text": block.get("text", "")}
        for block in content
    ]


def _image_url(source: Document) -> str:
    if source["type"] == "url":
        return str(source["url"])
    return f"data:{source['media_type']};base64,{source['data']}"


def _plain_text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(block["text"] for block in content if block["type"] == "text")


def _tool(tool: Document) -> Document:
    function = {"name": tool["name"], "parameters": tool["input_schema"]}
    function.update({key: tool[key] for key in ("description", "strict") if key in tool})
    return {"type": "function", "function": function}


def _tool_choice(choice: Document) -> Iterator[tuple[str, Any]]:
    if choice.get("type") == "tool":
        yield "tool_choice", {"type": "function", "function": {"name": choice["name"]}}
    elif choice:
        yield "tool_choice", _CHOICES[choice["type"]]
    if choice.get("disable_parallel_tool_use"):
        yield "parallel_tool_calls", False


class Writer:
    """Writes a response in this API's shape."""

    def __init__(self) -> None:
        self._blocks = Blocks()
        self._started = False

    def whole(self, chunks: Iterable[Chunk]) -> Document:
        """The response as one document.

        Raises:
            ModelError: the arguments of a tool call are not a JSON object.
        """
        head: Document = {}
        for chunk in chunks:
            head = head or chunk
            for _ in self._blocks.feed(chunk):
                continue
        for _ in self._blocks.end():
            continue
        complete = self._blocks.finish_reason != "length"
        return {
            **_message(head),
            "content": [_whole_block(block, complete=complete) for block in self._blocks.blocks],
            "stop_reason": self._stop_reason,
            "usage": _usage(self._blocks.usage),
        }

    def feed(self, chunk: Chunk) -> bytes:
        """The events that a chunk brings."""
        events = []
        if not self._started:
            self._started = True
            events = [_event("message_start", message=_message(chunk))]
        events += [_step(*step) for step in self._blocks.feed(chunk)]
        return b"".join(events)

    def end(self) -> bytes:
        """The events at the end of the response."""
        events = [_step(*step) for step in self._blocks.end()]
        delta = {"stop_reason": self._stop_reason, "stop_sequence": None}
        events.append(_event("message_delta", delta=delta, usage=_usage(self._blocks.usage)))
        return b"".join([*events, _event("message_stop")])

    def failure(self, error: ApiError) -> bytes:
        """The event that reports an error after the first event."""
        return _event(**error_body(error))

    @property
    def _stop_reason(self) -> str:
        return _STOP_REASONS.get(self._blocks.finish_reason or "", "end_turn")


class TokenCounter(Writer):
    """Writes the number of tokens in the prompt."""

    def whole(self, chunks: Iterable[Chunk]) -> Document:
        """The document with the number.

        Raises:
            ModelError: the engine does not report it.
        """
        counts = [chunk["usage"]["prompt_tokens"] for chunk in chunks if chunk.get("usage")]
        if not counts:
            raise ModelError("The model does not report token counts.")
        return {"input_tokens": counts[-1]}


def _message(chunk: Chunk) -> Document:
    return {
        "id": f"msg_{str(chunk['id']).partition('-')[2]}",
        "type": "message",
        "role": "assistant",
        "model": chunk["model"],
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": _usage({}),
    }


def _step(step: str, block: Block, text: str) -> bytes:
    if step == "start":
        return _event("content_block_start", index=block.index, content_block=_new_block(block))
    if step == "end":
        return _event("content_block_stop", index=block.index)
    kind, member = _DELTAS[block.kind]
    return _event("content_block_delta", index=block.index, delta={"type": kind, member: text})


_DELTAS: Final = {
    "reasoning": ("thinking_delta", "thinking"),
    "text": ("text_delta", "text"),
    "call": ("input_json_delta", "partial_json"),
}


def _new_block(block: Block) -> Document:
    match block.kind:
        case "reasoning":
            # Only Anthropic's models sign their reasoning.
            return {"type": "thinking", "thinking": "", "signature": ""}
        case "text":
            return {"type": "text", "text": "", "citations": None}
    return {"type": "tool_use", "id": block.id, "name": block.name, "input": {}}


def _whole_block(block: Block, *, complete: bool) -> Document:
    if block.kind == "call":
        return {**_new_block(block), "input": block.arguments(complete=complete)}
    return {**_new_block(block), {"reasoning": "thinking", "text": "text"}[block.kind]: block.text}


def _usage(usage: Document) -> Document:
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    return {
        "input_tokens": usage.get("prompt_tokens", 0) - cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": cached,
        "output_tokens": usage.get("completion_tokens", 0),
    }


def _event(type: str, **members: Any) -> bytes:
    return b"event: " + type.encode() + b"\ndata: " + encode({"type": type, **members}) + b"\n\n"
