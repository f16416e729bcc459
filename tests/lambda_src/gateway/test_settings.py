from __future__ import annotations

import json
from typing import Any

import pytest
from gateway.settings import MAX_BODY_BYTES, BedrockGuardrail, Model, Settings, SettingsError


def test_aliases_resolve_to_the_model() -> None:
    models = {"a": {"endpoint": "one", "aliases": ["b", "c"]}, "d": {"endpoint": "two", "fallback": "a"}}
    settings = Settings.from_environment({"GATEWAY_MODELS": json.dumps(models), "PORT": "9000"})
    assert {name: model.endpoint for name, model in settings.models.items()} == {
        "a": "one",
        "b": "one",
        "c": "one",
        "d": "two",
    }
    assert settings.models["d"] == Model("d", "two", fallback="a", body_bytes=MAX_BODY_BYTES)
    assert (settings.port, settings.log_content) == (9000, False)


def test_serverless_endpoints_have_a_smaller_limit() -> None:
    models = {
        "a": {"endpoint": "one", "serverless": True},
        "b": {"endpoint": "two", "serverless": True, "body_bytes": 9},
    }
    settings = Settings.from_environment({"GATEWAY_MODELS": json.dumps(models)})
    assert (settings.models["a"].body_bytes, settings.models["b"].body_bytes) == (4 * 1024 * 1024, 9)


def test_optional_settings() -> None:
    settings = Settings.from_environment(
        {
            "GATEWAY_MODELS": "{}",
            "GATEWAY_KEEPALIVE_SECONDS": "2.5",
            "GATEWAY_LOG_CONTENT": "true",
            "AWS_LAMBDA_FUNCTION_NAME": "llm-dev-gateway",
        }
    )
    assert settings == Settings({}, 8080, 2.5, log_content=True, function_name="llm-dev-gateway")


@pytest.mark.parametrize(
    "models",
    [
        None,
        "",
        "[]",
        "{",
        '{"a": {}}',
        '{"a": "one"}',
        '{"a": {"endpoint": "x", "aliases": ["a"]}}',
        '{"a": {"endpoint": "x", "fallback": "b"}}',
        '{"a": {"endpoint": "x", "dialect": "latin"}}',
        '{"a": {"endpoint": "x", "operations": ["chat", "paint"]}}',
        '{"a": {"endpoint": "x", "speed": 9}}',
    ],
)
def test_invalid_settings_are_named(models: str | None) -> None:
    with pytest.raises(SettingsError, match="GATEWAY_MODELS"):
        Settings.from_environment({} if models is None else {"GATEWAY_MODELS": models})


@pytest.mark.parametrize(
    "variable", [{"GATEWAY_LOG_CONTENT": "yes"}, {"GATEWAY_KEEPALIVE_SECONDS": "0"}, {"PORT": "http"}]
)
def test_invalid_values_are_refused(variable: dict[str, str]) -> None:
    with pytest.raises(SettingsError):
        Settings.from_environment({"GATEWAY_MODELS": "{}", **variable})


MODELS = '{"a": {"endpoint": "x", "aliases": ["org/a"]}}'


def test_guard() -> None:
    def guard(text: str) -> Any:
        return Settings.from_environment({"GATEWAY_MODELS": MODELS, "GATEWAY_GUARD": text}).guard

    assert Settings.from_environment({"GATEWAY_MODELS": MODELS}).guard is None
    settings = guard('{"bedrock": {"id": "abc", "version": "1"}, "models": ["org/a"], "sources": ["input"]}')
    assert settings.bedrock == BedrockGuardrail("abc", "1")
    assert (settings.models, settings.sources) == ({"a"}, {"input"})
    assert guard('{"python": "own:check", "window": null}').window is None


@pytest.mark.parametrize(
    "guard",
    [
        "{}",
        "[]",
        '{"bedrock": {"id": "abc"}}',
        '{"python": "own:check", "models": ["b"]}',
        '{"python": "own:check", "sources": []}',
        '{"python": "own:check", "roles": ["anyone"]}',
        '{"python": "own:check", "window": 0}',
        '{"python": "own:check", "overlap": -1}',
        '{"python": "own:check", "timeout_seconds": 0}',
        '{"python": "own:check", "fail": "open"}',
    ],
)
def test_an_invalid_guard_is_refused(guard: str) -> None:
    with pytest.raises(SettingsError, match="GATEWAY_GUARD"):
        Settings.from_environment({"GATEWAY_MODELS": MODELS, "GATEWAY_GUARD": guard})
