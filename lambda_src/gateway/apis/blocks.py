"""The parts of a response in the order in which the model began them: reasoning, text, tool calls."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from gateway.chunks import Chunk
from gateway.errors import ModelError

Kind = Literal["reasoning", "text", "call"]
# A block starts, gets a piece of text, or is complete.
Step = tuple[Literal["start", "delta", "end"], "Block", str]
# Engines name the member differently.
_REASONING: Final = ("reasoning_content", "reasoning")


@dataclass
class Block:
    """One part of a response.

    Attributes:
        kind: of the part.
        index: its position in the response.
        text: the reasoning, the text, or the arguments of the call as JSON, as far as they have arrived.
        id: of the call.
        name: of the called tool.
    """

    kind: Kind
    index: int
    text: str = ""
    id: str = ""
    name: str = ""

    def arguments(self, *, complete: bool) -> dict[str, Any]:
        """The arguments of the call; empty if the length of the response cut them off.

        Args:
            complete: whether the model has finished the response.

        Raises:
            ModelError: they are complete, but not a JSON object.
        """
        try:
            arguments = json.loads(self.text or "{}")
        except (ValueError, RecursionError):
            arguments = None
        if isinstance(arguments, dict):
            return arguments
        if complete:
            raise ModelError("The model called a tool with arguments that are not a JSON object.")
        return {}


class Blocks:
    """The blocks of a response with one choice, collected from its chunks.

    Attributes:
        blocks: those that have started.
        finish_reason: the engine's, once it has sent it.
        usage: the engine's token counts, likewise.
    """

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.finish_reason: str | None = None
        self.usage: dict[str, Any] = {}
        self._open: Block | None = None
        self._calls: dict[int, Block] = {}

    def feed(self, chunk: Chunk) -> Iterator[Step]:
        """The steps that a chunk brings."""
        self.usage = chunk.get("usage") or self.usage
        for choice in chunk["choices"]:
            delta = choice["delta"]
            for name in _REASONING:
                yield from self._text("reasoning", delta.get(name))
            yield from self._text("text", delta.get("content"))
            for call in delta.get("tool_calls") or ():
                yield from self._call(call)
            self.finish_reason = choice["finish_reason"] or self.finish_reason

    def end(self) -> Iterator[Step]:
        """The steps at the end of the response; an empty one has a text without characters."""
        if not self.blocks:
            yield from self._start(Block("text", 0))
        yield from self._close()
        for block in self._calls.values():
            yield "end", block, ""

    def _text(self, kind: Kind, text: object) -> Iterator[Step]:
        if not isinstance(text, str) or not text:
            return
        if self._open is None or self._open.kind != kind:
            yield from self._close()
            yield from self._start(Block(kind, len(self.blocks)))
        if self._open is not None:
            self._open.text += text
            yield "delta", self._open, text

    def _call(self, part: dict[str, Any]) -> Iterator[Step]:
        index, function = part.get("index", 0), part.get("function") or {}
        block = self._calls.get(index)
        if block is None:
            yield from self._close()
            position = len(self.blocks)
            block = Block(
                "call", position, "", part.get("id") or f"call_{position}", function.get("name") or ""
            )
            self.blocks.append(block)
            self._calls[index] = block
            yield "start", block, ""
        if arguments := function.get("arguments"):
            block.text += arguments
            yield "delta", block, arguments

    def _start(self, block: Block) -> Iterator[Step]:
        self.blocks.append(block)
        self._open = block
        yield "start", block, ""

    def _close(self) -> Iterator[Step]:
        if self._open is not None:
            yield "end", self._open, ""
            self._open = None
