"""The text of a response, held back until it is checked.

A response is checked in windows that overlap: the end of each window stays here, and is the beginning of the
next. So every text of up to the overlap's length is checked as a whole before its first character leaves.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from gateway.chunks import Chunk
from gateway.errors import ContentFilterError

Check = Callable[[str], Awaitable[str]]
# The place of a text: "text" of a plain completion, a member of a message, or the arguments of one tool call.
Channel = tuple[str, int]

# Engines name the member differently, and some send both.
_REASONING: Final = ("reasoning_content", "reasoning")


class Windows:
    """Chunks of a response → those whose text has passed.

    Args:
        check: returns a text as it may pass, or raises ContentFilterError.
        window: number of new characters after which they are checked; None: at the end of the text.
        overlap: number of characters at the end of a window that stay for the next.

    Attributes:
        cause: why a part of the response does not pass; None if there is none.
        replaced: whether a text was replaced.
    """

    def __init__(self, check: Check, window: int | None, overlap: int) -> None:
        self._check = check
        self._window = window
        self._overlap = overlap
        self._choices: dict[int, _Choice] = {}
        self.cause: str | None = None
        self.replaced = False

    async def feed(self, batch: list[Chunk]) -> list[Chunk]:
        """The chunks that may leave now that a batch has arrived.

        Raises:
            ApiError: a text cannot be checked.
        """
        counts: list[Chunk] = []
        for chunk in batch:
            is_held = False
            for choice in chunk["choices"]:
                is_held |= self._choices.setdefault(choice["index"], _Choice()).add(chunk, choice)
            if not is_held and (chunk["usage"] or not chunk["choices"]):
                counts.append({**chunk, "choices": []})
        return [
            *[chunk for choice in self._choices.values() for chunk in await self._release(choice)],
            *counts,
        ]

    async def end(self) -> list[Chunk]:
        """The chunks that leave at the end.

        Raises:
            ApiError: a text cannot be checked.
        """
        for choice in self._choices.values():
            choice.finish()
        return await self.feed([])

    async def _release(self, choice: _Choice) -> list[Chunk]:
        released: list[Chunk] = []
        try:
            while choice.runs:
                run = choice.runs[0]
                released += run.take_without_text()
                is_due = self._window is not None and run.size - run.checked >= self._window
                if not (run.ended or is_due):
                    break
                if run.size:
                    await self._pass(choice, run)
                released += choice.take(None if run.ended else self._overlap, self._overlap)
                if not run.ended:
                    break
        except ContentFilterError as error:
            self.cause = error.cause
            released += choice.block(error.message)
        return released

    async def _pass(self, choice: _Choice, run: _Run) -> None:
        """Check the text of a run, and replace it if needed."""
        before, text = choice.sent.get(run.channel, ""), run.text
        passed = await self._check(before + text)
        if not passed.startswith(before):
            raise ContentFilterError(cause="guard: replaces a text that has left")
        if passed != before + text:
            self.replaced = True
            run.replace(passed[len(before) :], 0 if run.ended else self._overlap)
        run.checked = run.size


class _Choice:
    """One choice of a response.

    Attributes:
        runs: what has not left.
        sent: the last characters that have left of channels whose text was interrupted.
    """

    def __init__(self) -> None:
        self.runs: deque[_Run] = deque()
        self.sent: dict[Channel | None, str] = {}
        self._is_blocked = False
        self._has_role = False
        self._last: Chunk = {}

    def add(self, chunk: Chunk, choice: dict[str, Any]) -> bool:
        """Add what a chunk has of this choice; False if nothing of the choice leaves any more."""
        if self._is_blocked:
            return False
        for piece in _pieces(chunk, choice):
            run = self.runs[-1] if self.runs else None
            if run is None or run.ended or (run.channel and piece.channel not in (None, run.channel)):
                self.finish()
                self.runs.append(_Run())
            self.runs[-1].add(piece)
        self._last = {**chunk, "choices": [choice]}
        return True

    def finish(self) -> None:
        """No more text follows in the last run."""
        if self.runs:
            self.runs[-1].ended = True

    def take(self, keep: int | None, context: int) -> list[Chunk]:
        """The beginning of the first run, which is checked, up to the characters that stay.

        Args:
            keep: number of characters that stay; None: the run has ended.
            context: number of characters to remember of a run that has ended.
        """
        run = self.runs[0]
        if keep is None:
            text = self.sent.get(run.channel, "") + run.text
            self.sent[run.channel] = text[max(0, len(text) - context) :]
            self.runs.popleft()
            return run.take(0)
        chunks = run.take(keep)
        if chunks:
            # The run itself has the characters before those to come.
            self.sent.pop(run.channel, None)
        return chunks

    def block(self, message: str) -> list[Chunk]:
        """The chunk that ends the choice, and the token counts of those that do not leave."""
        held = [piece.chunk for run in self.runs for piece in run.pieces]
        self.runs.clear()
        self._is_blocked = True
        (choice,) = self._last["choices"]
        end: dict[str, Any] = {"text": ""} if "text" in choice else {"delta": {"refusal": message}}
        end |= {"index": choice["index"], "logprobs": None, "finish_reason": "content_filter"}
        counts = [{**chunk, "choices": []} for chunk in held if chunk["usage"]]
        return [{**self._last, "choices": [end], "usage": None}, *counts]


class _Run:
    """Text of one channel, in pieces, the first of which have left.

    Attributes:
        channel: theirs; None before the first text.
        pieces: those that have not left.
        size: length of their text.
        checked: length of its beginning that was checked.
        ended: whether another text follows, or the end.
    """

    def __init__(self) -> None:
        self.channel: Channel | None = None
        self.pieces: deque[_Piece] = deque()
        self.size = 0
        self.checked = 0
        self.ended = False

    @property
    def text(self) -> str:
        """Their text."""
        return "".join(piece.text for piece in self.pieces)

    def add(self, piece: _Piece) -> None:
        """Append a piece."""
        self.channel = self.channel or piece.channel
        self.pieces.append(piece)
        self.size += len(piece.text)
        self.ended = piece.is_last

    def take_without_text(self) -> list[Chunk]:
        """The first pieces that have no text, such as the role or the name of a tool."""
        chunks = []
        while self.pieces and not self.pieces[0].text:
            chunks.append(self.pieces.popleft().chunk)
        return chunks

    def take(self, keep: int) -> list[Chunk]:
        """The first pieces, up to the characters that stay."""
        chunks = []
        while self.pieces and self.size - len(self.pieces[0].text) >= keep:
            piece = self.pieces.popleft()
            self.size -= len(piece.text)
            self.checked -= len(piece.text)
            chunks.append(piece.chunk)
        return chunks

    def replace(self, text: str, keep: int) -> None:
        """Replace the text by two pieces, the second of which has the characters that stay."""
        cut = max(0, len(text) - keep)
        first = next(piece for piece in self.pieces if piece.text)
        self.pieces = deque([first.replaced(text[:cut]), first.continued(text[cut:], self.pieces[-1].chunk)])
        self.size = len(text)


@dataclass
class _Piece:
    """A chunk of one choice with a text in one place, or without text.

    Attributes:
        chunk: its choice has no other text.
        channel: where the text is; None if there is none.
        text: the text.
    """

    chunk: Chunk
    channel: Channel | None
    text: str

    @property
    def is_last(self) -> bool:
        """Whether the choice ends with it."""
        return self.chunk["choices"][0]["finish_reason"] is not None

    def replaced(self, text: str) -> _Piece:
        """The piece with another text; another piece follows."""
        (choice,) = self.chunk["choices"]
        new = self._with(text)
        if "delta" in choice:
            others = {name: value for name, value in choice["delta"].items() if name not in new["delta"]}
            if "tool_calls" in new["delta"]:
                (call,), (part,) = choice["delta"]["tool_calls"], new["delta"]["tool_calls"]
                part |= {**call, "function": {**call["function"], **part["function"]}}
            new["delta"] |= others
        return _Piece({**self.chunk, "choices": [new], "usage": None}, self.channel, text)

    def continued(self, text: str, last: Chunk) -> _Piece:
        """The piece that follows it, in place of the last chunk."""
        finish_reason = last["choices"][0]["finish_reason"]
        choice = {**self._with(text), "finish_reason": finish_reason}
        return _Piece({**last, "choices": [choice]}, self.channel, text)

    def _with(self, text: str) -> dict[str, Any]:
        """A choice with nothing but a text in the same place."""
        (choice,) = self.chunk["choices"]
        name, index = self.channel or ("", 0)
        shared = {"index": choice["index"], "logprobs": None, "finish_reason": None}
        if name == "text":
            return {"text": text, **shared}
        if name == "tool_calls":
            delta: dict[str, Any] = {name: [{"index": index, "function": {"arguments": text}}]}
        elif name == "reasoning":
            delta = dict.fromkeys([member for member in _REASONING if member in choice["delta"]], text)
        elif isinstance(choice["delta"][name], str):
            delta = {name: text}
        else:
            raise ContentFilterError(cause=f"guard: {name!r} of a response cannot be replaced")
        return {"delta": delta, **shared}


def _pieces(chunk: Chunk, choice: dict[str, Any]) -> Iterator[_Piece]:
    """A chunk of one choice, split if it has several texts."""
    # Probabilities name the tokens, and others that were possible.
    choice = {**choice, "logprobs": None}
    if "text" in choice:
        yield _Piece({**chunk, "choices": [choice]}, ("text", 0), choice["text"])
        return
    parts = list(_parts(choice["delta"]))
    for number, (delta, channel, text) in enumerate(parts, 1):
        is_end = number == len(parts)
        part = {**choice, "delta": delta, "finish_reason": choice["finish_reason"] if is_end else None}
        yield _Piece({**chunk, "choices": [part], "usage": chunk["usage"] if is_end else None}, channel, text)


def _parts(delta: dict[str, Any]) -> Iterator[tuple[dict[str, Any], Channel | None, str]]:
    """The texts of a delta: reasoning, content and other members, tool calls. The first has the role."""
    rest = {name: value for name, value in delta.items() if name == "role" or not value}
    parts: list[tuple[dict[str, Any], Channel, str]] = []
    reasoning = [name for name in _REASONING if delta.get(name)]
    if reasoning:
        text = delta[reasoning[0]]
        parts.append((dict.fromkeys(reasoning, text), ("reasoning", 0), text))
    for name, value in delta.items():
        if value and name not in ("role", "tool_calls", *_REASONING):
            parts.append(({name: value}, (name, 0), value if isinstance(value, str) else json.dumps(value)))
    for position, call in enumerate(delta.get("tool_calls") or ()):
        text = (call.get("function") or {}).get("arguments") or ""
        parts.append(({"tool_calls": [call]}, ("tool_calls", call.get("index", position)), text))
    if not parts:
        yield rest, None, ""
    for number, (part, channel, text) in enumerate(parts):
        yield ({**part, **rest} if number == 0 else part), channel, text
