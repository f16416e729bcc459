"""Guards through the gateway's APIs, with a guard in Python."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from gateway.errors import GuardError
from gateway.guard import Content
from gateway.guard.entry_point import EntryPoint

from tests.support.gateway import CHAT, USAGE, delta, sse
from tests.support.lazy import lazy
from tests.support.patience import HANG_SECONDS

anthropic, openai = lazy("anthropic"), lazy("openai")

GUARD = """
import asyncio, threading
from gateway.guard import Block, Content, Replace, Verdict

async def check(content: Content) -> Verdict:
    await asyncio.sleep(0)
    if "crash" in content.text:
        raise ValueError(content.text)
    if "odd" in content.text:
        return "a verdict"
    return rules(content)

def rules(content: Content) -> Verdict:
    assert threading.current_thread() is not threading.main_thread() or content.model != "small"
    if "forbidden" in content.text:
        return Block(f"not as {content.source} of {content.model}")
    return Replace(content.text.replace("secret", "***")) if "secret" in content.text else None
"""
MODELS = {
    "demo": {"endpoint": "demo", "fallback": "backup"},
    "backup": {"endpoint": "backup"},
    "small": {"endpoint": "small", "serverless": True},
    "free": {"endpoint": "demo"},
    "vectors": {"endpoint": "vectors", "dialect": "tei"},
}
SETTINGS = {"models": ["demo", "small", "vectors"], "window": 20, "overlap": 10, "timeout_seconds": 30}


def start(start_gateway: Any, root: Path, settings: dict[str, Any]) -> Any:
    (root / "guard").mkdir()
    (root / "guard" / "own.py").write_text(GUARD)
    (root / "gateway").symlink_to(Path(__file__).parents[4] / "lambda_src" / "gateway")
    variables = {"GATEWAY_MODELS": json.dumps(MODELS), "GATEWAY_GUARD": json.dumps({**SETTINGS, **settings})}
    running = start_gateway({**variables, "LAMBDA_TASK_ROOT": str(root), "GATEWAY_KEEPALIVE_SECONDS": "0.2"})
    running.wait_until_ready()
    return running


@pytest.fixture(scope="session")
def guarded(start_gateway: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return start(start_gateway, tmp_path_factory.mktemp("guarded"), {"python": "own:check"})


@pytest.fixture
def api(guarded: Any) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=guarded.address, timeout=HANG_SECONDS) as client:
        yield client


def chat(text: str, **members: Any) -> dict[str, Any]:
    return {**CHAT, "messages": [{"role": "user", "content": text}], **members}


def respond(engine: Any, *texts: str) -> None:
    engine.respond(
        *[sse(delta(text)) for text in texts], sse(delta("", "stop")), sse({"choices": [], "usage": USAGE})
    )


def context(request_id: str) -> dict[str, str]:
    return {"x-amzn-request-context": json.dumps({"requestId": request_id})}


def test_a_blocked_prompt_does_not_reach_the_model(api: httpx.Client, engine: Any, guarded: Any) -> None:
    response = api.post("/v1/chat/completions", json=chat("a forbidden thing"), headers=context("blocked-1"))
    assert response.status_code == 400
    assert response.json()["error"] == {
        "message": "not as input of demo",
        "type": "invalid_request_error",
        "param": "messages",
        "code": "content_filter",
    }
    assert engine.bodies == []
    line = guarded.log_line("blocked-1")
    assert (line["model"], line["guard"], line["error_code"]) == ("demo", "blocked", "content_filter")
    assert (line["GuardBlocks"], line["GuardFailures"], line["ServerErrors"]) == (1, 0, 0)
    assert "forbidden thing" not in guarded.log.read_text()


def test_every_api_refuses_in_its_own_shape(api: httpx.Client, engine: Any) -> None:
    body = {
        "model": "demo",
        "stream": True,
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "forbidden"}],
    }
    message = api.post("/v1/messages", json=body)
    assert (message.status_code, message.json()["type"]) == (400, "error")
    assert message.json()["error"]["type"] == "invalid_request_error"
    response = api.post("/v1/responses", json={"model": "demo", "input": "forbidden", "stream": True})
    assert (response.status_code, response.json()["error"]["param"]) == (400, "input")
    completion = api.post("/v1/completions", json={"model": "demo", "prompt": "forbidden"})
    assert (completion.status_code, completion.json()["error"]["param"]) == (400, "prompt")
    embedding = api.post("/v1/embeddings", json={"model": "vectors", "input": ["a", "forbidden"]})
    assert (embedding.status_code, embedding.json()["error"]["code"]) == (400, "content_filter")
    assert engine.bodies == []


def test_prompts_and_responses_are_replaced(api: httpx.Client, engine: Any, guarded: Any) -> None:
    respond(engine, "my se", "cret")
    response = api.post("/v1/chat/completions", json=chat("the secret"), headers=context("replaced-1"))
    assert response.json()["choices"][0]["message"]["content"] == "my ***"
    assert engine.bodies[0]["messages"] == [{"role": "user", "content": "the ***"}]
    assert guarded.log_line("replaced-1")["guard"] == "replaced"


def test_the_texts_of_other_apis_are_replaced(api: httpx.Client, engine: Any) -> None:
    engine.respond(b"[[0.5], [0.5]]")
    assert api.post("/v1/embeddings", json={"model": "vectors", "input": ["a", "secret"]}).status_code == 200
    engine.respond(b'[{"index": 0, "score": 1}, {"index": 1, "score": 2}]')
    documents = [{"text": "a secret"}, {"text": "b"}]
    body = {"model": "vectors", "query": "secret", "documents": documents}
    assert api.post("/v1/rerank", json=body).status_code == 200
    vectors, ranking = engine.bodies
    assert vectors["inputs"] == ["a", "***"]
    assert (ranking["query"], ranking["texts"]) == ("***", ["a ***", "b"])


def test_a_blocked_stream_ends_with_the_reason_and_its_tokens(
    api: httpx.Client, engine: Any, guarded: Any
) -> None:
    go_on = threading.Event()
    engine.respond(
        sse(delta("The answer ")),
        sse(delta("to your question is a for")),
        lambda: go_on.wait(HANG_SECONDS),
        *[sse(delta("bidden thing")), sse(delta(" and more", "stop")), sse({"choices": [], "usage": USAGE})],
    )
    body = chat("Hi", stream=True, stream_options={"include_usage": True})
    with api.stream("POST", "/v1/chat/completions", json=body, headers=context("blocked-2")) as response:
        text = ""
        for part in response.iter_text():
            text += part
            if "The answer" in text:
                go_on.set()
    *chunks, usage, done = [
        line.removeprefix("data: ") for line in text.split("\n\n") if line and not line.startswith(":")
    ]
    assert (json.loads(usage)["usage"], done) == (USAGE, "[DONE]")
    first, end = (json.loads(chunk)["choices"][0] for chunk in chunks)
    assert first["delta"] == {"content": "The answer "}
    assert (end["finish_reason"], end["delta"]["refusal"]) == ("content_filter", "not as output of demo")
    line = guarded.log_line("blocked-2")
    assert (line["guard"], line["guard_cause"], line["GuardBlocks"]) == ("blocked", "guard: blocked", 1)
    assert (line["status"], line["completion_tokens"]) == (200, 2)


@pytest.mark.slow
def test_a_blocked_response_in_other_apis(api: httpx.Client, engine: Any) -> None:
    call = {
        "index": 0,
        "id": "c1",
        "type": "function",
        "function": {"name": "f", "arguments": '{"a": "forbidden'},
    }
    engine.respond(
        sse({"choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": "tool_calls"}]})
    )
    request = {"model": "demo", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
    message = anthropic.types.Message.model_validate(api.post("/v1/messages", json=request).json())
    assert (message.stop_reason, [block.type for block in message.content]) == ("refusal", ["text"])
    assert "forbidden" not in message.model_dump_json()
    with openai.OpenAI(base_url=f"{api.base_url}/v1", api_key="none", max_retries=0) as client:
        events = list(client.responses.create(model="demo", input="Hi", stream=True))
    end = events[-1]
    assert end.type == "response.incomplete"
    assert end.response.incomplete_details is not None
    assert end.response.incomplete_details.reason == "content_filter"


@pytest.mark.parametrize("text", ["crash", "odd"])
def test_a_guard_that_fails_lets_nothing_pass(
    api: httpx.Client, engine: Any, guarded: Any, text: str
) -> None:
    response = api.post(
        "/v1/chat/completions", json=chat(f"{text} private"), headers=context(f"input-{text}")
    )
    assert (response.status_code, response.json()["error"]["code"]) == (503, "guard_unavailable")
    assert response.headers["retry-after"]
    assert engine.bodies == []
    respond(engine, f"{text} private text")
    streamed = api.post(
        "/v1/chat/completions", json=chat("Hi", stream=True), headers=context(f"output-{text}")
    )
    assert "private" not in streamed.text
    for request_id in (f"input-{text}", f"output-{text}"):
        line = guarded.log_line(request_id)
        assert (line["guard"], line["error_code"], line["GuardFailures"]) == (
            "failed",
            "guard_unavailable",
            1,
        )
        assert line["ServerErrors"] == 1
    assert "private" not in guarded.log.read_text()


def test_other_models_and_token_counts_are_not_guarded(api: httpx.Client, engine: Any, guarded: Any) -> None:
    respond(engine, "forbidden")
    body = chat("a forbidden thing", model="free")
    response = api.post("/v1/chat/completions", json=body, headers=context("free-1"))
    assert response.json()["choices"][0]["message"]["content"] == "forbidden"
    assert not {"guard", "GuardBlocks"} & guarded.log_line("free-1").keys()
    counted = api.post("/v1/messages/count_tokens", json={"model": "demo", "messages": body["messages"]})
    assert counted.json() == {"input_tokens": 5}


def test_probabilities_cannot_be_checked(api: httpx.Client, engine: Any) -> None:
    response = api.post("/v1/chat/completions", json=chat("Hi", logprobs=True))
    assert (response.status_code, response.json()["error"]["param"]) == (400, "logprobs")
    response = api.post("/v1/completions", json={"model": "demo", "prompt": "Hi", "logprobs": 0})
    assert (response.status_code, response.json()["error"]["param"]) == (400, "logprobs")
    assert engine.bodies == []


def test_a_client_that_waits_for_a_window_is_kept_alive(api: httpx.Client, engine: Any) -> None:
    go_on = threading.Event()
    engine.respond(
        sse(delta("held back")), lambda: go_on.wait(HANG_SECONDS), sse(delta(", then sent", "stop"))
    )
    with api.stream("POST", "/v1/chat/completions", json=chat("Hi", stream=True)) as response:
        parts = response.iter_text()
        assert next(parts) == ": keep-alive\n\n"
        go_on.set()
        rest = "".join(parts)
    assert "held back" in rest
    assert "then sent" in rest


def test_a_client_that_disconnects_stops_the_model(api: httpx.Client, engine: Any) -> None:
    engine.respond_forever(sse(delta("a text that is longer than the window")), sse(delta("word ")))
    with api.stream("POST", "/v1/chat/completions", json=chat("Hi", stream=True)) as response:
        next(response.iter_text())
    assert engine.disconnected.wait(HANG_SECONDS)


def test_a_plain_function_runs_in_a_thread(start_gateway: Any, tmp_path: Path, engine: Any) -> None:
    gateway = start(start_gateway, tmp_path, {"python": "own:rules", "sources": ["output"]})
    engine.respond(
        json.dumps(
            {"choices": [{"index": 0, "message": {"content": "secret"}, "finish_reason": "stop"}]}
        ).encode()
    )
    # Its guard fails in the main thread.
    response = httpx.post(
        f"{gateway.address}/v1/chat/completions", json=chat("forbidden", model="small"), timeout=HANG_SECONDS
    )
    assert response.json()["choices"][0]["message"]["content"] == "***"


@pytest.mark.parametrize("name", ["missing:check", "own:missing", "own:VALUE", "broken:check"])
def test_a_guard_that_cannot_be_loaded(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    (tmp_path / "guard").mkdir()
    (tmp_path / "guard" / "own.py").write_text("VALUE = 1\n")
    (tmp_path / "guard" / "broken.py").write_text("def check(:\n")
    guard = EntryPoint.load(name, {"LAMBDA_TASK_ROOT": str(tmp_path)})
    # The reason is in the log, once.
    assert f"cannot import the guard {name}: " in capsys.readouterr().err
    # Only requests that it has to check fail.
    with pytest.raises(GuardError, match="cannot be checked"):
        asyncio.run(guard.check(["text"], Content("", "input", "demo")))
