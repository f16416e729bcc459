"""Request bodies that are almost valid: valid ones with random changes."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

Body = dict[str, Any]
Path = tuple[str | int, ...]

_TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}
_CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
_HELLO = {"role": "user", "content": "Say hello."}
_TEXT = {"type": "text", "text": "Hello."}
_PIXEL = "data:image/png;base64,iVBORw0KGgo="
_SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}

CHATS: tuple[Body, ...] = (
    {"messages": [_HELLO]},
    {"messages": [{"role": "system", "content": "Be brief."}, {**_HELLO, "name": "ann"}], "user": "u1"},
    {
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Say hello."}]}],
        "stop": ["\n", "."],
    },
    {"messages": [_HELLO], "n": 2, "temperature": 0.5, "top_p": 0.9, "seed": 7, "stop": "\n"},
    {"messages": [_HELLO], "logprobs": True, "top_logprobs": 2, "logit_bias": {"50": -1}},
    {"messages": [_HELLO], "presence_penalty": 0.1, "frequency_penalty": 0.1, "metadata": {"a": "b"}},
    {"messages": [_HELLO], "tools": [_TOOL], "tool_choice": "auto", "parallel_tool_calls": False},
    {
        "messages": [_HELLO],
        "tools": [_TOOL],
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
    },
    {
        "messages": [
            _HELLO,
            {"role": "assistant", "content": None, "tool_calls": [_CALL]},
            {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
        ],
        "tools": [_TOOL],
    },
    {"messages": [_HELLO], "response_format": {"type": "json_object"}},
    {
        "messages": [_HELLO],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "x", "schema": _SCHEMA, "strict": True},
        },
    },
    {
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is it?"},
                    {"type": "image_url", "image_url": {"url": _PIXEL}},
                ],
            }
        ]
    },
    {"messages": [_HELLO], "stream": True, "stream_options": {"include_usage": True}},
    {"messages": [_HELLO], "max_completion_tokens": 3, "reasoning_effort": "low"},
)
COMPLETIONS: tuple[Body, ...] = (
    {"prompt": "Once upon a"},
    {"prompt": ["Once upon a", "The end of"], "n": 2, "stop": ["\n"]},
    {"prompt": [1, 2, 3], "logprobs": 2, "echo": False},
    {"prompt": [[1, 2], [3]], "stream": True, "suffix": None, "best_of": 1},
    {"prompt": "Once", "temperature": 0, "seed": 1, "logit_bias": {"50": 1}, "user": "u1"},
)
EMBEDDINGS: tuple[Body, ...] = (
    {"input": "a text"},
    {"input": ["a text", "another"], "encoding_format": "base64", "user": "u1"},
    {"input": [1, 2, 3], "encoding_format": "float"},
    {"input": [[1, 2], [3]], "dimensions": None},
)
RERANKS: tuple[Body, ...] = (
    {"query": "a cat", "documents": ["stocks", "a kitten"]},
    {"query": "a cat", "documents": [{"text": "a kitten"}, "stocks"], "top_n": 1, "return_documents": True},
    {
        "query": "a cat",
        "documents": ["a kitten"],
        "top_n": None,
        "rank_fields": [],
        "max_tokens_per_doc": None,
    },
)
SCORES: tuple[Body, ...] = (
    {"text_1": "a cat", "text_2": ["stocks", "a kitten"]},
    {"text_1": ["a cat"], "text_2": "a kitten"},
    {"text_1": ["a cat", "a car"], "text_2": ["a kitten", "a bus"]},
)
RESPONSES: tuple[Body, ...] = (
    {"input": "Say hello.", "instructions": "Be brief.", "store": True, "truncation": "disabled"},
    {"input": [_HELLO, {"type": "message", "role": "developer", "content": "Be brief."}], "stream": True},
    {
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "Say hello."}]},
            {"type": "reasoning", "id": "rs_1", "summary": []},
            {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "call_1", "output": "rain"},
        ],
        "tools": [{"type": "function", **_TOOL["function"]}],
        "tool_choice": "auto",
        "reasoning": {"effort": "low"},
    },
    {
        "input": [{"role": "user", "content": [{"type": "input_image", "image_url": _PIXEL}]}],
        "text": {"format": {"type": "json_schema", "name": "x", "schema": _SCHEMA, "strict": True}},
    },
)
MESSAGES: tuple[Body, ...] = (
    {"messages": [_HELLO], "max_tokens": 3, "system": "Be brief.", "stop_sequences": ["x"], "stream": True},
    {
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Say hello."}]},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Hm.", "signature": ""},
                    {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Oslo"}},
                ],
            },
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "rain"}, _TEXT],
            },
        ],
        "max_tokens": 3,
        "system": [_TEXT],
        "tools": [{"name": "weather", "input_schema": _SCHEMA}],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    },
    {
        "messages": [
            {"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": _PIXEL}}, _TEXT]}
        ],
        "max_tokens": 3,
        "output_config": {"format": {"type": "json_schema", "schema": _SCHEMA}},
    },
)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 3, 0.5, 1e308, -1e308, 2**31, 2**63, -(2**63), 10**40),
    *("", " ", "x", "auto", "required", "function", "user", "\0", "\ud83d", "a\udc00", "🙂", "x" * 5000),
    *([], {}, [None], [[]], [{}], {"": None}, {"type": None}, {"\ud83d": 1}, {"type": "x"}, ["a", 1]),
)
MEMBERS = (
    "name",
    "type",
    "id",
    "content",
    "role",
    "text",
    "function",
    "stop",
    "n",
    "echo",
    "input",
    "tools",
    "tool_choice",
    "response_format",
    "\ud83d",
)


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """The path of each value in a document, except the document itself."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from paths(item, (*path, key))


@st.composite
def mutations(draw: st.DrawFn, bodies: tuple[Body, ...]) -> Body:
    """One of `bodies` after one to three changes."""
    body = copy.deepcopy(draw(st.sampled_from(bodies)))
    for _ in range(draw(st.integers(1, 3))):
        _change(draw, body)
    return body


def _change(draw: st.DrawFn, body: Body) -> None:
    locations = list(paths(body))
    if not locations:
        return
    *parents, key = draw(st.sampled_from(locations))
    parent: Any = body
    for name in parents:
        parent = parent[name]
    match draw(st.sampled_from(("replace", "replace", "swap", "remove", "add", "wrap", "repeat"))):
        case "replace":
            parent[key] = copy.deepcopy(draw(st.sampled_from(VALUES)))
        case "swap":
            other: Any = body
            for name in draw(st.sampled_from(locations)):
                other = other[name]
            parent[key] = copy.deepcopy(other)
        case "remove":
            del parent[key]
        case "add" if isinstance(parent, dict):
            parent[draw(st.sampled_from(MEMBERS))] = copy.deepcopy(draw(st.sampled_from(VALUES)))
        case "wrap":
            parent[key] = [parent[key]]
        case _:
            parent[key] = [copy.deepcopy(parent[key]) for _ in range(3)]


def encoded(body: Body) -> bytes:
    """A body as JSON; unpaired surrogates become escapes, as in JavaScript's `JSON.stringify`."""
    return json.dumps(body).encode()


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Bytes that are hardly JSON any more."""
    position = draw(st.integers(0, len(content)))
    return draw(
        st.sampled_from(
            (
                content[:position],
                content[:position] + b"\xff" + content[position:],
                content[:position] + b"\0" + content[position:],
                b"\xef\xbb\xbf" + content,
                content + content,
                content.replace(b'"n_predict": 3', b'"n_predict": 1e999'),
                content.replace(b'"n_predict": 3', b'"n_predict": 3, "x": ' + b"[" * 980 + b"]" * 980),
                content.replace(b'"n_predict": 3', b'"n_predict": 3, "x": ' + b"[" * 5000 + b"]" * 5000),
                json.dumps(content.decode("latin1")).encode(),
                b"",
            )
        )
    )
