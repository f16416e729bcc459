"""Chunks → OpenAI's completions, whole or as server-sent events."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gateway.chunks import SHARED, Chunk, Shape
from gateway.errors import ApiError
from gateway.schema import encode

Completion = dict[str, Any]


class Writer:
    """Writes a response in OpenAI's shape.

    Args:
        shape: of the completion.
        include_usage: whether the client of a stream wants token counts.
    """

    def __init__(self, shape: Shape, *, include_usage: bool) -> None:
        self._shape = shape
        self._include_usage = include_usage
        self._head = b""

    def whole(self, chunks: Iterable[Chunk]) -> Completion:
        """The response as one document."""
        return completion(chunks, self._shape)

    def feed(self, chunk: Chunk) -> bytes:
        """The event of a chunk; empty for a chunk of token counts that the client does not want."""
        if not self._include_usage and not chunk["choices"]:
            return b""
        if not self._head:
            self._head = b"data: " + encode({name: chunk[name] for name in SHARED})[:-1] + b","
        rest = {name: value for name, value in chunk.items() if name not in SHARED}
        if not self._include_usage:
            del rest["usage"]
        return self._head + encode(rest)[1:] + b"\n\n"

    def end(self) -> bytes:
        """The event at the end of the response."""
        return b"data: [DONE]\n\n"

    def failure(self, error: ApiError) -> bytes:
        """The event that reports an error after the status has been sent."""
        return b"data: " + encode(error.body()) + b"\n\n"


def completion(chunks: Iterable[Chunk], shape: Shape) -> Completion:
    """Assemble the whole response from its chunks, at least one."""
    head: dict[str, Any] = {}
    choices: dict[int, dict[str, Any]] = {}
    usage = None
    for chunk in chunks:
        head.update({key: value for key, value in chunk.items() if key not in ("choices", "usage")})
        usage = chunk.get("usage") or usage
        for part in chunk["choices"]:
            index = part["index"]
            _add(choices.setdefault(index, {"index": index}), part)
    return {
        **head,
        "object": shape.whole,
        "choices": [_finished(choices[index]) for index in sorted(choices)],
        "usage": usage,
    }


def _add(choice: dict[str, Any], part: dict[str, Any]) -> None:
    if "text" in part:
        choice["text"] = choice.get("text", "") + part["text"]
    else:
        _add_delta(choice.setdefault("message", {}), part["delta"])
    if part.get("logprobs"):
        _add_logprobs(choice.setdefault("logprobs", {}), part["logprobs"])
    if part["finish_reason"] is not None:
        choice["finish_reason"] = part["finish_reason"]


def _add_delta(message: dict[str, Any], delta: dict[str, Any]) -> None:
    for key, value in delta.items():
        if key == "tool_calls":
            _add_tool_calls(message.setdefault(key, {}), value or [])
        elif key == "role" or not isinstance(value, str):
            if value is not None:
                message[key] = value
        else:
            message[key] = (message.get(key) or "") + value


def _add_tool_calls(calls: dict[int, dict[str, Any]], parts: list[dict[str, Any]]) -> None:
    for part in parts:
        call = calls.setdefault(part.get("index", 0), {"function": {"name": "", "arguments": ""}})
        call.update({key: part[key] for key in ("id", "type") if part.get(key)})
        function = part.get("function") or {}
        for key in ("name", "arguments"):
            call["function"][key] += function.get(key) or ""


def _add_logprobs(logprobs: dict[str, Any], part: object) -> None:
    for key, tokens in part.items() if isinstance(part, dict) else ():
        if isinstance(tokens, list):
            logprobs.setdefault(key, []).extend(tokens)


def _finished(choice: dict[str, Any]) -> dict[str, Any]:
    content = {"text": choice["text"]} if "text" in choice else {"message": _message(choice["message"])}
    return {
        "index": choice["index"],
        **content,
        "logprobs": choice.get("logprobs"),
        "finish_reason": choice.get("finish_reason"),
    }


def _message(members: dict[str, Any]) -> dict[str, Any]:
    message = {"role": "assistant", "content": None if members.get("tool_calls") else "", **members}
    if "tool_calls" in message:
        calls = [call for _, call in sorted(message.pop("tool_calls").items())]
        if calls:
            message["tool_calls"] = [{"type": "function", **call} for call in calls]
    return message
