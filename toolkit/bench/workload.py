"""The prompts of a benchmark: synthetic text of a number of tokens, or a data set."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from toolkit import documents
from toolkit.errors import InputError
from toolkit.files import require_file

# Common words, which tokenizers have as one token with the space before them.
_TEXT: Final = """
    time year people way day man thing woman life child world school state family student group country home
    problem hand part place case week company system program question work government number night point water
    room mother area money story fact month lot right study book eye job word business issue side kind head
    house service friend father power hour game line end member law car city community name team minute idea
    parent face level office door health person art war history party result change morning reason research
    moment air teacher force education good new first last long great little own other old big high small
    next early young few public bad same able walk read write open close move live hold bring happen set learn
    lead watch follow stop create speak allow add spend grow offer remember love consider appear buy wait
"""
_WORDS: Final = tuple(_TEXT.split())
_LENGTH: Final = re.compile(r"(?P<a>[0-9]{1,7})(?:(?P<kind>[-:])(?P<b>[0-9]{1,7}))?")


@dataclass(frozen=True)
class Lengths:
    """Numbers of tokens: one, uniformly distributed ones, or normally distributed ones.

    Attributes:
        text: as the user wrote it.
        low: the number, the smallest number, or the mean.
        high: the largest number of a uniform distribution.
        deviation: the standard deviation of a normal distribution.
    """

    text: str
    low: int
    high: int | None = None
    deviation: int | None = None

    @classmethod
    def parse(cls, text: str, option: str) -> Lengths:
        """Read `512`, `100-1000` (uniform) or `512:64` (normal: mean and standard deviation).

        Raises:
            InputError: it is none of these.
        """
        match = _LENGTH.fullmatch(text)
        low = int(match["a"]) if match else 0
        second = int(match["b"]) if match and match["b"] else None
        is_range = match is not None and match["kind"] == "-"
        if match is None or low < 1 or (is_range and second is not None and second < low):
            raise InputError(
                f"{option}: {text!r} is not a number of tokens",
                remedy="use a number (512), a range (100-1000), or mean and standard deviation (512:64)",
            )
        return cls(text, low, second if is_range else None, None if is_range else second)

    @property
    def mean(self) -> float:
        """The mean."""
        return (self.low + self.high) / 2 if self.high is not None else self.low

    def sample(self, generator: random.Random) -> int:
        """The next number."""
        if self.high is not None:
            return generator.randint(self.low, self.high)
        if self.deviation is not None:
            return max(1, round(generator.gauss(self.low, self.deviation)))
        return self.low


@dataclass(frozen=True)
class Conversation:
    """The user's part of a conversation.

    Attributes:
        opening: messages before the first prompt.
        prompts: the user's messages, each sent with the responses to those before it.
        output_tokens: length of each response.
    """

    opening: tuple[Mapping[str, Any], ...]
    prompts: tuple[Mapping[str, Any], ...]
    output_tokens: tuple[int, ...]


class Workload(Protocol):
    """A source of conversations."""

    def conversation(self, number: int) -> Conversation:
        """The conversation with a number; the same for the same number."""


class NoWorkload:
    """For a runner that only sends single requests."""

    def conversation(self, number: int) -> Conversation:
        raise NotImplementedError(number)


@dataclass(frozen=True)
class Ratio:
    """Tokens of a prompt by its number of words, as the server counts them.

    Attributes:
        base: tokens of the chat template.
        per_word: tokens of each word.
    """

    base: float
    per_word: float

    @classmethod
    def of(cls, few: tuple[int, int], many: tuple[int, int]) -> Ratio:
        """The ratio from two prompts: numbers of words and tokens of each.

        Raises:
            InputError: the server does not count tokens of longer prompts.
        """
        if many[1] <= few[1]:
            raise InputError(
                f"cannot create prompts by token count: the server counts {few[1]} tokens for {few[0]} words "
                f"and {many[1]} for {many[0]}",
                remedy="use a data set: --dataset FILE",
            )
        per_word = (many[1] - few[1]) / (many[0] - few[0])
        return cls(few[1] - few[0] * per_word, per_word)

    def words(self, tokens: float, *, first: bool = True) -> int:
        """The number of words of a prompt with this number of tokens, at least one.

        Args:
            tokens: the aim.
            first: whether the chat template counts, too.
        """
        return max(1, round((tokens - (self.base if first else 0)) / self.per_word))


@dataclass(frozen=True)
class Synthetic:
    """Random words.

    Args:
        input_tokens: length of each prompt, with the chat template.
        output_tokens: length of each response.
        ratio: tokens by words.
        seed: the same seed yields the same lengths and words.
        turns: prompts of a conversation.
        shared_prefix_tokens: tokens at the beginning of all prompts that are the same.
        distinct: number of different conversations, after which they repeat; 0 if none repeats.
        run: distinguishes the prompts of one run from those of others, which the server may have cached.
    """

    input_tokens: Lengths
    output_tokens: Lengths
    ratio: Ratio
    seed: int = 0
    turns: int = 1
    shared_prefix_tokens: int = 0
    distinct: int = 0
    run: str = ""

    def conversation(self, number: int) -> Conversation:
        """The conversation with a number."""
        if self.distinct:
            number %= self.distinct
        # Lengths do not depend on the run, so that runs differ in their words only.
        lengths = random.Random(f"{self.seed}/{number}")  # noqa: S311 - not for secrets
        run = "" if self.distinct else self.run
        words = random.Random(f"{self.seed}/{number}/{run}")  # noqa: S311
        prompts, outputs = [], []
        for turn in range(self.turns):
            count = self.ratio.words(self.input_tokens.sample(lengths), first=turn == 0)
            outputs.append(self.output_tokens.sample(lengths))
            prompts.append(self._prompt(words, count, first=turn == 0))
        return Conversation((), tuple(prompts), tuple(outputs))

    def _prompt(self, generator: random.Random, count: int, *, first: bool) -> Mapping[str, str]:
        shared: list[str] = []
        if first and self.shared_prefix_tokens:
            prefix = random.Random(f"{self.seed}/prefix")  # noqa: S311
            shared = prefix.choices(_WORDS, k=self.ratio.words(self.shared_prefix_tokens, first=False))
        # The words differ from the first one on: a server that caches prefixes finds nothing.
        words = [*shared, *generator.choices(_WORDS, k=max(0, count - len(shared)))]
        return {"role": "user", "content": " ".join(words[:count])}


def sample_text(words: int, seed: str) -> str:
    """Random words, to measure the tokens of a word."""
    return " ".join(random.Random(seed).choices(_WORDS, k=words))  # noqa: S311


@dataclass(frozen=True)
class Dataset:
    """Conversations from a file, in their order; after the last one they repeat.

    Args:
        conversations: with responses of any length.
        output_tokens: length of each response, unless its record has `output_tokens`.
        seed: of the lengths.
    """

    conversations: Sequence[Conversation]
    output_tokens: Lengths
    seed: int = 0

    def conversation(self, number: int) -> Conversation:
        """The conversation with a number."""
        record = self.conversations[number % len(self.conversations)]
        lengths = random.Random(f"{self.seed}/{number}")  # noqa: S311
        outputs = (own or self.output_tokens.sample(lengths) for own in record.output_tokens)
        return Conversation(record.opening, record.prompts, tuple(outputs))


@dataclass(frozen=True)
class _Record:
    prompt: str | None = None
    messages: list[dict[str, Any]] | None = None
    conversations: list[dict[str, Any]] | None = None
    output_tokens: int | None = None


def read_dataset(path: Path, turns: int = 1) -> list[Conversation]:
    """Read conversations: JSON Lines or a list, with `prompt`, `messages` or ShareGPT's `conversations`.

    Args:
        path: the file.
        turns: the most prompts of a conversation.

    Raises:
        InputError: the file is missing, damaged or has no prompt.
    """
    error = InputError("not a data set", where=str(path), remedy=_SHAPES)
    require_file(path, "read the data set", str(path))
    content = documents.load(path)
    try:
        conversations = [
            conversation
            for line, record in _records(documents.decode(content))
            for conversation in _conversation(record, line, turns)
        ]
    except documents.DamagedError as damage:
        error.details = (str(damage),)
        raise error from None
    if not conversations:
        raise InputError("the data set has no prompt", where=str(path), remedy=_SHAPES)
    return conversations


_SHAPES: Final = 'write one object per line: {"prompt": "…"}, {"messages": […]} or {"conversations": […]}'
_HUMANS: Final = ("human", "user")


def _records(text: str) -> Iterator[tuple[int, _Record]]:
    if text.lstrip().startswith("["):
        for number, record in enumerate(documents.parse(text, list[_Record]), 1):
            yield number, record
        return
    # `splitlines` would also split texts, at U+2028 for example.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield number, documents.parse(line, _Record)
            except documents.DamagedError as damage:
                raise documents.DamagedError(damage.reason, number) from None


def _conversation(record: _Record, number: int, turns: int) -> Iterator[Conversation]:
    """The conversation of a record; none if no user speaks in it, as in some of ShareGPT."""
    if record.prompt is not None:
        messages: list[dict[str, Any]] = [{"role": "user", "content": record.prompt}]
    elif record.messages is not None:
        messages = record.messages
    elif record.conversations is not None:
        messages = [
            {
                "role": "user" if message.get("from") in _HUMANS else "assistant",
                "content": message.get("value", ""),
            }
            for message in record.conversations
        ]
        # ShareGPT's conversations begin with a human, apart from a few.
        messages = messages[:1] if turns == 1 and messages and messages[0]["role"] == "user" else messages
    else:
        raise documents.DamagedError("has neither prompt nor messages nor conversations", number)
    users = [index for index, message in enumerate(messages) if message.get("role") == "user"]
    if not users:
        return
    if turns == 1:
        opening, prompts = messages[: users[-1]], [messages[users[-1]]]
    else:
        opening = [message for message in messages[: users[0]] if message.get("role") != "assistant"]
        prompts = [messages[index] for index in users[:turns]]
    outputs = (record.output_tokens or 0,) * len(prompts)
    yield Conversation(tuple(opening), tuple(prompts), outputs)
