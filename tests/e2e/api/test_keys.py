"""API keys of the environment file: their models, rates and quotas."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from typing import Any

import httpx
import openai
import pytest

from tests.e2e.api.conftest import Api
from tests.support.cloud import eventually
from tests.support.patience import HANG_SECONDS

pytestmark = pytest.mark.e2e


def key(api: Api, name: str) -> str:
    return api.toolkit.succeed("keys", "show", name, "--env", "clients").strip()


@pytest.fixture(scope="module")
def guest_key(api: Api) -> str:
    """The key for `echo` and, by its alias, `embedder`."""
    return key(api, "guest")


@pytest.fixture
def guest_client(api: Api, guest_key: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=api.base_url, api_key=guest_key, max_retries=0)


def ask(client: openai.OpenAI, model: str) -> str | None:
    response = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "hello"}])
    return response.choices[0].message.content


def test_keys_are_in_the_usage_plans_of_the_file(api: Api) -> None:
    keys = json.loads(api.toolkit.succeed("keys", "list", "--env", "clients", "--json"))
    assert {key["name"]: key["usage_plan"] for key in keys} == {
        "default": "default",
        "spent": "once",
        "guest": "some-models",
        "hasty": "slow",
        "saver": "frugal",
        "jwt/some-models": "some-models",
    }


def test_a_key_allows_the_models_of_its_usage_plan(api: Api, guest_client: openai.OpenAI) -> None:
    # One name of a model allows all of its names.
    assert {model.id for model in guest_client.models.list()} == {"echo", "embedder", "vectors"}
    assert ask(guest_client, "echo") == "hello "
    assert guest_client.embeddings.create(model="embedder", input="hello").data[0].embedding
    unrestricted = openai.OpenAI(base_url=api.base_url, api_key=api.key)
    assert {"smollm2", "echo", "embedder", "broken"} < {model.id for model in unrestricted.models.list()}


def test_other_models_are_refused_with_openai_errors(guest_client: openai.OpenAI) -> None:
    with pytest.raises(openai.PermissionDeniedError) as refused:
        ask(guest_client, "smollm2")
    assert refused.value.body == {
        "message": "This API key may not use the model 'smollm2'.",
        "type": "invalid_request_error",
        "param": "model",
        "code": "model_not_allowed",
    }
    with pytest.raises(openai.PermissionDeniedError):
        guest_client.chat.completions.create(
            model="smollm2", messages=[{"role": "user", "content": "hello"}], stream=True
        )
    with pytest.raises(openai.PermissionDeniedError):
        guest_client.models.retrieve("smollm2")
    with pytest.raises(openai.NotFoundError) as missing:
        ask(guest_client, "no-such-model")
    assert missing.value.code == "model_not_found"


def test_a_rotated_key_allows_the_same_models(api: Api, guest_key: str) -> None:
    rotated = api.toolkit.succeed("keys", "rotate", "guest", "--env", "clients").strip()
    assert rotated != guest_key
    for value in (rotated, guest_key):
        client = openai.OpenAI(base_url=api.base_url, api_key=value, max_retries=0)
        assert ask(client, "echo") == "hello "
        with pytest.raises(openai.PermissionDeniedError):
            ask(client, "smollm2")


def test_only_keys_beyond_their_rate_or_quota_are_refused(api: Api) -> None:
    def models(value: str) -> httpx.Response:
        return httpx.get(
            f"{api.base_url}/models", headers={"authorization": f"Bearer {value}"}, timeout=HANG_SECONDS
        )

    limited = key(api, "hasty")
    *admitted, throttled = [models(limited) for _ in range(3)]
    assert [response.status_code for response in admitted] == [200, 200]
    assert throttled.status_code == 429
    assert throttled.headers["retry-after"] == "1"
    assert throttled.json()["error"]["code"] == "rate_limit_exceeded"
    api.spend()
    response = models(api.spent_key)
    assert response.status_code == 429
    assert "retry-after" not in response.headers
    assert response.json()["error"]["code"] == "insufficient_quota"
    assert models(api.key).status_code == 200


def test_a_key_whose_budget_is_used_up(api: Api) -> None:
    value = key(api, "saver")
    client = openai.OpenAI(base_url=api.base_url, api_key=value)
    assert ask(client, "echo") == "hello "
    with pytest.raises(openai.RateLimitError) as refused:
        ask(client, "echo")
    assert refused.value.code == "insufficient_quota"
    # Days until the next month: the client must not try again.
    assert refused.value.response.headers["x-should-retry"] == "false"
    assert int(refused.value.response.headers["retry-after"]) >= 1
    messages = {"model": "echo", "max_tokens": 5, "messages": [{"role": "user", "content": "hello"}]}
    reply = httpx.post(
        f"{api.base_url}/messages", json=messages, headers={"x-api-key": value}, timeout=HANG_SECONDS
    )
    assert (reply.status_code, reply.json()["error"]["type"]) == (429, "rate_limit_error")
    keys = json.loads(api.toolkit.succeed("keys", "list", "--env", "clients", "--json"))
    (usage,) = [item["usage"] for item in keys if "usage" in item]
    assert (usage["tokens_this_month"], usage["tokens_per_month"]) == (6, 6)
    assert usage["dollars_this_month"] == pytest.approx((5 * 100 + 250) / 1_000_000)
    lines = api.toolkit.succeed("keys", "list", "--env", "clients")
    assert "frugal  6 of 6 tokens this month  $0.00 of $5.00 this month" in lines


def test_usage_by_key_model_and_day(api: Api) -> None:
    first_day = datetime.now(UTC).date()
    one, two = (
        openai.OpenAI(
            base_url=api.base_url,
            api_key=api.toolkit.succeed("keys", "create", name, "--env", "clients").strip(),
            max_retries=0,
        )
        for name in ("usage-one", "usage-two")
    )
    assert ask(one, "echo") == "hello "
    messages: Any = [{"role": "user", "content": "two words"}]
    assert len(list(one.chat.completions.create(model="echo", messages=messages, stream=True))) >= 2
    embedded = one.embeddings.create(model="vectors", input="hello").usage.prompt_tokens
    assert ask(two, "echo") == "hello "
    with pytest.raises(openai.APIStatusError):
        ask(two, "broken")

    def usage(*arguments: str) -> str:
        return api.toolkit.succeed("usage", "--env", "clients", "--since", "1d", *arguments)

    sums: dict[tuple[str, str], tuple[Any, ...]] = {}

    def all_counted() -> bool:
        counts = ("requests", "errors", "unmetered", "input_tokens", "output_tokens", "dollars")
        for row in json.loads(usage("--by", "key", "--by", "model", "--json"))["rows"]:
            if row["key"] in {"usage-one", "usage-two"}:
                sums[row["key"], row["model"]] = tuple(row[count] for count in counts)
        return sum(row[0] for row in sums.values()) == 5

    # The output of functions reaches the log after the response.
    eventually(all_counted)
    assert sums == {
        ("usage-one", "echo"): (2, 0, 0, 10, 3, 0.00175),
        ("usage-one", "embedder"): (1, 0, 0, embedded, 0, None),
        ("usage-two", "echo"): (1, 0, 0, 5, 1, 0.00075),
        ("usage-two", "broken"): (1, 1, 0, 0, 0, 0.0),
    }
    by_day = [
        row
        for row in csv.DictReader(io.StringIO(usage("--by", "key", "--by", "day", "--csv")))
        if row["key"] == "usage-one"
    ]
    assert {row["day"] for row in by_day} <= {str(first_day), str(datetime.now(UTC).date())}
    assert sum(int(row["input_tokens"]) for row in by_day) == 10 + embedded
    table = {line.split()[0]: line.split()[1:] for line in usage().splitlines()}
    assert table["key"] == ["requests", "errors", "input", "tokens", "output", "tokens", "dollars"]
    assert table["usage-one"] == ["3", "0", str(10 + embedded), "3", "unknown"]
    assert table["usage-two"] == ["2", "1", "5", "1", "0.0008"]
    empty = api.toolkit("usage", "--env", "clients", "--since", "30d", "--until", "29d")
    assert (empty.returncode, empty.stdout) == (0, "")
    assert "no requests from" in empty.stderr
