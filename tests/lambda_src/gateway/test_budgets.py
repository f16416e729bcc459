"""Budgets of API keys, with the counters in the embedded cloud's DynamoDB."""

from __future__ import annotations

import asyncio
import json
import math
import threading
import uuid
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from gateway.app import create_app
from gateway.budgets import Budgets
from gateway.dynamodb import Table, UnavailableError
from gateway.endpoints import Endpoints
from gateway.service import Models
from gateway.settings import Settings

from tests.lambda_src.gateway.conftest import MODELS
from tests.lambda_src.gateway.test_metrics import emitted
from tests.support.cloudprocess import CloudProcess, running
from tests.support.gateway import delta, sse
from tests.support.patience import HANG_SECONDS, wait_for

NOON = datetime(2026, 11, 30, 12, 0, 15, tzinfo=UTC)
# 40 characters and the role: 11 tokens by the estimate, with the model's name.
PROMPT = {"model": "demo", "messages": [{"role": "user", "content": "four" * 8}]}
TABLE = {
    "AttributeDefinitions": [
        {"AttributeName": name, "AttributeType": "S"} for name in ("api_key", "usage_month")
    ],
    "KeySchema": [
        {"AttributeName": "api_key", "KeyType": "HASH"},
        {"AttributeName": "usage_month", "KeyType": "RANGE"},
    ],
    "BillingMode": "PAY_PER_REQUEST",
}


def response(prompt: int, output: int, *, usage: bool = True) -> list[bytes]:
    """A streamed response of an engine."""
    counts = {"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output}
    parts = [sse(delta("a")), sse(delta("b", "stop"))]
    return [*parts, sse({"choices": [], "usage": counts}), b"data: [DONE]\n\n"] if usage else parts


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudProcess]:
    with running(tmp_path_factory.mktemp("cloud")) as cloud:
        yield cloud


@dataclass
class Lab:
    """The gateway's application, with its own clock.

    Attributes:
        budget: of the keys `team` and `*`; the key `free` has none.
        now: the time.
        dynamodb: address of DynamoDB; None for the cloud's.
    """

    cloud: CloudProcess
    engine: Any
    budget: dict[str, Any]
    now: datetime = NOON
    models: dict[str, dict[str, Any]] = field(default_factory=lambda: MODELS)
    table: str = field(default_factory=lambda: uuid.uuid4().hex)
    seconds: float = HANG_SECONDS
    dynamodb: str | None = None

    def environment(self) -> dict[str, str]:
        key, secret = self.cloud.root_key
        return {
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.engine.address,
            "AWS_ENDPOINT_URL_DYNAMODB": self.dynamodb or self.cloud.endpoint_url,
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
            "GATEWAY_MODELS": json.dumps(self.models),
            "GATEWAY_BUDGETS": json.dumps(
                {"trial": {"keys": ["team", "*"], **self.budget}, "free": {"keys": ["free"]}}
            ),
            "GATEWAY_BUDGET_TABLE": self.table,
        }

    def time(self) -> float:
        return self.now.timestamp()

    def create_table(self) -> None:
        self.cloud.client("dynamodb").create_table(TableName=self.table, **TABLE)

    def counters(self, key: str = "team", month: str = "2026-11") -> dict[str, str]:
        item = self.cloud.client("dynamodb").get_item(
            TableName=self.table, Key={"api_key": {"S": key}, "usage_month": {"S": month}}
        )
        return {name: value["N"] for name, value in item.get("Item", {}).items() if "N" in value}

    def run(self, use: Callable[[httpx.AsyncClient], Awaitable[Any]]) -> Any:
        """Run `use` with a client of the application."""

        async def started() -> Any:
            environment = self.environment()
            settings = Settings.from_environment(environment)
            models = Models(settings.models, Endpoints(environment), settings.key_models)
            table = Table(environment, settings.budget_table, self.seconds)
            app = create_app(models, settings, Budgets(settings, table, self.time))
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
                return await use(client)

        return asyncio.run(started())

    def ask(self, path: str = "/v1/chat/completions", *, key: str = "team", **members: Any) -> httpx.Response:
        """One request."""
        body = {**PROMPT, **members}
        return self.run(lambda client: client.post(path, json=body, headers=context(key)))


def context(key: str, request_id: str = "r") -> dict[str, str]:
    """The header of API Gateway for a request with the key `key`."""
    identity = {"apiKeyId": "abc", "apiKey": f"sk-{key}-{'A' * 40}" if key else "made-elsewhere"}
    return {"x-amzn-request-context": json.dumps({"requestId": request_id, "identity": identity})}


@pytest.fixture
def lab(cloud: CloudProcess, engine: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Lab]:
    """Creates applications, each with its own table."""
    for name, value in zip(("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"), cloud.root_key, strict=True):
        monkeypatch.setenv(f"AWS_{name}", value)

    def create(budget: dict[str, Any], **members: Any) -> Lab:
        lab = Lab(cloud, engine, budget, **members)
        lab.create_table()
        return lab

    return create


def test_tokens_per_minute(lab: Any, engine: Any) -> None:
    lab = lab({"tokens_per_minute": 100})
    engine.respond(*response(30, 70))
    first = lab.ask()
    assert first.status_code == 200
    assert first.headers["x-ratelimit-limit-tokens"] == "100"
    assert 0 < int(first.headers["x-ratelimit-remaining-tokens"]) < 100

    refused = lab.ask()
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "45")
    assert refused.headers["x-ratelimit-remaining-tokens"] == "0"
    assert refused.headers["x-ratelimit-reset-tokens"] == "45s"
    assert refused.json()["error"] == {
        "message": "Rate limit reached for this API key on tokens per min (TPM): Limit 100, Used 100. "
        "Please try again in 45s.",
        "type": "tokens",
        "param": None,
        "code": "rate_limit_exceeded",
    }
    assert len(engine.bodies) == 1

    lab.now += timedelta(seconds=45)
    assert lab.ask(stream=True).status_code == 200
    assert lab.counters()["month_tokens"] == "200"
    assert lab.counters()["minute_tokens"] == "100"


@pytest.mark.parametrize("limits", [{"tokens_per_month": 100}, {"dollars_per_month": 0.00011}])
def test_tokens_and_dollars_per_month(lab: Any, engine: Any, limits: dict[str, Any]) -> None:
    lab = lab(limits, models={"demo": {"endpoint": "demo", "price": [0.5, 1.35]}})
    engine.respond(*response(30, 70))
    assert lab.ask().status_code == 200
    assert (lab.counters()["month_tokens"], lab.counters()["month_dollars"]) == ("100", "0.0001095")
    lab.now += timedelta(minutes=7)
    assert lab.ask().status_code == (429 if "tokens_per_month" in limits else 200)

    refused = lab.ask()
    assert refused.status_code == 429
    # Until December, in UTC.
    assert int(refused.headers["retry-after"]) == 11 * 3600 + 52 * 60 + 45
    assert refused.headers["x-should-retry"] == "false"
    error = refused.json()["error"]
    assert (error["type"], error["code"]) == ("insufficient_quota", "insufficient_quota")
    assert error["message"].startswith("You exceeded your current quota: ")

    lab.now += timedelta(days=1)
    assert lab.ask().status_code == 200
    december = lab.counters(month="2026-12")
    assert december["month_tokens"] == "100"
    assert datetime.fromtimestamp(int(december["expires_at"]), UTC) > datetime(2028, 1, 1, tzinfo=UTC)


def test_each_api_counts_and_refuses_in_its_own_shape(lab: Any, engine: Any) -> None:
    lab = lab({"tokens_per_month": 25, "tokens_per_minute": 1000})
    engine.respond(*response(4, 6))
    message = lab.ask("/v1/messages", max_tokens=10)
    assert message.status_code == 200
    assert message.headers["anthropic-ratelimit-tokens-reset"] == "2026-11-30T12:01:00Z"
    assert (
        lab.run(
            lambda client: client.post(
                "/v1/responses", json={"model": "demo", "input": "hi"}, headers=context("team")
            )
        ).status_code
        == 200
    )
    assert lab.counters()["month_tokens"] == "20"
    assert lab.ask("/v1/messages/count_tokens").status_code == 200
    assert lab.counters()["month_tokens"] == "30"
    refused = lab.ask("/v1/messages", max_tokens=10)
    assert (refused.status_code, refused.json()["type"]) == (429, "error")
    assert refused.json()["error"]["type"] == "rate_limit_error"
    # Lists are free.
    models = lab.run(lambda client: client.get("/v1/models", headers=context("team")))
    assert models.status_code == 200


def test_200_streams_overspend_by_less_than_one_reservation(lab: Any, engine: Any) -> None:
    """The bound in docs/how-to/budgets.md: streams whose length is limited are reserved in full."""
    lab = lab({"tokens_per_month": 1000})
    admitted, refused = streams(lab, engine, 200, max_tokens=64)
    used = int(lab.counters()["month_tokens"])
    assert admitted + refused == 200
    assert used == admitted * (10 + 64)
    reserved = 64 + estimate()
    assert admitted == math.ceil(1000 / reserved)
    assert used < 1000 + reserved


def test_the_overspend_of_200_streams_of_unknown_length(lab: Any, engine: Any) -> None:
    """The same without a limit of tokens: only prompts are reserved."""
    lab = lab({"tokens_per_month": 1000})
    admitted, refused = streams(lab, engine, 200)
    used = int(lab.counters()["month_tokens"])
    assert refused > 0
    assert admitted == math.ceil(1000 / estimate())
    assert used == admitted * (10 + 64)
    assert lab.ask().status_code == 429


@pytest.mark.parametrize(
    ("parts", "failure", "used"),
    [
        # The engine's counts, also if the model fails after them.
        (response(30, 70)[:-1], ("ModelStreamError", {"Message": "m"}), 100),
        # The model failed before the first token.
        ([], ("ModelStreamError", {"Message": "m"}), 0),
        # It failed in the middle, or does not count: the estimate of the prompt, and a token per chunk.
        ([sse(delta("a"))], ("ModelStreamError", {"Message": "m"}), "estimate + 1"),
        (response(30, 70, usage=False), None, "estimate + 2"),
        ([sse({**delta("a", "stop"), "usage": {"prompt_tokens": "x", "completion_tokens": -5}})], None, 0),
    ],
)
def test_what_a_request_has_used(lab: Any, engine: Any, parts: Any, failure: Any, used: Any) -> None:
    lab = lab({"tokens_per_month": 1_000_000})
    engine.respond(*parts)
    engine.failure = failure
    lab.ask(stream=True, max_tokens=5000)
    expected = used if isinstance(used, int) else estimate() + int(used[-1])
    assert lab.counters()["month_tokens"] == lab.counters()["minute_tokens"] == str(expected)


def test_engines_without_counts_of_embeddings(lab: Any, engine: Any) -> None:
    lab = lab({"tokens_per_month": 1000})
    engine.respond(b"[[0.5, 0.25]]")
    body = {"model": "vectors", "input": "four" * 20}
    reply = lab.run(lambda client: client.post("/v1/embeddings", json=body, headers=context("team")))
    assert reply.status_code == 200
    assert 20 <= int(lab.counters()["month_tokens"]) <= 25


def test_only_images_weigh_nothing(lab: Any, engine: Any) -> None:
    """A prompt must not become free because it begins like a data URL."""
    lab = lab({"tokens_per_month": 10_000})
    url = "data:" + "x" * 4000
    image = {"type": "image_url", "image_url": {"url": url}}
    for content, least, most in (
        ([image], 1, 100),
        (url, 1000, 1100),
        ([{"type": "text", "text": url}], 1000, 1100),
    ):
        before = int(lab.counters().get("month_tokens", 0))
        engine.respond(*response(30, 70, usage=False))
        assert lab.ask(messages=[{"role": "user", "content": content}]).status_code == 200
        assert least <= int(lab.counters()["month_tokens"]) - before <= most


def test_a_query_counts_with_each_of_its_documents(lab: Any, engine: Any) -> None:
    lab = lab({"tokens_per_month": 1000})
    engine.respond(json.dumps([{"index": index, "score": 0.5} for index in range(5)]).encode())
    body = {"model": "vectors", "query": "four" * 20, "documents": ["four"] * 5}
    reply = lab.run(lambda client: client.post("/v1/rerank", json=body, headers=context("team")))
    assert reply.status_code == 200
    assert 5 * 21 <= int(lab.counters()["month_tokens"]) <= 110


def test_a_response_that_outlasts_its_minute(lab: Any, engine: Any) -> None:
    lab = lab({"tokens_per_minute": 100})

    def pass_minutes() -> None:
        lab.now += timedelta(minutes=2)

    # More than reserved counts in the minute of its end.
    engine.respond(pass_minutes, *response(30, 170))
    assert lab.ask().status_code == 200
    assert int(lab.counters()["minute_tokens"]) == 200 - estimate()
    assert lab.ask().status_code == 429

    # Less than reserved is returned to the month; the minute of the reservation has passed.
    lab.now += timedelta(minutes=1)
    engine.respond(*response(1, 0))
    lab.ask()
    engine.respond(pass_minutes, *response(1, 1))
    lab.ask(max_tokens=5000)
    assert lab.counters()["month_tokens"] == "203"


def test_the_clock_of_another_instance_may_be_ahead(lab: Any, engine: Any) -> None:
    lab = lab({"tokens_per_minute": 100})
    engine.respond(*response(30, 70))
    lab.now += timedelta(minutes=1)
    lab.ask()
    lab.now -= timedelta(seconds=20)
    refused = lab.ask()
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "65")


def test_keys_have_budgets_of_their_own(lab: Any, engine: Any) -> None:
    lab = lab({"tokens_per_month": 50})
    engine.respond(*response(30, 70))
    assert [lab.ask(key=key).status_code for key in ("team", "team", "other", "other", "", "")] == [
        200,
        429,
    ] * 3
    assert lab.counters("other")["month_tokens"] == lab.counters("id:abc")["month_tokens"] == "100"
    # A plan without a budget does not even need a table.
    without = Lab(lab.cloud, engine, {"tokens_per_month": 1}, dynamodb="http://127.0.0.1:9")
    assert [without.ask(key="free").status_code for _ in range(2)] == [200, 200]


def test_the_model_that_responds_is_paid(lab: Any, engine: Any) -> None:
    prices = {
        "demo": {"endpoint": "demo", "fallback": "backup", "price": [1, 1]},
        "backup": {"endpoint": "backup", "price": [2, 3]},
    }
    lab = lab({"dollars_per_month": 5}, models=prices)
    engine.error = (400, "ModelNotReadyException", {"message": "not ready"})
    engine.respond(*response(100_000, 200_000))
    assert lab.ask(max_tokens=8).status_code == 200
    assert lab.counters()["month_dollars"] == "0.800000"


def test_requests_are_admitted_without_counters(lab: Any, engine: Any, capsys: Any) -> None:
    """Availability of the API comes first, and the log and a metric tell the operator."""
    engine.respond(*response(30, 70))
    for unreachable in (
        Lab(lab({}).cloud, engine, {"tokens_per_month": 1}),
        Lab(lab({}).cloud, engine, {"tokens_per_month": 1}, dynamodb="http://127.0.0.1:9"),
    ):
        assert [unreachable.ask().status_code for _ in range(2)] == [200, 200]
        for text in capsys.readouterr().out.splitlines():
            line = json.loads(text)
            assert line["level"] == "ERROR"
            assert line["budget_error"].startswith(("ResourceNotFoundException", "ConnectError"))
            assert (line["BudgetErrors"], line["BudgetRejections"]) == (1, 0)


def test_dynamodb_is_too_slow(lab: Any, engine: Any, capsys: Any) -> None:
    engine.respond(*response(30, 70))
    slow = Lab(lab({}).cloud, engine, {"tokens_per_month": 1}, seconds=0.000001)
    assert slow.ask().status_code == 200
    assert "did not respond within 1e-06 s" in json.loads(capsys.readouterr().out)["budget_error"]


def test_more_requests_than_dynamodb_counts_are_refused(lab: Any, engine: Any, capsys: Any) -> None:
    """A key must not get rid of its budget by calling too often."""
    lab = Lab(lab({}).cloud, engine, {"tokens_per_month": 1}, dynamodb=f"{engine.address}/endpoints/table")
    code = "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"
    engine.failing, engine.error = ("table",), (400, "", {"__type": code, "message": "slow down"})
    refused = lab.ask()
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"
    assert json.loads(capsys.readouterr().out)["Throttles"] == 1


@pytest.mark.parametrize("status", [400, 500])
def test_a_moment_without_dynamodb_loses_no_count(
    engine: Any, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    code = "ThrottlingException" if status == 400 else "InternalServerError"
    engine.failing, engine.error = ("table",), (status, "", {"__type": code, "message": "soon"})
    environment = {"AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": f"{engine.address}/endpoints/table"}

    async def update() -> dict[str, Any]:
        table = Table(environment, "budgets", HANG_SECONDS)
        return dict(await table.update({"api_key": "a"}, "ADD month_tokens :tokens", None, {"tokens": 1}))

    with pytest.raises(UnavailableError, match="soon"):
        asyncio.run(update())
    assert len(engine.bodies) == 3

    def recover() -> None:
        if len(engine.bodies) == 5:  # at the second attempt
            engine.error = None

    engine.before_response = recover
    engine.respond(b'{"Attributes": {"month_tokens": {"N": "7"}}}')
    assert asyncio.run(update()) == {"month_tokens": 7}


def test_a_running_gateway(lab: Any, engine: Any, start_gateway: Any) -> None:
    lab = lab({"tokens_per_month": 200})
    gateway = start_gateway({**lab.environment(), "GATEWAY_BUDGET_SECONDS": str(HANG_SECONDS)})
    gateway.wait_until_ready()
    month = f"{datetime.now(UTC):%Y-%m}"
    url = f"{gateway.address}/v1/chat/completions"

    # The client disconnects: what the model has generated until then counts.
    engine.respond_forever(sse(delta("a")), sse(delta("b")))
    body = {**PROMPT, "stream": True, "max_tokens": 150}
    with httpx.stream("POST", url, json=body, headers=context("team", "r-1"), timeout=HANG_SECONDS) as stream:
        events = stream.iter_raw()
        next(events)
        assert int(lab.counters(month=month)["month_tokens"]) == 150 + estimate()
    wait_for(lambda: int(lab.counters(month=month)["month_tokens"]) < 150, "the settlement")
    assert int(lab.counters(month=month)["month_tokens"]) > estimate()

    engine.respond(*response(30, 170))
    assert (
        httpx.post(url, json=PROMPT, headers=context("team", "r-2"), timeout=HANG_SECONDS).status_code == 200
    )
    refused = httpx.post(url, json=PROMPT, headers=context("team", "r-3"), timeout=HANG_SECONDS)
    assert refused.status_code == 429
    sets, metrics = emitted(gateway.log_line("r-3"))
    assert (("FunctionName", "gateway"), ("ApiKeyId", "abc")) in sets
    assert (metrics["BudgetRejections"], metrics["BudgetErrors"], metrics["Throttles"]) == (1, 0, 0)
    assert emitted(gateway.log_line("r-2"))[1]["BudgetRejections"] == 0


def streams(lab: Lab, engine: Any, count: int, **members: Any) -> tuple[int, int]:
    """Send requests at once, each answered when all are admitted or refused; returns how many were."""
    statuses: list[int] = []
    decided = threading.Event()
    engine.respond(lambda: decided.wait(HANG_SECONDS), *response(10, 64))

    async def stream(client: httpx.AsyncClient) -> None:
        body = {**PROMPT, "stream": True, **members}
        reply = await client.post("/v1/chat/completions", json=body, headers=context("team"))
        statuses.append(reply.status_code)

    async def all_streams(client: httpx.AsyncClient) -> None:
        tasks = [asyncio.ensure_future(stream(client)) for _ in range(count)]
        while len(engine.bodies) + len(statuses) < count:
            await asyncio.sleep(0.01)
        decided.set()
        await asyncio.gather(*tasks)

    lab.run(all_streams)
    assert set(statuses) == {200, 429}
    return statuses.count(200), statuses.count(429)


def estimate() -> int:
    """The tokens that the gateway reserves for the prompt."""
    return sum(map(len, ["demo", "user", "four" * 8])) // 4
