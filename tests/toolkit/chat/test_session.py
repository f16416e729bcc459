"""Which models chat, what is sent, and what is measured."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from tests.support.contexts import deployed, outputs
from tests.toolkit.chat.conftest import KEY, Api, completion, delta, event
from toolkit.chat import completions
from toolkit.chat.session import (
    Conversation,
    Message,
    Metrics,
    Part,
    Session,
    Settings,
    Turn,
    _raise,
    _refused,
    open_session,
    well_formed,
)
from toolkit.environment import Environment
from toolkit.errors import InputError, PreflightError, ToolkitError


def respond(session: Session, *turns: Turn, **settings: Any) -> list[Part | Metrics]:
    return list(session.respond(Conversation(session.settings(**settings), list(turns)).request("Hi")))


def test_requests_have_the_conversation_and_the_settings(session: Session, api: Api) -> None:
    respond(session, Turn("One?", "Two", truncated=True), system="Be brief.", temperature=0.0, max_tokens=9)
    (request,) = api.requests
    assert request["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "One?"},
        {"role": "assistant", "content": "Two"},
        {"role": "user", "content": "Hi"},
    ]
    assert (request["model"], request["temperature"], request["max_tokens"]) == ("small", 0, 9)
    assert api.engine.requests[0]["headers"]["authorization"] == f"Bearer {KEY}"


def test_settings_that_are_not_given_are_not_sent(session: Session, api: Api) -> None:
    respond(session)
    assert not {"temperature", "max_tokens"} & api.requests[0].keys()
    assert [message["role"] for message in api.requests[0]["messages"]] == ["user"]


@pytest.mark.parametrize("names", [["reasoning"], ["reasoning_content", "reasoning"]])
def test_reasoning_by_any_name(session: Session, api: Api, names: list[str]) -> None:
    deltas = [delta(**dict.fromkeys(names, "Hm.")), delta("Hello", "stop")]
    api.events = [[*deltas, b"data: [DONE]\n\n"]]
    assert list(respond(session))[:2] == [Part(reasoning="Hm."), Part("Hello")]


def test_metrics_follow_their_definitions(session: Session, api: Api) -> None:
    """Sent at 10 s; tokens at 12, 13 and 16 s: the first after 2 s, then two tokens in 4 s."""
    times = iter([10.0, 12.0, 13.0, 16.0])
    usage = {"prompt_tokens": 7, "completion_tokens": 3}
    deltas = [delta(role="assistant"), delta(reasoning_content="Hm."), delta("Hello"), delta("!", "length")]
    api.events = [[*deltas, event(model="small", choices=[], usage=usage), b"data: [DONE]\n\n"]]
    *parts, metrics = respond(replace(session, clock=lambda: next(times)))
    assert parts == [Part(reasoning="Hm."), Part("Hello"), Part("!")]
    assert metrics == Metrics("small", False, "length", 2.0, 0.5, 7, 3)
    assert metrics.line() == (
        "first token after 2.00 s · 0.5 tokens/s · 7 + 3 tokens · truncated at the maximum number of tokens"
    )


def test_an_empty_response_has_no_rate(session: Session, api: Api) -> None:
    api.events = [completion()]
    (metrics,) = respond(session)
    assert isinstance(metrics, Metrics)
    assert metrics.line() == "7 + 0 tokens"


def test_a_fallback_is_named(session: Session, api: Api) -> None:
    api.events = [completion("Hello")]
    *_, metrics = respond(session, model="tiny")
    assert isinstance(metrics, Metrics)
    assert metrics.line().startswith("small responded as the fallback · ")


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        ((400, b'{"error": {"message": "Bad."}}'), InputError, "cannot get a response: Bad (HTTP 400)"),
        (
            (400, b'{"error": {"message": "Too long.", "code": "context_length_exceeded"}}'),
            InputError,
            "begin a new conversation",
        ),
        ((401, b'{"error": {"message": "Wrong key."}}'), PreflightError, "toolkit keys list --env x"),
        ((403, b'{"message": "Forbidden"}'), PreflightError, "cannot get a response: Forbidden (HTTP 403)"),
        (
            (403, b'{"error": {"message": "No.", "code": "model_not_allowed"}}'),
            PreflightError,
            "usage plan of the key `default`",
        ),
        ((429, b'{"error": {"message": "Slow down."}}'), PreflightError, "try again later"),
        (
            (429, b'{"error": {"message": "Used up.", "code": "insufficient_quota"}}'),
            PreflightError,
            "`toolkit keys list --env x` shows the budgets",
        ),
        ((502, b"<html>"), ToolkitError, "cannot get a response: <html> (HTTP 502)"),
        ((504, b""), ToolkitError, "no message (HTTP 504)"),
    ],
)
def test_errors_of_the_api_say_what_to_do(
    session: Session, api: Api, error: tuple[int, bytes], kind: type[ToolkitError], text: str
) -> None:
    api.error = error
    with pytest.raises(ToolkitError) as caught:
        respond(session)
    assert type(caught.value) is kind
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([delta("Hel")], "ended after 1 chunks without [DONE]"),
        ([delta("Hel"), event(error={"message": "worker died"})], "error in the stream: worker died"),
        ([delta("Hel"), b"data: {half\n\n"], "not a completion chunk"),
    ],
)
def test_the_parts_before_an_error_are_valid(
    session: Session, api: Api, events: list[bytes], reason: str
) -> None:
    api.events = [events]
    response = session.respond(Conversation(session.settings()).request("Hi"))
    assert next(response) == Part("Hel")
    with pytest.raises(ToolkitError, match="cannot complete the response") as caught:
        list(response)
    assert reason in str(caught.value)


def test_an_api_out_of_reach_is_an_error(session: Session, api: Api) -> None:
    session.api.base_url = httpx.URL("http://127.0.0.1:1/v1/")
    with pytest.raises(PreflightError, match="cannot get a response from the API") as caught:
        respond(session)
    assert "toolkit smoke-test --env x" in str(caught.value)
    assert KEY not in str(caught.value)


def test_models_that_do_not_chat_are_refused_with_the_reason(environment: Environment) -> None:
    models = {
        "slow": replace(deployed("llm-x-slow", "c"), endpoint_type="async"),
        "small": deployed("s", "c"),
    }
    assert _refused(environment, cast(Any, SimpleNamespace(models=models))) == {
        "slow": "it is asynchronous, and its responses go to S3",
        "vectors": "it creates embeddings, not text",
        "embedder": "it creates embeddings, not text",
        "ranker": "it compares texts, and generates none",
    }


def test_the_model_of_a_chat(session: Session) -> None:
    # An alias is not another model.
    assert session.settings().model == "small"
    assert session.settings("tiny").model == "tiny"
    with pytest.raises(InputError, match="cannot chat with vectors: it creates embeddings") as caught:
        session.settings("vectors")
    assert "choose one of: small, tiny" in str(caught.value)
    with pytest.raises(InputError, match="cannot chat with gpt: environment x has no model of this name"):
        session.settings("gpt")
    with pytest.raises(InputError, match="several models chat"):
        replace(session, models=("small", "vectors")).settings()
    with pytest.raises(InputError, match="no model of x generates text"):
        replace(session, models=()).settings()
    with pytest.raises(InputError, match="cannot measure gpt: environment x has no model"):
        replace(session, verb="measure").settings("gpt")


def test_requests_are_well_formed() -> None:
    assert well_formed("caf\udcc3\udca9 \udcff") == "café \N{REPLACEMENT CHARACTER}"
    request = Conversation(Settings("m", system=" "), [Turn("a", "b")]).request("c")
    assert list(request.messages) == [
        Message("user", "a"),
        Message("assistant", "b"),
        Message("user", "c"),
    ]
    assert request.body().keys() == {"model", "messages"}


def test_the_time_to_try_again_is_that_of_the_api(environment: Environment) -> None:
    response = httpx.Response(429, headers={"retry-after": "7"}, json={"error": {"message": "Slow down."}})
    with pytest.raises(PreflightError, match="Slow down") as caught:
        _raise(completions.RefusedError(response), environment)
    assert caught.value.remedy == "try again in 7 s"


def test_a_paused_environment_is_an_error(environment: Environment) -> None:
    context = cast(Any, SimpleNamespace(environment=environment))
    paused = outputs({}, paused=True)
    with (
        pytest.raises(PreflightError, match="cannot measure a model: environment x is paused"),
        open_session(context, paused, "measure"),
    ):
        pass
