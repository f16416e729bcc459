"""The sections `expectations` and `objectives` of a model: its answers, and its latency.

The smoke test and rollouts judge them. Terraform does not use them: a change of them plans nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn, Self

from pydantic import BeforeValidator, Field, model_validator

from toolkit.environment.base import Checked, ConfigModel, Invalid, matching

if TYPE_CHECKING:
    import jsonschema_rs

# Members of requests that other keys set, or on which reading the response depends.
_OWN_MEMBERS = (
    "model",
    "messages",
    "input",
    "max_tokens",
    "temperature",
    "response_format",
    "tools",
    "stream",
)
# Of ISO 639-1, as far as py3langid knows them; its others are dialects, hard to tell from their languages.
# fmt: off
LANGUAGES = (
    "af", "am", "an", "ar", "as", "az", "ba", "be", "bg", "bn", "br", "bs", "ca", "cs", "cy", "da", "de",
    "dz", "el", "en", "eo", "es", "et", "eu", "fa", "fi", "fo", "fr", "fy", "ga", "gd", "gl", "gu", "ha",
    "he", "hi", "hr", "ht", "hu", "hy", "id", "ig", "is", "it", "ja", "jv", "ka", "kk", "km", "kn", "ko",
    "ku", "ky", "la", "lb", "lg", "ln", "lo", "lt", "lv", "mg", "mk", "ml", "mn", "mr", "ms", "mt", "my",
    "ne", "nl", "nn", "no", "oc", "om", "or", "pa", "pl", "ps", "pt", "qu", "ro", "ru", "rw", "sa", "se",
    "si", "sk", "sl", "sn", "so", "sq", "sr", "st", "sv", "sw", "ta", "te", "tg", "th", "tk", "tl", "tr",
    "tt", "ug", "uk", "ur", "uz", "vi", "vo", "wa", "xh", "yo", "zh", "zu",
)
# fmt: on
_CHAT_KEYS = (
    "contains",
    "regex",
    "json_schema",
    "min_tokens",
    "refusal",
    "language",
    "golden",
    "tool_call",
)
_EMBEDDING_KEYS = ("dimensions", "closer")
_REQUEST_KEYS = ("prompt", "messages", "input", "closer")
_MAX_TOKENS = 256
Task = Literal["text", "embedding"]


def _plain(value: Any) -> Any:
    """JSON values have lists; the document has tuples."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def validator(schema: dict[str, Any]) -> jsonschema_rs.Validator:
    """A validator of a JSON Schema, which takes bounded time: the engine of its patterns limits backtracking.

    Raises:
        jsonschema_rs.ValidationError: the schema is not valid, or refers to another document.
    """
    import jsonschema_rs

    def refuse(uri: str) -> NoReturn:
        raise ValueError(f"other documents such as {uri} are not read")

    return jsonschema_rs.validator_for(schema, retriever=refuse)


def _check_regex(value: str) -> Invalid | None:
    reason = _schema_error({"pattern": value})
    return (
        None
        if reason is None
        else Invalid(f"{value!r} is not a regular expression", "correct it, or escape characters")
    )


def _check_language(value: str) -> Invalid | None:
    return (
        None if value in LANGUAGES else Invalid(f"unknown language {value!r}", "use a code such as de or zh")
    )


def _check_schema(value: dict[str, Any]) -> Invalid | None:
    reason = _schema_error(value)
    return None if reason is None else Invalid(f"not a JSON Schema: {reason}", "correct it")


def _schema_error(schema: dict[str, Any]) -> str | None:
    import jsonschema_rs

    try:
        validator(schema)
    except (jsonschema_rs.ValidationError, ValueError) as error:
        return str(error).splitlines()[0]
    return None


def _check_members(value: dict[str, Any]) -> Invalid | None:
    own = next((key for key in _OWN_MEMBERS if key in value), None)
    if own is None:
        return None
    return Invalid(f"{own} is not a further member of the request", "remove it; another key sets it")


JsonObject = Annotated[dict[str, Any], BeforeValidator(_plain)]
Text = Annotated[str, Field(min_length=1, max_length=100_000)]


class Message(ConfigModel):
    """A message of a chat."""

    role: Literal["system", "user", "assistant"]
    """Role of its author."""
    content: Text
    """Its text."""


class Golden(ConfigModel):
    """A golden answer, generated at temperature 0."""

    text: Text = Field(examples=["The capital of France is Paris."])
    """The text."""
    similarity: float = Field(default=0.9, gt=0, le=1)
    """Least similarity of the answer, from 0 to 1, which is equal: twice the number of matching characters
    divided by the length of both texts, as `difflib.SequenceMatcher.ratio` of Python."""


class ToolCall(ConfigModel):
    """A call of a tool that the model must request."""

    name: Text = Field(examples=["get_weather"])
    """Name of the function."""
    arguments: JsonObject = Field(default={})
    """Arguments with their values; the call may have others."""


class Closer(ConfigModel):
    """Three texts, of which the first two are closer in meaning: their embeddings have the larger cosine."""

    text: Text = Field(examples=["a cat"])
    """The text."""
    to: Text = Field(examples=["a kitten"])
    """The text to which it must be closer."""
    than: Text = Field(examples=["the stock market"])
    """The text from which it must be farther."""


class Expectation(ConfigModel):
    """A request, and the properties of the answer, of which all must hold."""

    name: Annotated[str, matching(r"[^\s\x00-\x1f](.{0,98}[^\s])?", "use a name of up to 100 characters")] = (
        Field(examples=["capital"])
    )
    """Name, unique in the model."""
    prompt: Text | None = Field(default=None, examples=["What is the capital of France?"])
    """Message of a user; or `messages`, `input` or `closer`."""
    messages: Annotated[tuple[Message, ...], Field(min_length=1)] | None = None
    """Messages of a chat, instead of `prompt`."""
    input: Text | None = None
    """Text to embed."""
    prompts: (
        Annotated[str, matching(r"[^\x00]+", "use the path of a file, relative to the project")] | None
    ) = Field(default=None, examples=["prompts/german.jsonl"])
    """File of expectations, relative to the project: JSON Lines, with one mapping such as this a line. The
    other keys of the entry are their defaults; a line without a name has that of the entry and its number."""
    contains: tuple[Text, ...] = ()
    """Texts in the answer, in any order; upper and lower case differ."""
    regex: Annotated[str, Checked(_check_regex)] | None = Field(default=None, examples=["(?i)paris"])
    """Regular expression that matches a part of the answer, as `pattern` of JSON Schema; `(?i)` ignores
    case."""
    json_schema: Annotated[JsonObject, Checked(_check_schema)] | None = None
    """JSON Schema of the answer, which is also sent as `response_format`. References to other documents are
    not resolved."""
    min_tokens: int | None = Field(default=None, ge=1)
    """Least number of tokens of the answer, as the server counts them."""
    refusal: bool | None = None
    """Whether the model must refuse to answer, or must not."""
    language: Annotated[str, Checked(_check_language, {"enum": list(LANGUAGES)})] | None = Field(
        default=None, examples=["de"]
    )
    """Language of the answer, ISO 639-1. It needs a sentence to be recognized."""
    golden: Golden | None = None
    """Golden answer, which the answer must resemble."""
    tools: tuple[JsonObject, ...] = ()
    """Tools that the model may call, as in the API."""
    tool_call: ToolCall | None = None
    """Call of a tool that the model must request."""
    dimensions: int | None = Field(default=None, ge=1, examples=[768])
    """Number of dimensions of the embedding."""
    closer: Closer | None = None
    """Texts of which two are closer in meaning."""
    max_tokens: int | None = Field(default=None, ge=1)
    """Most tokens of the answer; by default 256, or the ceiling of the model if that is lower."""
    temperature: float = Field(default=0, ge=0, le=2)
    """Temperature of the request."""
    request: Annotated[JsonObject, Checked(_check_members)] = Field(default={})
    """Further members of the request, such as `seed`."""
    attempts: int = Field(default=1, ge=1, le=20)
    """Number of times that the model is asked, until the result is certain."""
    passes: int = Field(default=1, ge=1, le=20)
    """Number of attempts that must pass, such as 2 of 3."""

    @property
    def request_key(self) -> str | None:
        """The key that sets the request; None if a file does."""
        return next((key for key in _REQUEST_KEYS if getattr(self, key) is not None), None)

    def most_tokens(self, ceiling: int | None) -> int:
        """The most tokens of the answer.

        Args:
            ceiling: the most that a client may request; None if there is no limit.
        """
        return self.max_tokens or min(_MAX_TOKENS, ceiling or _MAX_TOKENS)

    @property
    def task(self) -> Task:
        """The task that the model must have."""
        return "embedding" if self.input is not None or self.closer is not None else "text"

    @model_validator(mode="after")
    def _complete(self) -> Self:
        requests = [key for key in _REQUEST_KEYS if getattr(self, key) is not None]
        properties = [key for key in (*_CHAT_KEYS, *_EMBEDDING_KEYS) if getattr(self, key) not in (None, ())]
        foreign = _EMBEDDING_KEYS if self.task == "text" else _CHAT_KEYS
        misplaced = next((key for key in properties if key in foreign), None)
        invalid = None
        if self.prompts is not None:
            if requests:
                invalid = Invalid(f"prompts and {requests[0]} exclude each other", "keep one of them")
        elif not requests:
            invalid = Invalid(
                "the expectation asks nothing", "set prompt, messages, input, closer or prompts"
            )
        elif len(requests) > 1:
            invalid = Invalid(f"{' and '.join(requests)} exclude each other", "keep one of them")
        elif misplaced is not None:
            needed = "input" if self.task == "text" else "prompt"
            invalid = Invalid(f"{misplaced} does not apply to {requests[0]}", f"use {needed} with it")
        elif not properties:
            keys = _CHAT_KEYS if self.task == "text" else _EMBEDDING_KEYS
            invalid = Invalid("the expectation expects nothing", f"set one of {', '.join(keys)}")
        elif self.golden is not None and self.temperature:
            invalid = Invalid(
                f"a golden answer at temperature {self.temperature:g} varies", "remove temperature"
            )
        elif self.tool_call is not None and not self.tools:
            invalid = Invalid("tool_call without tools", "add the tools that the model may call")
        elif self.passes > self.attempts:
            invalid = Invalid(
                f"passes {self.passes} is more than attempts {self.attempts}",
                "raise attempts or lower passes",
            )
        if invalid is not None:
            raise invalid.error()
        return self


Percentile = Annotated[float, Field(gt=0, lt=100)]
Milliseconds = Annotated[float, Field(gt=0, le=3_600_000)]


class Objectives(ConfigModel):
    """Objectives of the latency and the errors of the model, which the smoke test and benchmarks judge."""

    first_token_ms: Milliseconds | None = Field(default=None, examples=[500])
    """Time to first token: from sending the request to the first part of the stream with text."""
    inter_token_ms: Milliseconds | None = Field(default=None, examples=[50])
    """Inter-token latency of a request: time from the first part of the stream to the last, divided by the
    number of parts less one."""
    total_ms: Milliseconds | None = Field(default=None, examples=[5000])
    """Time from sending the request to the end of the response."""
    error_percent: float | None = Field(default=None, ge=0, lt=100)
    """Share of failed requests in percent."""
    percentile: Percentile = 95
    """Percentile of the requests that must meet each time."""
    confidence_percent: Annotated[float, Field(ge=50, lt=100)] = 95
    """Confidence of the interval in which the percentile lies. An objective is exceeded only if the whole
    interval is above it."""
    requests: int = Field(default=75, ge=5, le=10_000)
    """Number of requests of the smoke test, one after the other. Fewer than 72 cannot confirm a 95th
    percentile at 95 % confidence."""
    warm_up: int = Field(default=2, ge=0, le=1000)
    """Number of requests before them, which do not count."""
    prompt: Text = "Describe a lighthouse in a few sentences."
    """Message of a user in each request; for embedding models, the text to embed, and for ranking models,
    the query."""
    max_tokens: int = Field(default=32, ge=2)
    """Most tokens of each response."""

    @property
    def limits(self) -> Mapping[str, float]:
        """The objectives that are set: times in milliseconds, errors in percent."""
        keys = ("first_token_ms", "inter_token_ms", "total_ms", "error_percent")
        return {key: getattr(self, key) for key in keys if getattr(self, key) is not None}

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if not self.limits:
            raise Invalid("no objective is set", "set first_token_ms, for example").error()
        return self
