"""The gateway's configuration, from the function's environment variables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

# Lambda's limit for events, and SageMaker's for requests.
MAX_BODY_BYTES: Final = 6 * 1024 * 1024
# SageMaker's limit for serverless endpoints.
_SERVERLESS_BODY_BYTES: Final = 4 * 1024 * 1024
SOURCES: Final = ("input", "output")
ROLES: Final = ("system", "user", "assistant", "tool")
DIALECTS: Final = ("openai", "llama_cpp", "lmi", "tgi", "tei")
# Operations that a container may serve, with their names in error messages.
OPERATIONS: Final[Mapping[str, str]] = {
    "chat": "chat completions",
    "completions": "completions",
    "embeddings": "embeddings",
    "rerank": "rankings",
    "score": "scores",
}


class SettingsError(Exception):
    """An environment variable is missing or invalid, so the function cannot start."""


@dataclass(frozen=True)
class Model:
    """A model that clients can request.

    Attributes:
        name: its own name, not an alias.
        endpoint: the SageMaker endpoint.
        serverless: whether the endpoint is serverless and cannot stream.
        dialect: its container's API: `openai`; `llama_cpp`, `tgi` and `lmi`, which ignore some of OpenAI's
            members; or Text Embeddings Inference's own (`tei`).
        capabilities: `media` if it takes them, which is checked for `llama_cpp`; and its tasks besides text,
            for the smoke test.
        operations: those of `OPERATIONS` that its container serves.
        max_tokens_default: length of a response in tokens, unless the client sets one.
        max_tokens_ceiling: the longest response that a client may request, in tokens.
        body_bytes: size of the largest request.
        fallback: own name of the model that responds when this one has no capacity.
        price: US dollars per million tokens of prompts and of responses; None if unknown.
    """

    name: str
    endpoint: str
    serverless: bool = False
    dialect: str = "openai"
    capabilities: Sequence[str] = ()
    operations: Sequence[str] = tuple(OPERATIONS)
    max_tokens_default: int | None = None
    max_tokens_ceiling: int | None = None
    body_bytes: int = MAX_BODY_BYTES
    fallback: str | None = None
    price: tuple[float, float] | None = None


@dataclass(frozen=True)
class Budget:
    """Limits of a key; None is unlimited.

    Attributes:
        tokens_per_minute: of prompts and responses.
        tokens_per_month: of prompts and responses.
        dollars_per_month: by the prices of the models.
    """

    tokens_per_minute: int | None = None
    tokens_per_month: int | None = None
    dollars_per_month: float | None = None


@dataclass(frozen=True)
class BedrockGuardrail:
    """A guardrail of Amazon Bedrock.

    Attributes:
        id: its id.
        version: its version, or `DRAFT`.
    """

    id: str
    version: str


@dataclass(frozen=True)
class GuardSettings:
    """The checks of requests and responses.

    Attributes:
        bedrock: a guardrail, if one is used.
        python: `module:function` of the user's own guard, if there is one.
        models: own names of the guarded models; None: all.
        sources: `input`, `output` or both.
        roles: whose messages are checked.
        window: number of new characters of a stream after which they are checked; None: at its end.
        overlap: number of characters of a window that are the beginning of the next.
        timeout_seconds: longest time of one check.
    """

    bedrock: BedrockGuardrail | None = None
    python: str | None = None
    models: frozenset[str] | None = None
    sources: frozenset[str] = frozenset(SOURCES)
    roles: frozenset[str] = frozenset(ROLES)
    window: int | None = 400
    overlap: int = 100
    timeout_seconds: float = 10


@dataclass(frozen=True)
class Settings:
    """The gateway's configuration.

    Attributes:
        models: by name and alias, in the order of the variable.
        port: TCP port to listen on.
        keepalive_seconds: time without data after which a waiting client gets a comment or white space.
        log_content: whether prompts and responses are logged.
        function_name: name of the Lambda function, a dimension of its metrics.
        key_models: own names of the models that a key may use, by the key's name, None for all; `*` is for
            keys that are not listed, which may use all models without it.
        cors_origins: origins whose pages may call the API from a browser.
        guard: what checks requests and responses; None: nothing.
        budgets: by the key's name; `*` is for keys that are not listed, which have none without it.
        budget_table: name of the DynamoDB table with the counters.
        budget_seconds: time limit of an update of the counters.
    """

    models: Mapping[str, Model]
    port: int = 8080
    keepalive_seconds: float = 30
    log_content: bool = False
    function_name: str = "gateway"
    key_models: Mapping[str, frozenset[str] | None] = field(default_factory=dict)
    cors_origins: tuple[str, ...] = ()
    guard: GuardSettings | None = None
    budgets: Mapping[str, Budget | None] = field(default_factory=dict)
    budget_table: str = ""
    budget_seconds: float = 5

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """Read the variables that begin with `GATEWAY_`, and `PORT`.

        Raises:
            SettingsError: one of them is missing or invalid.
        """
        try:
            models = _models(json.loads(environ["GATEWAY_MODELS"]), environ.get("GATEWAY_ENDPOINT_PREFIX"))
            return cls(
                models=models,
                port=int(environ.get("PORT", "8080")),
                keepalive_seconds=_positive(float(environ.get("GATEWAY_KEEPALIVE_SECONDS", "30"))),
                log_content=_flag(environ.get("GATEWAY_LOG_CONTENT", "false")),
                function_name=environ.get("AWS_LAMBDA_FUNCTION_NAME", "gateway"),
                key_models=_key_models(json.loads(environ.get("GATEWAY_KEY_MODELS", "{}")), models),
                cors_origins=tuple(map(str, json.loads(environ.get("GATEWAY_CORS_ORIGINS", "[]")))),
                guard=_guard(json.loads(environ.get("GATEWAY_GUARD", "null")), models),
                budgets=_budgets(json.loads(environ.get("GATEWAY_BUDGETS", "{}"))),
                budget_table=environ["GATEWAY_BUDGET_TABLE"] if "GATEWAY_BUDGETS" in environ else "",
                budget_seconds=_positive(float(environ.get("GATEWAY_BUDGET_SECONDS", "5"))),
            )
        except (KeyError, ValueError, AttributeError, TypeError) as error:
            raise SettingsError(
                'GATEWAY_MODELS must be {"<model>": {"endpoint": "<name>", "aliases": [...], ...}}, '
                "GATEWAY_KEY_MODELS lists of models by key, GATEWAY_CORS_ORIGINS a list, PORT, "
                "GATEWAY_KEEPALIVE_SECONDS and GATEWAY_BUDGET_SECONDS numbers, GATEWAY_LOG_CONTENT true or "
                'false, GATEWAY_BUDGETS {"<plan>": {"keys": [...], "tokens_per_minute": <number>, ...}} '
                "together with GATEWAY_BUDGET_TABLE, GATEWAY_GUARD an object: "
                f"{type(error).__name__} {error}"
            ) from error


def _models(document: dict[str, dict[str, Any]], prefix: str | None) -> dict[str, Model]:
    models: dict[str, Model] = {}
    for name, members in document.items():
        attributes = {key: value for key, value in members.items() if key != "aliases" and value is not None}
        if prefix is not None:
            # As the inference stack names it: Lambda's limit of 4 KB has no room for names that are known.
            attributes.setdefault("endpoint", f"{prefix}-{name}".replace(".", "-"))
        if members.get("serverless"):
            attributes.setdefault("body_bytes", _SERVERLESS_BODY_BYTES)
        model = Model(name, **attributes)
        if model.dialect not in DIALECTS:
            raise ValueError(f"{name}: unknown dialect {model.dialect!r}")
        if unknown := {*model.operations} - {*OPERATIONS}:
            raise ValueError(f"{name}: unknown operations {sorted(unknown)}")
        for alias in [name, *members.get("aliases", [])]:
            if alias in models:
                raise ValueError(f"two models have the name {alias!r}")
            models[alias] = model
    for model in models.values():
        if model.fallback is not None and model.fallback not in document:
            raise ValueError(f"{model.name}: unknown fallback model {model.fallback!r}")
    return models


def _key_models(
    document: Mapping[str, list[str] | None], models: Mapping[str, Model]
) -> dict[str, frozenset[str] | None]:
    # One of a model's names allows all of its names; names of models elsewhere allow nothing.
    return {
        key: None if names is None else frozenset(models[name].name for name in names if name in models)
        for key, names in document.items()
    }


def _guard(document: dict[str, Any] | None, models: Mapping[str, Model]) -> GuardSettings | None:
    if document is None:
        return None
    members = dict(document)
    if members.get("bedrock") is not None:
        members["bedrock"] = BedrockGuardrail(**members["bedrock"])
    if members.get("models") is not None:
        # An unknown name could be that of a model which must be guarded.
        members["models"] = frozenset(models[name].name for name in members["models"])
    for name, allowed in (("sources", SOURCES), ("roles", ROLES)):
        if name in members:
            members[name] = frozenset(members[name])
            if not members[name] or not members[name] <= set(allowed):
                raise ValueError(f"guard: {name} must be of {allowed}")
    guard = GuardSettings(**members)
    if guard.bedrock is None and guard.python is None:
        raise ValueError("guard: there is neither bedrock nor python")
    if (guard.window is not None and guard.window < 1) or guard.overlap < 0:
        raise ValueError("guard: window must be at least 1 and overlap at least 0")
    _positive(guard.timeout_seconds)
    return guard


def _budgets(document: Mapping[str, dict[str, Any]]) -> dict[str, Budget | None]:
    """Budgets by key, from those by usage plan; None for keys of a plan without one."""
    budgets: dict[str, Budget | None] = {}
    for plan in document.values():
        limits = {name: value for name, value in plan.items() if name != "keys"}
        for limit in limits.values():
            _positive(limit)
        budgets |= dict.fromkeys(plan["keys"], Budget(**limits) if limits else None)
    return budgets


def _positive(number: float) -> float:
    if not 0 < number < float("inf"):
        raise ValueError(f"{number} is not greater than 0")
    return number


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(f"{text!r} is neither true nor false")
    return text == "true"
