"""Replies of models: completions, streams and embeddings, as far as the smoke test checks them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field

from toolkit import documents
from toolkit.smoke.results import FailedError, Task

# Temperature 0: the result must not depend on chance. Few tokens: each layer generates them again.
PROMPT = {
    "messages": [{"role": "user", "content": "Count from one to five."}],
    "max_tokens": 16,
    "temperature": 0,
}
TEXT = "A lighthouse and its keeper."


@dataclass(frozen=True)
class _Message:
    """A message, or a part of it; a reasoning model may spend all tokens on reasoning."""

    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[Any] | None = None

    @property
    def text(self) -> str:
        return self.content or self.reasoning_content or self.reasoning or ("…" if self.tool_calls else "")


@dataclass(frozen=True)
class _Choice:
    message: _Message


@dataclass(frozen=True)
class Completion:
    """A chat completion."""

    choices: Annotated[tuple[_Choice, ...], Field(min_length=1)]
    model: str | None = None


@dataclass(frozen=True)
class _Error:
    message: str = "no message"


@dataclass(frozen=True)
class _Delta:
    delta: _Message = field(default_factory=_Message)
    finish_reason: str | None = None


@dataclass(frozen=True)
class Chunk:
    """An event of a stream: an error, or a part of the completion."""

    error: _Error | str | None = None
    choices: tuple[_Delta, ...] = ()


@dataclass(frozen=True)
class _Embedding:
    embedding: Annotated[list[float], Field(min_length=1)]


@dataclass(frozen=True)
class Embeddings:
    """Embeddings in the order of their texts."""

    data: Annotated[tuple[_Embedding, ...], Field(min_length=1)]
    model: str | None = None

    @property
    def vectors(self) -> list[list[float]]:
        """The numbers."""
        return [item.embedding for item in self.data]


# As Text Embeddings Inference responds.
Vectors = Annotated[list[Annotated[list[float], Field(min_length=1)]], Field(min_length=1)]


@dataclass(frozen=True)
class _Score:
    index: int
    relevance_score: float


@dataclass(frozen=True)
class _Rank:
    """The relevance of a document, as Text Embeddings Inference responds."""

    index: int
    score: float


Ranks = list[_Rank]


@dataclass(frozen=True)
class Ranking:
    """Documents with their relevance to a query."""

    results: Annotated[tuple[_Score, ...], Field(min_length=1)]
    model: str | None = None


@dataclass(frozen=True)
class Reply:
    """A valid reply.

    Attributes:
        text: its content, shortened.
        model: the model that it names.
    """

    text: str
    model: str | None = None


def completion(body: bytes) -> Reply:
    """Read a chat completion.

    Raises:
        FailedError: it is not one, or the text is empty.
    """
    response = _parse(body, Completion, "a chat completion")
    line = " ".join(response.choices[0].message.text.split())
    if not line:
        raise FailedError(
            "the response is empty", "the model generates no text: check its weights and options"
        )
    return Reply(f'"{line[:57]}…"' if len(line) > 60 else f'"{line}"', response.model)


def embedding(body: bytes) -> Reply:
    """Read an embedding, as OpenAI's API or Text Embeddings Inference responds.

    Raises:
        FailedError: it is not one, or it is zero.
    """
    if body.lstrip().startswith(b"["):
        response = Embeddings((_Embedding(_parse(body, Vectors, "a vector")[0]),))
    else:
        response = _parse(body, Embeddings, "an embedding")
    vector = response.data[0].embedding
    if not any(vector):
        raise FailedError("all numbers of the embedding are zero", "the model's weights are not loaded")
    return Reply(f"{len(vector)} dimensions", response.model)


def ranking(body: bytes) -> Reply:
    """Read the relevance of documents, as Jina's API or Text Embeddings Inference responds.

    Raises:
        FailedError: it is not that of each document.
    """
    model, scores = None, tuple[_Score | _Rank, ...]()
    if body.lstrip().startswith(b"["):
        scores = tuple(_parse(body, Ranks, "a ranking"))
    else:
        response = _parse(body, Ranking, "a ranking")
        model, scores = response.model, response.results
    if sorted(score.index for score in scores) != [0, 1]:
        raise FailedError("the ranking does not have both documents", "the engine's API differs")
    return Reply(f"{len(scores)} scores", model)


READERS: Mapping[Task, Callable[[bytes], Reply]] = {
    "text": completion,
    "embedding": embedding,
    "ranking": ranking,
}
# Requests to the API, without the model; OpenAI-compatible engines accept the same.
REQUESTS: Mapping[Task, Mapping[str, object]] = {
    "text": PROMPT,
    "embedding": {"input": TEXT},
    "ranking": {"query": "lighthouse", "documents": [TEXT, "A bakery."]},
}


@dataclass
class Stream:
    """A streamed completion as it arrives: server-sent events, or JSON lines of some engines.

    Created right before the request.

    Attributes:
        chunks: number of parts of the completion.
        text: the text so far.
        finished: whether a part named the reason of the end.
        done: whether the mark of the end has arrived.
        first: seconds from the request to the first part.
    """

    chunks: int = 0
    text: str = ""
    finished: bool = False
    done: bool = False
    first: float = 0.0
    _started: float = field(default_factory=time.perf_counter)
    _rest: bytes = b""

    def read(self, parts: Iterable[bytes]) -> None:
        """Read a stream to its end, split anywhere.

        Raises:
            FailedError: an event is an error, or not a chunk.
        """
        for part in parts:
            *lines, self._rest = (self._rest + part).split(b"\n")
            for line in lines:
                self._add(line.strip())
        self._add(self._rest.strip())

    def _add(self, line: bytes) -> None:
        is_event = line.startswith((b"data:", b"error:"))
        if not is_event and not line.startswith(b"{"):
            return
        data = line.partition(b":")[2].strip() if is_event else line
        if data == b"[DONE]":
            self.done = True
            return
        chunk = read_chunk(data)
        # The last one may have token counts only.
        self.chunks += bool(chunk.choices)
        self.first = self.first or time.perf_counter() - self._started
        for choice in chunk.choices:
            self.text += choice.delta.text
            self.finished = self.finished or choice.finish_reason is not None

    def describe(self, least: int = 2) -> str:
        """The observation of a complete stream.

        Args:
            least: the smallest number of chunks of a stream that is not buffered.

        Raises:
            FailedError: it arrived at once, or has no text.
        """
        if self.chunks < least:
            raise FailedError(
                f"the response was not streamed: it arrived in {self.chunks} chunk(s)",
                "a server, proxy or integration buffers the response",
            )
        if not self.text.strip():
            raise FailedError(f"{self.chunks} chunks, without any text", "the model generates no text")
        count = "1 chunk" if self.chunks == 1 else f"{self.chunks} chunks"
        return f"{count}, the first after {self.first * 1000:.0f} ms"


def read_chunk(data: bytes) -> Chunk:
    """Read the data of an event of a stream.

    Raises:
        FailedError: it is an error, or not a chunk.
    """
    chunk: Chunk = _parse(data, Chunk, "a completion chunk")
    if chunk.error is not None:
        message = chunk.error if isinstance(chunk.error, str) else chunk.error.message
        raise FailedError(
            f"error in the stream: {message[:300]}", "the model's server fails during its response"
        )
    return chunk


def truncated(stream: Stream, end: str) -> FailedError:
    """The failure of a stream that ended early.

    Args:
        stream: the stream.
        end: what is missing.
    """
    return FailedError(
        f"the stream ended after {stream.chunks} chunks without {end}",
        "the model's server, the gateway function or a proxy ended the stream early",
    )


def _parse(body: bytes, kind: Any, description: str) -> Any:
    try:
        return documents.parse(body, kind)
    except documents.DamagedError as damage:
        start = body[:200].decode(errors="replace")
        cause = "another program responds, or the engine's API differs"
        raise FailedError(f"not {description}: {damage}: {start}", cause) from None
