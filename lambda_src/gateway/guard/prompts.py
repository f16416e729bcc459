"""The texts of a request: everything that the model reads, except images."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from gateway.errors import ContentFilterError, InvalidRequestError

Document = dict[str, Any]
Check = Callable[[Sequence[str]], Awaitable[list[str]]]

# Members that configure the engine: not a part of what the model reads.
_SETTINGS: Final = frozenset(
    {
        *(
            "model",
            "user",
            "encoding_format",
            "service_tier",
            "reasoning_effort",
            "tool_choice",
            "stop",
            "stream_options",
        ),
        *("metadata", "safety_identifier", "prompt_cache_key", "truncation"),
    }
)
# Members of messages that are not text, or not the client's.
_NOT_TEXT: Final = frozenset(
    {
        *("role", "type", "id", "tool_call_id", "index", "detail"),
        *("image_url", "input_audio", "audio_url", "video_url", "file"),
    }
)
# Members of vLLM that create the prompt from something else than its texts.
_UNREADABLE: Final = ("chat_template", "prompt_embeds")
_ROLES: Final = {"developer": "system", "function": "tool"}
# Escapes in JSON. Engines decode them, so a guard must not read `\\u0066orbidden` or `\\nforbidden`.
_ESCAPE: Final = re.compile(r"\\u[dD][89abAB]\w{2}\\u[dD][c-fC-F]\w{2}|\\u\w{4}|\\.")


@dataclass
class _Text:
    """A text and its place, a member of an object or of a list; `decode` creates the member from a text."""

    container: Any
    key: Any
    text: str
    decode: Callable[[str], Any] = str

    def put(self, text: str) -> None:
        if text == self.text:
            return
        try:
            self.container[self.key] = self.decode(text)
        except (ValueError, RecursionError):
            raise ContentFilterError(cause=f"guard: its replacement of {self.key!r} is not JSON") from None


def _as_json(container: Any, key: Any) -> _Text:
    """A member that is an object or a list, as JSON."""
    text = json.dumps(container[key], ensure_ascii=False)
    return _Text(container, key, _unescaped(text), partial(json.loads, strict=False))


def _arguments(container: Any, key: Any) -> _Text:
    """The arguments of a tool call, which are JSON in a string."""
    text = container[key]
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return _Text(container, key, text)
    return _Text(container, key, _unescaped(text), _normalized)


def _normalized(text: str) -> str:
    return json.dumps(json.loads(text, strict=False), ensure_ascii=False)


def _unescaped(text: str) -> str:
    """JSON with characters instead of their escapes, except quotation marks and backslashes."""
    return _ESCAPE.sub(_character, text)


def _character(escape: re.Match[str]) -> str:
    character: str = json.loads(f'"{escape[0]}"')
    # Half of a surrogate pair is not a character.
    return escape[0] if character in '"\\' or "\ud800" <= character <= "\udfff" else character


async def checked(body: Document, roles: Collection[str], check: Check) -> tuple[Document, bool]:
    """A request with the texts that pass, and whether one of them is replaced.

    The request is the same object unless it changes. Successive parts of a message's text become one, because
    engines join them: otherwise a guard would read neither half of a word.

    Args:
        body: in OpenAI's shape.
        roles: whose messages of a chat are checked; its other members, such as tools, belong to `system`.
        check: returns the texts as they may pass, or raises an error.

    Raises:
        InvalidRequestError: the request has token numbers in place of a text, or a member that creates texts.
    """
    for name in _UNREADABLE:
        if body.get(name) is not None:
            raise InvalidRequestError(
                f"'{name}' is not supported: this model's guard cannot read the prompt that it creates.",
                param=name,
            )
    copied = copy.deepcopy(body)
    for message in _messages(copied, roles):
        if isinstance(message.get("content"), list):
            message["content"] = _joined(message["content"])
    texts = list(_texts(copied, roles))
    passed = await check([text.text for text in texts])
    replaced = passed != [text.text for text in texts]
    for text, new in zip(texts, passed, strict=True):
        text.put(new)
    return (copied if copied != body else body), replaced


def _messages(body: Document, roles: Collection[str]) -> Iterator[Document]:
    for message in body.get("messages") or ():
        if _ROLES.get(message["role"], message["role"]) in roles:
            yield message


def _joined(parts: list[Document]) -> list[Document]:
    """Parts of a message, with one text in place of successive ones."""
    joined: list[Document] = []
    for part in parts:
        if part["type"] == "text" and joined and joined[-1]["type"] == "text":
            # As in apis/responses.py and apis/messages.py.
            joined[-1]["text"] += f"\n{part['text']}"
        else:
            joined.append(part)
    return joined


def _texts(body: Document, roles: Collection[str]) -> Iterator[_Text]:
    for message in _messages(body, roles):
        yield from _leaves(message)
    for name, value in body.items():
        if name in ("prompt", "input"):
            yield from _prompt(body, name)
        elif name in _SETTINGS or name == "messages" or ("messages" in body and "system" not in roles):
            continue
        elif isinstance(value, str):
            yield _Text(body, name, value)
        elif "messages" not in body and isinstance(value, list | dict):
            yield from _leaves(value)
        elif isinstance(value, list | dict) and value:
            yield _as_json(body, name)


def _prompt(body: Document, name: str) -> Iterator[_Text]:
    value = body[name]
    if isinstance(value, str):
        yield _Text(body, name, value)
        return
    for index, item in enumerate(value):
        if not isinstance(item, str):
            location = name if isinstance(item, int) else f"{name}[{index}]"
            raise InvalidRequestError(
                f"'{location}' is a list of tokens, which this model's guard cannot read: it must be text.",
                param=location,
            )
        yield _Text(value, index, item)


def _leaves(value: Any) -> Iterator[_Text]:
    items = enumerate(value) if isinstance(value, list) else value.items()
    for key, member in items:
        if key in _NOT_TEXT:
            continue
        if isinstance(member, str):
            yield _arguments(value, key) if key == "arguments" else _Text(value, key, member)
        elif isinstance(member, list | dict):
            yield from _leaves(member)
