from __future__ import annotations

import json

import pytest
from gateway.settings import Settings, SettingsError


def test_aliases_lead_to_the_endpoint_too() -> None:
    models = {"a": {"endpoint": "one", "aliases": ["b", "c"]}, "d": {"endpoint": "two"}}
    settings = Settings.from_environment({"GATEWAY_MODELS": json.dumps(models), "PORT": "9000"})
    assert settings.endpoints == {"a": "one", "b": "one", "c": "one", "d": "two"}
    assert settings.port == 9000


@pytest.mark.parametrize(
    "models", [None, "", "[]", "{", '{"a": {}}', '{"a": "one"}', '{"a": {"endpoint": "x", "aliases": ["a"]}}']
)
def test_wrong_settings_are_named(models: str | None) -> None:
    with pytest.raises(SettingsError, match="GATEWAY_MODELS"):
        Settings.from_environment({} if models is None else {"GATEWAY_MODELS": models})
