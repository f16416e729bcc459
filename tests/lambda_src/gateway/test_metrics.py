from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

CHAT = {"model": "demo", "messages": [{"role": "user", "content": "Hi"}]}
RESPONSE = {
    "choices": [{"index": 0, "delta": {"content": "Ho"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
}


def emitted(line: dict[str, Any]) -> tuple[set[tuple[tuple[str, str], ...]], dict[str, float]]:
    """The dimension sets with their values, and the metrics that CloudWatch extracts from a line.

    Follows the embedded metric format's specification.
    """
    assert isinstance(line["_aws"]["Timestamp"], int)
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "InferenceGateway"
    sets = {tuple((name, line[name]) for name in names) for names in directive["Dimensions"]}
    return sets, {metric["Name"]: line[metric["Name"]] for metric in directive["Metrics"]}


def ask(client: httpx.Client, gateway: Any, request_id: str, body: Any) -> Any:
    context = json.dumps({"requestId": request_id, "identity": {"apiKeyId": "key-1"}})
    client.post("/v1/chat/completions", json=body, headers={"x-amzn-request-context": context})
    return emitted(gateway.log_line(request_id))


def test_metrics_by_model_and_by_key(client: httpx.Client, gateway: Any, engine: Any) -> None:
    engine.respond(f"data: {json.dumps(RESPONSE)}\n\n".encode())
    sets, metrics = ask(client, gateway, "metrics-1", {**CHAT, "model": "org/demo"})
    function = ("FunctionName", "gateway")
    # The model's own name, not the alias.
    assert sets == {(function,), (function, ("Model", "demo")), (function, ("ApiKeyId", "key-1"))}
    assert metrics.pop("Latency") >= metrics.pop("TimeToFirstToken") > 0
    assert metrics == {
        "Requests": 1,
        "ClientErrors": 0,
        "Throttles": 0,
        "ServerErrors": 0,
        "Disconnects": 0,
        "Fallbacks": 0,
        "InputTokens": 5,
        "OutputTokens": 2,
    }


def test_unknown_models_are_not_a_dimension(client: httpx.Client, gateway: Any) -> None:
    sets, metrics = ask(client, gateway, "metrics-2", {**CHAT, "model": "made-up"})
    assert {name for names in sets for name, _ in names} == {"FunctionName", "ApiKeyId"}
    assert metrics["ClientErrors"] == 1
    assert "TimeToFirstToken" not in metrics


@pytest.mark.parametrize(
    ("error", "counted"),
    [
        ((400, "ThrottlingException", {}), "Throttles"),
        ((503, "ServiceUnavailable", {}), "ServerErrors"),
        ((424, "ModelError", {"OriginalStatusCode": 400, "OriginalMessage": "no"}), "ClientErrors"),
    ],
)
def test_errors_by_kind(client: httpx.Client, gateway: Any, engine: Any, error: Any, counted: str) -> None:
    engine.error = error
    _, metrics = ask(client, gateway, f"metrics-{counted}", CHAT)
    kinds = ("Throttles", "ServerErrors", "ClientErrors")
    assert {kind: metrics[kind] for kind in kinds} == {kind: int(kind == counted) for kind in kinds}


def test_a_truncated_stream_counts_as_an_error(client: httpx.Client, gateway: Any, engine: Any) -> None:
    engine.respond(b'data: {"choices": [{"index": 0, "delta": {"content": "Ho"}}]}\n\n')
    _, metrics = ask(client, gateway, "metrics-broken", {**CHAT, "stream": True})
    assert (metrics["Requests"], metrics["ServerErrors"]) == (1, 1)
