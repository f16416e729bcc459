"""A chat with the models of a deployed environment: which models there are, and their responses."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Literal, Never

import httpx
from botocore.exceptions import BotoCoreError, ClientError

from toolkit import documents, keys
from toolkit.aws import errors as aws_errors
from toolkit.chat import completions
from toolkit.deployment.context import Context
from toolkit.deployment.outputs import Outputs
from toolkit.environment import Environment
from toolkit.errors import InputError, PreflightError, ToolkitError
from toolkit.keys.client import open_api

# Parts within a millisecond arrived together: their distance in time says nothing about the model.
_AT_ONCE: Final = 0.001
# Reasons to end that the user should know.
_ENDS: Final = {
    "length": "truncated at the maximum number of tokens",
    "content_filter": "blocked by the guard",
}


@dataclass(frozen=True)
class Message:
    """A message of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class Settings:
    """Settings of requests.

    Attributes:
        model: name or alias of the model.
        system: the system prompt; none if empty.
        temperature: by default the engine decides.
        max_tokens: length of a response in tokens; by default the environment file or the engine decides.
    """

    model: str
    system: str = ""
    temperature: float | None = None
    max_tokens: int | None = None


@dataclass(frozen=True)
class Request:
    """The request for the next response of a conversation."""

    settings: Settings
    messages: tuple[Message, ...]

    def body(self) -> dict[str, Any]:
        """The request as the API expects it."""
        system = [Message("system", self.settings.system)] if self.settings.system.strip() else []
        limits = {"temperature": self.settings.temperature, "max_tokens": self.settings.max_tokens}
        return {
            "model": self.settings.model,
            "messages": [asdict(message) for message in (*system, *self.messages)],
            **{name: value for name, value in limits.items() if value is not None},
        }


@dataclass(frozen=True)
class Part:
    """The next characters of a response, or of the reasoning that precedes it."""

    text: str = ""
    reasoning: str = ""


@dataclass(frozen=True)
class Metrics:
    """Measurements of a complete response.

    Attributes:
        model: the model that responded.
        fallback: whether it is not the model of the request.
        finish_reason: `stop`; `length` if the response reached its maximum length; `content_filter` if the
            guard blocked it.
        first_token_seconds: time from sending the request to the first token; None without a token.
        tokens_per_second: number of tokens after the first, divided by the time from the first to the last;
            None for a response that arrived at once.
        prompt_tokens: tokens of the conversation, as reported by the engine.
        completion_tokens: tokens of the response, as reported by the engine.
    """

    model: str
    fallback: bool
    finish_reason: str | None
    first_token_seconds: float | None
    tokens_per_second: float | None
    prompt_tokens: int | None
    completion_tokens: int | None

    def line(self) -> str:
        """The metrics for the user, in one line."""
        parts = [f"{self.model} responded as the fallback"] if self.fallback else []
        if self.first_token_seconds is not None:
            parts.append(f"first token after {self.first_token_seconds:.2f} s")
        if self.tokens_per_second is not None:
            parts.append(f"{self.tokens_per_second:.1f} tokens/s")
        if self.prompt_tokens is not None and self.completion_tokens is not None:
            parts.append(f"{self.prompt_tokens} + {self.completion_tokens} tokens")
        if self.finish_reason in _ENDS:
            parts.append(_ENDS[self.finish_reason])
        return " · ".join(parts)


@dataclass(frozen=True)
class _ListedModel:
    id: str


@dataclass(frozen=True)
class _Models:
    data: tuple[_ListedModel, ...]


@dataclass(frozen=True)
class Session:
    """An open chat.

    Attributes:
        environment: the environment.
        api: a client of its API, which has the key.
        models: names and aliases of the models that chat.
        refused: the reason why other models of the environment do not chat, by name.
        clock: the time in seconds, which tests replace.
        verb: what the caller does to a model, in errors.
    """

    environment: Environment
    api: httpx.Client
    models: tuple[str, ...]
    refused: dict[str, str] = field(default_factory=dict)
    clock: Callable[[], float] = time.perf_counter
    verb: str = "chat with"

    def settings(self, model: str | None = None, **values: Any) -> Settings:
        """Settings for a model; by default the only one that chats.

        Raises:
            InputError: it does not exist or does not chat, or several models chat.
        """
        if model is not None:
            self.require(model)
        return Settings(model or self._default(), **values)

    def require(self, model: str) -> None:
        """Require that a model chats.

        Raises:
            InputError: it does not exist, or does not chat.
        """
        if model in self.models:
            return
        reason = self.refused.get(model, f"environment {self.environment.name} has no model of this name")
        raise InputError(f"cannot {self.verb} {model}: {reason}", remedy=self._choice())

    def respond(self, request: Request) -> Generator[Part | Metrics, None, None]:
        """The response in parts as they arrive, and then its metrics; close the iterator to stop the model.

        Raises:
            ToolkitError: the API refused the request, or the response failed; parts before are valid.
        """
        started = first = last = self.clock()
        parts, finish_reason, usage, model = 0, None, completions.Usage(), request.settings.model
        stream = completions.stream(self.api, request.body())
        with _explained(self.environment, self.api), closing(stream):
            for chunk in stream:
                usage, model = chunk.usage or usage, chunk.model or model
                finish_reason = chunk.finish_reason or finish_reason
                if chunk.text or chunk.reasoning:
                    last = self.clock()
                    first, parts = (first if parts else last), parts + 1
                    yield Part(chunk.text, chunk.reasoning)
        tokens, seconds = usage.completion_tokens, last - first
        yield Metrics(
            model=model,
            fallback=model != request.settings.model,
            finish_reason=finish_reason,
            first_token_seconds=first - started if parts else None,
            tokens_per_second=(tokens - 1) / seconds
            if tokens and tokens > 1 and seconds > _AT_ONCE
            else None,
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=tokens,
        )

    def _default(self) -> str:
        if not self.models:
            reasons = [f"{name}: {reason}" for name, reason in self.refused.items()]
            raise InputError(
                f"cannot {self.verb} a model: no model of {self.environment.name} generates text through "
                "the API",
                details=reasons,
                remedy="add one to the environment file, and run `toolkit apply`",
            )
        own_names = [name for name in self.models if name in self.environment.models] or self.models
        if len(own_names) > 1:
            raise InputError("several models chat: choose one with --model", remedy=self._choice())
        return own_names[0]

    def _choice(self) -> str:
        return f"choose one of: {', '.join(self.models) or 'none'}"


@contextmanager
def open_session(context: Context, outputs: Outputs, verb: str = "chat with") -> Iterator[Session]:
    """Open a chat with the models of a deployed environment, through its API.

    Args:
        context: the environment.
        outputs: what is deployed.
        verb: what the caller does to a model, in errors.

    Raises:
        ToolkitError: the environment is paused, or its API is out of reach or refuses the key.
    """
    environment = context.environment
    if outputs.paused:
        raise PreflightError(
            f"cannot {verb} a model: environment {environment.name} is paused",
            remedy=f"`toolkit resume --env {environment.name}` starts its endpoints",
        )
    api_keys = keys.of(context.access, environment, outputs.usage_plan_ids)
    with ExitStack() as stack:
        with context.console.progress("connecting to the API"):
            api = stack.enter_context(open_api(api_keys, environment, outputs.api_base_url))
            with _explained(environment, api):
                names = _model_names(api)
        refused = _refused(environment, outputs)
        models = tuple(name for name in names if name not in refused)
        yield Session(environment, api, models, refused, verb=verb)


def _model_names(api: httpx.Client) -> list[str]:
    response = api.get("models")
    completions.require_success(response)
    try:
        return [model.id for model in documents.parse(response.content, _Models).data]
    except documents.DamagedError as damage:
        raise completions.BrokenStreamError(f"not a list of models: {damage}") from None


def _refused(environment: Environment, outputs: Outputs) -> dict[str, str]:
    """The models that do not chat, by name and alias."""
    reasons = {
        name: "it is asynchronous, and its responses go to S3"
        for name, model in outputs.models.items()
        if model.endpoint_type == "async"
    }
    for name, model in environment.models.items():
        if "rerank" in model.capabilities:
            reasons.setdefault(name, "it compares texts, and generates none")
        if not model.chats:
            reasons.setdefault(name, "it creates embeddings, not text")
        if name in reasons:
            reasons |= dict.fromkeys(model.aliases, reasons[name])
    return reasons


@contextmanager
def _explained(environment: Environment, api: httpx.Client) -> Iterator[None]:
    """Explain errors of the API in this block."""
    try:
        yield
    except completions.RefusedError as error:
        _raise(error, environment)
    except completions.BrokenStreamError as error:
        raise ToolkitError(
            f"cannot complete the response: {error}",
            remedy=f"try again; `toolkit logs --env {environment.name}` shows the reason",
        ) from None
    except httpx.HTTPError as error:
        raise PreflightError(
            f"cannot get a response from the API: {str(error) or type(error).__name__}",
            where=str(api.base_url),
            remedy=f"check the network, and run `toolkit smoke-test --env {environment.name}`",
        ) from None
    except (BotoCoreError, ClientError) as error:
        raise aws_errors.explain(error) or error from None


def _raise(error: completions.RefusedError, environment: Environment) -> Never:
    kind: type[ToolkitError] = ToolkitError
    remedy = f"`toolkit logs --env {environment.name}` shows the reason"
    message = error.message.rstrip(".")
    if error.code == "insufficient_quota":
        kind, remedy = PreflightError, f"`toolkit keys list --env {environment.name}` shows the budgets"
    elif error.status in (429, 503):
        kind, remedy = PreflightError, "try again later"
        if error.retry_after is not None:
            remedy = f"try again in {error.retry_after} s"
    elif error.status in (401, 403):
        kind, remedy = PreflightError, f"`toolkit keys list --env {environment.name}` shows the keys"
        if environment.api.auth == "iam":
            remedy = "use AWS credentials that may invoke the API (execute-api:Invoke)"
        elif error.code == "model_not_allowed":
            remedy = "choose another model, or add it to the usage plan of the key `default`"
        elif environment.api.private is not None:
            remedy = "the API is private: run the command in a network with one of its VPC endpoints"
    elif error.code == "context_length_exceeded":
        kind, remedy = InputError, "begin a new conversation"
    elif error.status < 500:
        kind, remedy = InputError, "change the request"
    raise kind(f"cannot get a response: {message} (HTTP {error.status})", remedy=remedy) from None


@dataclass
class Turn:
    """A prompt and its response.

    Attributes:
        truncated: whether the response was stopped or broke off.
    """

    prompt: str
    response: str
    truncated: bool = False


@dataclass
class Conversation:
    """A conversation with its settings, in memory only."""

    settings: Settings
    turns: list[Turn] = field(default_factory=list)

    def request(self, prompt: str) -> Request:
        """The request for the response to a prompt."""
        messages: list[Message] = []
        for turn in self.turns:
            messages += [Message("user", turn.prompt), Message("assistant", turn.response)]
        return Request(self.settings, (*messages, Message("user", prompt)))

    def change(self, **values: Any) -> None:
        """Change settings of later requests."""
        self.settings = replace(self.settings, **values)


def well_formed(text: str) -> str:
    """Text without bytes that are not UTF-8, which Python represents as surrogates."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
