"""The checks of a smoke test."""

from __future__ import annotations

import http.server
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from tests.support.cloud import Engine
from tests.support.contexts import deployed, opened, outputs
from toolkit.aws.access import AwsAccess
from toolkit.smoke import Layer, Options, runner


@pytest.mark.parametrize("alarms", [True, False])
def test_alarms_can_be_left_out(tmp_path: Path, alarms: bool) -> None:
    context = opened(tmp_path, AwsAccess("us-east-1", "123456789012", "http://127.0.0.1:1")).context
    model = deployed("llm-x-m", "c", alarms=["llm-x-m-errors"])
    smoke_test = runner._SmokeTest(context, outputs({"m": model}), Options(alarms=alarms))
    names = [step.name for step in islice(smoke_test.steps(), 3)]
    assert ("rollout alarms" in names) == alarms


def test_without_a_key_objectives_are_not_measured(
    account: AwsAccess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOOLKIT_API_KEY", "two words")
    context = opened(tmp_path, account, further="    objectives: {total_ms: 5, error_percent: 1}\n").context
    options = Options(only=[Layer.OBJECTIVES], timeout_seconds=5)
    state = replace(outputs({"m": deployed("llm-x-m", "c")}), functions={"gateway": "llm-x-gateway"})
    checks = list(runner.run(context, state, options))
    assert [(check.name, check.detail, check.command) for check in checks] == [
        ("objective total_ms", "not an API key", "unset TOOLKIT_API_KEY"),
        ("objective error_percent", "not an API key", "unset TOOLKIT_API_KEY"),
    ]


def test_requests_that_the_api_asks_to_repeat_are_errors(
    account: AwsAccess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overloaded(handler: http.server.BaseHTTPRequestHandler, _: dict[str, Any]) -> None:
        handler.send_response(503)
        handler.send_header("retry-after", "0")
        handler.send_header("content-length", "0")
        handler.end_headers()

    monkeypatch.setenv("TOOLKIT_API_KEY", "key")
    section = "    objectives: {error_percent: 1, requests: 5, warm_up: 0}\n"
    context = opened(tmp_path, account, further=section).context
    api = Engine()
    api.behaviour = overloaded
    state = replace(
        outputs({"m": deployed("llm-x-m", "c")}),
        functions={"gateway": "llm-x-gateway"},
        api_base_url=api.url,
    )
    (check,) = runner.run(context, state, Options(only=[Layer.OBJECTIVES]))
    api.stop()
    assert check.detail.startswith("errors 100 % of 5 requests")
    assert len(api.requests) == 5
