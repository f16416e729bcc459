"""OpenAI's Responses API, without a store: requests to chat completions, and chunks to its events.

Types and events: https://platform.openai.com/docs/api-reference/responses, and `openai.types.responses`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any, Final

from gateway.apis.blocks import Block, Blocks
from gateway.chunks import Chunk
from gateway.errors import ApiError, InvalidRequestError, RateLimitError
from gateway.schema import encode

Document = dict[str, Any]

SCHEMA: Final = "ResponseRequest"
# The member of a chat completion → the client's, for errors.
PARAMS: Final = (
    (r"^messages\b.*", "input"),
    (r"^max_(completion_)?tokens$", "max_output_tokens"),
    (r"^response_format(\.json_schema)?\b", "text.format"),
    (r"^reasoning_effort$", "reasoning.effort"),
    (r"^(tools\[\d+\])\.function\b", r"\1"),
    (r"^tool_choice\.function\b", "tool_choice"),
)
_SAME: Final = ("model", "stream", "temperature", "top_p", "parallel_tool_calls", "user", "metadata")
# Members without an effect here: they concern OpenAI's store, cache, tools and billing.
_UNUSED: Final = frozenset(
    {
        *("client_metadata", "include", "max_tool_calls", "prompt_cache_key", "prompt_cache_options"),
        *("prompt_cache_retention", "safety_identifier", "service_tier", "store", "stream_options"),
    }
)
_TRANSLATED: Final = frozenset(
    {"input", "instructions", "max_output_tokens", "reasoning", "text", "tool_choice", "tools"}
)
_UNSUPPORTED: Final = {
    "background": "responses are not stored; use 'stream'",
    "conversation": "responses are not stored; send the whole conversation as 'input'",
    "previous_response_id": "responses are not stored; send the whole conversation as 'input'",
    "prompt": "the API has no prompt templates",
    "top_logprobs": "use chat completions",
    "truncation": "shorten the conversation",
}
_DEFAULTS: Final = (False, 0, "disabled")
_INSTRUCTIONS: Final = ("system", "developer")


def chat_request(document: Document) -> Document:
    """The chat completion that a request asks for.

    Args:
        document: it conforms to `SCHEMA`.

    Raises:
        InvalidRequestError: it asks for something that only OpenAI's own service has.
    """
    for name, reason in _UNSUPPORTED.items():
        if name in document and document[name] not in _DEFAULTS:
            raise InvalidRequestError(f"'{name}' is not supported: {reason}.", param=name)
    handled = _UNUSED | _TRANSLATED | _UNSUPPORTED.keys()
    chat = {name: value for name, value in document.items() if name in _SAME or name not in handled}
    chat["messages"] = _messages(document)
    if "max_output_tokens" in document:
        chat["max_completion_tokens"] = document["max_output_tokens"]
    if effort := document.get("reasoning", {}).get("effort"):
        chat["reasoning_effort"] = effort
    if response_format := document.get("text", {}).get("format"):
        chat["response_format"] = _response_format(response_format)
    if document.get("tools"):
        chat["tools"] = [_tool(tool) for tool in document["tools"]]
    if choice := document.get("tool_choice"):
        named = isinstance(choice, dict)
        chat["tool_choice"] = {"type": "function", "function": {"name": choice["name"]}} if named else choice
    return chat


def add_types(document: Document) -> None:
    """Add the type of messages, which clients may leave out."""
    items = document.get("input")
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict) and "role" in item:
            item.setdefault("type", "message")


def _messages(document: Document) -> list[Document]:
    items = document["input"]
    if isinstance(items, str):
        items = [{"type": "message", "role": "user", "content": items}]
    instructions = [document["instructions"]] if document.get("instructions") else []
    while items and items[0]["type"] == "message" and items[0]["role"] in _INSTRUCTIONS:
        instructions.append(_plain_text(items[0]["content"]))
        items = items[1:]
    # Many chat templates accept one system message, at the beginning.
    messages: list[Document] = (
        [{"role": "system", "content": "\n\n".join(instructions)}] if instructions else []
    )
    for item in items:
        match item["type"]:
            case "message":
                messages.append({"role": _role(item["role"]), "content": _content(item["content"])})
            case "function_call":
                # Text and calls of one response are one message: many chat templates refuse two in a row.
                if not messages or messages[-1]["role"] != "assistant":
                    messages.append({"role": "assistant", "content": None})
                function = {"name": item["name"], "arguments": item["arguments"]}
                call = {"id": item["call_id"], "type": "function", "function": function}
                messages[-1].setdefault("tool_calls", []).append(call)
            case "function_call_output":
                content = _content(item["output"])
                messages.append({"role": "tool", "tool_call_id": item["call_id"], "content": content})
            # Chat templates leave out the reasoning of earlier responses.
    return messages


def _role(role: str) -> str:
    return "system" if role in _INSTRUCTIONS else role


def _content(content: Any) -> Any:
    if isinstance(content, str):
        return content
    if all(part["type"] != "input_image" for part in content):
        return _plain_text(content)
    return [
        {"type": "image_url", "image_url": _image(part)}
        if part["type"] == "input_image"
        else {"type": "text", "text": part.get("text", part.get("refusal", ""))}
        for part in content
    ]


def _image(part: Document) -> Document:
    detail = {"detail": part["detail"]} if "detail" in part else {}
    return {"url": part["image_url"], **detail}


def _plain_text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text", part.get("refusal", "")) for part in content)


def _response_format(response_format: Document) -> Document:
    if response_format["type"] != "json_schema":
        return response_format
    schema = {key: value for key, value in response_format.items() if key != "type"}
    return {"type": "json_schema", "json_schema": schema}


def _tool(tool: Document) -> Document:
    return {"type": "function", "function": {key: value for key, value in tool.items() if key != "type"}}


class Writer:
    """Writes a response in this API's shape.

    Args:
        request: the client's, which the response repeats.
    """

    def __init__(self, request: Document) -> None:
        self._request = request
        self._blocks = Blocks()
        self._head: Document = {}
        self._events = 0

    def whole(self, chunks: Iterable[Chunk]) -> Document:
        """The response as one document."""
        for chunk in chunks:
            self._begin(chunk)
            for _ in self._blocks.feed(chunk):
                continue
        for _ in self._blocks.end():
            continue
        return self._finished()

    def feed(self, chunk: Chunk) -> bytes:
        """The events that a chunk brings."""
        events = []
        if not self._head:
            self._begin(chunk)
            started = self._document("in_progress", [])
            events = [
                self._event("response.created", response=started),
                self._event("response.in_progress", response=started),
            ]
        for step, block, text in self._blocks.feed(chunk):
            events += self._step(step, block, text)
        return b"".join(events)

    def end(self) -> bytes:
        """The events at the end of the response."""
        events = [event for step in self._blocks.end() for event in self._step(*step)]
        response = self._finished()
        return b"".join([*events, self._event(f"response.{response['status']}", response=response)])

    def failure(self, error: ApiError) -> bytes:
        """The events that report an error after the first event."""
        code = "rate_limit_exceeded" if isinstance(error, RateLimitError) else "server_error"
        output = [_item(block, self._id(block), "incomplete") for block in self._blocks.blocks]
        response = self._document("failed", output)
        response["error"] = {"code": code, "message": error.message}
        return self._event("response.failed", response=response)

    def _begin(self, chunk: Chunk) -> None:
        self._head = self._head or chunk

    def _id(self, block: Block) -> str:
        prefix = {"reasoning": "rs", "text": "msg", "call": "fc"}[block.kind]
        return f"{prefix}_{self._suffix}_{block.index}"

    @property
    def _suffix(self) -> str:
        return str(self._head.get("id", "")).partition("-")[2]

    def _step(self, step: str, block: Block, text: str) -> Iterator[bytes]:
        item_id, name = self._id(block), _EVENTS[block.kind]
        of_item = {"item_id": item_id, "output_index": block.index}
        of_part = of_item if block.kind == "call" else {**of_item, "content_index": 0}
        of_text = {**of_part, "logprobs": []} if block.kind == "text" else of_part
        if step == "start":
            item = _item(block, item_id, "in_progress")
            yield self._event("response.output_item.added", output_index=block.index, item=item)
            if block.kind != "call":
                yield self._event("response.content_part.added", **of_part, part=_part(block))
        elif step == "delta":
            yield self._event(f"response.{name}.delta", **of_text, delta=text)
        elif block.kind == "call":
            yield self._event(f"response.{name}.done", **of_item, name=block.name, arguments=block.text)
        else:
            yield self._event(f"response.{name}.done", **of_text, text=block.text)
            yield self._event("response.content_part.done", **of_part, part=_part(block))
        if step == "end":
            item = _item(block, item_id, "completed")
            yield self._event("response.output_item.done", output_index=block.index, item=item)

    def _finished(self) -> Document:
        output = [_item(block, self._id(block), "completed") for block in self._blocks.blocks]
        reason = _INCOMPLETE.get(self._blocks.finish_reason or "")
        response = self._document("completed" if reason is None else "incomplete", output)
        response["usage"] = _usage(self._blocks.usage)
        if reason is None:
            response["completed_at"] = int(time.time())
        else:
            response["incomplete_details"] = {"reason": reason}
        return response

    def _document(self, status: str, output: list[Document]) -> Document:
        request = self._request
        return {
            "id": f"resp_{self._suffix}",
            "object": "response",
            "created_at": self._head.get("created", 0),
            "status": status,
            "background": False,
            "error": None,
            "incomplete_details": None,
            "instructions": request.get("instructions"),
            "max_output_tokens": request.get("max_output_tokens"),
            "metadata": request.get("metadata", {}),
            "model": self._head.get("model", request["model"]),
            "output": output,
            "parallel_tool_calls": request.get("parallel_tool_calls", True),
            "previous_response_id": None,
            "reasoning": {"effort": None, "summary": None, **request.get("reasoning", {})},
            "store": False,
            "temperature": request.get("temperature"),
            "text": {"format": {"type": "text"}, **request.get("text", {})},
            "tool_choice": request.get("tool_choice", "auto"),
            "tools": [{"parameters": None, "strict": None, **tool} for tool in request.get("tools", ())],
            "top_p": request.get("top_p"),
            "truncation": "disabled",
            "usage": None,
            "user": request.get("user"),
        }

    def _event(self, kind: str, **members: Any) -> bytes:
        event = {"type": kind, "sequence_number": self._events, **members}
        self._events += 1
        return b"event: " + kind.encode() + b"\ndata: " + encode(event) + b"\n\n"


_EVENTS: Final = {"reasoning": "reasoning_text", "text": "output_text", "call": "function_call_arguments"}
_INCOMPLETE: Final = {"length": "max_output_tokens", "content_filter": "content_filter"}


def _part(block: Block) -> Document:
    if block.kind == "reasoning":
        return {"type": "reasoning_text", "text": block.text}
    return {"type": "output_text", "text": block.text, "annotations": [], "logprobs": []}


def _item(block: Block, item_id: str, status: str) -> Document:
    # An item that has just started is empty.
    content = [] if status == "in_progress" else [_part(block)]
    match block.kind:
        case "reasoning":
            return {"id": item_id, "type": "reasoning", "status": status, "summary": [], "content": content}
        case "text":
            return {
                "id": item_id,
                "type": "message",
                "status": status,
                "role": "assistant",
                "content": content,
            }
    call = {"call_id": block.id, "name": block.name, "arguments": block.text}
    return {"id": item_id, "type": "function_call", "status": status, **call}


def _usage(usage: Document) -> Document | None:
    if not usage:
        return None
    prompt, completion = usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0)
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    reasoning = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
        "output_tokens": completion,
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": prompt + completion,
    }
