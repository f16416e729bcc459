"""Usage reports, from log lines that the gateway's own record writes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest
from gateway.errors import ApiError, InvalidRequestError, ModelError
from gateway.metrics import embedded_metrics
from gateway.model_response import Caller, ModelRequest, ModelResponse
from gateway.request_log import RequestRecord
from gateway.settings import Model

from tests.support.contexts import opened
from tests.toolkit.test_documents import OUTPUTS
from toolkit.aws import state_bucket
from toolkit.aws.access import AwsAccess
from toolkit.deployment import usage as usage_log
from toolkit.deployment.usage import Collector, period
from toolkit.environment.model import Price
from toolkit.errors import InputError
from toolkit.report.usage import Usage

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
MONTH = datetime(2026, 11, 1, tzinfo=UTC)
SCOPE = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": []}
WEBSITE = {"apiKeyId": "a1b2c3", "apiKey": f"sk-website-{'x' * 40}"}
GUEST = {"apiKeyId": "d4e5f6", "apiKey": f"sk-guest-{'x' * 40}"}
PRICES = {
    "chat": Price(input_per_million=0.2, output_per_million=0.6),
    "large": Price(input_per_million=2, output_per_million=8),
}
NO_TOKENS: tuple[int | None, int | None] = (None, None)


def line(
    identity: dict[str, str],
    model: str | None = "chat",
    tokens: tuple[int | None, int | None] = (10, 5),
    *,
    status: int = 200,
    error: ApiError | None = None,
    fallback: str | None = None,
) -> str:
    """The log line of a request."""
    # The authorizer names callers with a JWT; it may name one like a key.
    authorizer = {"caller": "website"} if identity.get("apiKey", "").startswith("jwt-") else {}
    context = {"requestId": "r", "identity": identity, "authorizer": authorizer}
    record = RequestRecord.create(SCOPE, json.dumps(context))
    if model is not None:
        request = ModelRequest(Model(model, model), b"{}", cast("Any", None))
        record.response = ModelResponse(cast("Any", None), request, None, Caller("r"), "messages")
        counts = dict(zip(("prompt_tokens", "completion_tokens"), tokens, strict=True))
        record.response.usage = {name: count for name, count in counts.items() if count is not None}
        record.response.fallback = fallback
    record.status, record.error = status, error
    return json.dumps({**record.line(), **embedded_metrics(record, "gateway")})


def report(
    lines: Sequence[str | tuple[datetime, str]], *by: str, prices: dict[str, Price] = PRICES, **options: Any
) -> Usage:
    collector = Collector(by or ("key",))
    for entry in lines:
        moment, text = entry if isinstance(entry, tuple) else (NOW, entry)
        collector.add(int(moment.timestamp() * 1000), text)
    return collector.usage("dev", prices, MONTH, NOW, **options)


def rows(usage: Usage) -> dict[tuple[str | None, ...], tuple[int, int, int]]:
    """Requests, input and output tokens of each group."""
    return {
        tuple(row.group.values()): (row.tally.requests, row.tally.input_tokens, row.tally.output_tokens)
        for row in usage.rows
    }


LAST_SECOND = datetime(2026, 11, 2, 23, 59, 59, 999_000, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 3, tzinfo=UTC)
MIXED = [
    (LAST_SECOND, line(WEBSITE, "chat", (10, 5))),
    (MIDNIGHT, line(WEBSITE, "chat", (20, 7))),
    (MIDNIGHT, line(WEBSITE, "large", (1000, 100))),
    (MIDNIGHT, line(GUEST, "chat", (1, 2))),
]


def test_requests_are_summed_up_by_what_is_asked_for() -> None:
    assert rows(report(MIXED, "key")) == {("guest",): (1, 1, 2), ("website",): (3, 1030, 112)}
    assert rows(report(MIXED, "model")) == {("chat",): (3, 31, 14), ("large",): (1, 1000, 100)}
    assert rows(report(MIXED, "day")) == {("2026-11-02",): (1, 10, 5), ("2026-11-03",): (3, 1021, 109)}
    assert rows(report(MIXED, "model", "key")) == {
        ("chat", "guest"): (1, 1, 2),
        ("chat", "website"): (2, 30, 12),
        ("large", "website"): (1, 1000, 100),
    }
    for by in ("key", "model", "day"):
        total = report(MIXED, by).total
        assert (total.tally.requests, total.tally.input_tokens) == (4, 1031)
        assert total.dollars == Decimal("0.0028146")


def test_each_model_has_its_price() -> None:
    dollars = {row.group["key"]: row.dollars for row in report(MIXED).rows}
    # Per million: 30 * 0.2 + 12 * 0.6 for chat, and 1000 * 2 + 100 * 8 for large.
    assert dollars == {"website": Decimal("0.0028132"), "guest": Decimal("0.0000014")}


def test_an_unknown_price_is_not_zero() -> None:
    usage = report([*MIXED, line(WEBSITE, "new")], "key")
    assert [row.dollars for row in usage.rows] == [Decimal("0.0000014"), None]
    assert usage.total.dollars is None
    assert "unknown price of new: set models.NAME.price" in " ".join(usage.notes())
    assert [text.split()[-1] for text in usage.as_table().splitlines()] == [
        "dollars",
        "<0.0001",
        "unknown",
        "unknown",
    ]
    assert [row["dollars"] for row in json.loads(usage.as_json())["rows"]] == [0.0000014, None]
    assert [row["dollars"] for row in csv.DictReader(io.StringIO(usage.as_csv()))] == ["0.0000014", ""]


def test_without_prices_the_table_has_no_dollars() -> None:
    usage = report(MIXED, prices={})
    assert "dollars" not in usage.as_table()
    assert list(usage.notes()) == []
    assert json.loads(usage.as_json())["total"]["dollars"] is None


def test_the_model_that_responded_is_charged() -> None:
    usage = report([line(WEBSITE, "large", (1_000_000, 0), fallback="RateLimitError: full")], "model")
    assert (usage.rows[0].group, usage.rows[0].dollars) == ({"model": "large"}, Decimal(2))


def test_errors_and_requests_without_token_counts_are_counted() -> None:
    refused = line(WEBSITE, None, status=404, error=InvalidRequestError("no such model"))
    failed = line(WEBSITE, "chat", NO_TOKENS, status=502, error=ModelError("out of memory"))
    interrupted = line(WEBSITE, "chat", NO_TOKENS, error=ModelError("out of memory"))
    disconnected = line(WEBSITE, "chat", NO_TOKENS, status=499)
    listing = line(WEBSITE, None)
    embedded = line(WEBSITE, "chat", (8, None))
    usage = report([refused, failed, interrupted, disconnected, listing, embedded], "model")
    chat, other = usage.rows
    assert (chat.tally.requests, chat.tally.errors, chat.tally.unmetered) == (4, 2, 2)
    assert (chat.tally.input_tokens, chat.tally.output_tokens) == (8, 0)
    assert other.group == {"model": None}
    assert (other.tally.requests, other.tally.errors, other.tally.unmetered) == (2, 1, 0)
    # A request without a model costs nothing.
    assert (other.dollars, usage.total.dollars) == (Decimal(0), Decimal("0.0000016"))
    assert next(usage.notes()).startswith("2 requests without token counts")


@pytest.mark.parametrize(
    ("identity", "key"),
    [
        (WEBSITE, "website"),
        ({"apiKeyId": "a1b2c3"}, "id:a1b2c3"),
        ({"apiKeyId": "a1b2c3", "apiKey": "made-elsewhere"}, "id:a1b2c3"),
        ({"userArn": "arn:aws:iam::123456789012:user/ann"}, "arn:aws:iam::123456789012:user/ann"),
        (
            {"userArn": "arn:aws:sts::123456789012:assumed-role/ci/run-7"},
            "arn:aws:sts::123456789012:assumed-role/ci",
        ),
        ({"apiKeyId": "a1", "apiKey": f"jwt-trial-{'0' * 32}"}, "jwt/trial:website"),
        ({}, None),
    ],
)
def test_callers_have_a_name(identity: dict[str, str], key: str | None) -> None:
    (row,) = report([line(identity)]).rows
    assert row.group == {"key": key}


def test_the_table_is_aligned() -> None:
    usage = report([*MIXED, (MIDNIGHT, line({}, None, status=400))], "key", "day")
    assert usage.as_table().splitlines() == [
        "key      day         requests  errors  input tokens  output tokens  dollars",
        "guest    2026-11-03         1       0             1              2  <0.0001",
        "website  2026-11-02         1       0            10              5  <0.0001",
        "website  2026-11-03         2       0         1,020            107   0.0028",
        "(none)   2026-11-03         1       1             0              0   0.0000",
        "total                       5       1         1,031            114   0.0028",
    ]
    assert list(usage.notes()) == ["dollars: at the current prices of the environment file"]


def test_csv_and_json_contain_the_same_rows() -> None:
    usage = report([*MIXED, line({}, None)], "key", "model")
    document = json.loads(usage.as_json())
    assert (document["environment"], document["by"]) == ("dev", ["key", "model"])
    assert (document["since"], document["until"]) == ("2026-11-01T00:00:00Z", "2026-11-30T12:00:00Z")
    assert document["total"]["requests"] == sum(row["requests"] for row in document["rows"]) == 5
    read = list(csv.DictReader(io.StringIO(usage.as_csv())))
    assert [list(row) for row in read] == [list(row) for row in document["rows"]]
    for row, expected in zip(read, document["rows"], strict=True):
        assert (row["key"], row["model"]) == (expected["key"] or "", expected["model"] or "")
        assert float(row["dollars"]) == expected["dollars"]
        assert int(row["input_tokens"]) == expected["input_tokens"]


def test_no_requests_are_an_empty_report() -> None:
    usage = report([], "key", "day")
    assert usage.as_csv() == "key,day,requests,errors,unmetered,input_tokens,output_tokens,dollars"
    assert json.loads(usage.as_json())["rows"] == []
    assert (usage.total.tally.requests, usage.total.dollars) == (0, Decimal(0))
    assert list(usage.notes()) == []


def test_names_are_neither_formulas_nor_terminal_control() -> None:
    record = json.loads(line(WEBSITE))
    usage = report([json.dumps({**record, "key_name": "=1+1\n\x1b[2J"})])
    (row,) = csv.DictReader(io.StringIO(usage.as_csv()))
    assert row["key"] == "'=1+1\n\x1b[2J"
    assert "=1+1\\n\\x1b[2J" in usage.as_table()


def test_other_lines_are_not_requests() -> None:
    content = json.dumps({"message": "content", "request": '{"message": "request"}'})
    usage = report(["START RequestId: 1", content, '{"message": ["request"]}', line(GUEST)])
    assert usage.total.tally.requests == 1
    assert usage.unreadable == 0


def test_what_is_missing_is_named() -> None:
    usage = report(
        ['{"message": "request", "status": "200"}', "{"], missing_before=datetime(2026, 11, 15, tzinfo=UTC)
    )
    assert list(usage.notes()) == [
        "requests before 2026-11-15 00:00 UTC are not counted: api.log_retention_days has passed",
        "2 log lines in an unknown format: not counted",
    ]
    assert json.loads(usage.as_json())["missing_before"] == "2026-11-15T00:00:00Z"


def test_periods() -> None:
    assert period(None, None, NOW) == (MONTH, NOW)
    assert period("2026-10-01", "2026-11-01", NOW) == (datetime(2026, 10, 1, tzinfo=UTC), MONTH)
    assert period("2d", "1d", NOW) == (NOW.replace(day=28), NOW.replace(day=29))
    assert period("0001-01-01", "2026-11-01", NOW)[0] == datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("since", "until", "reason"),
    [
        (None, "2026-11-01", "the period is empty"),
        ("1d", "2d", "the period is empty"),
        ("2026-12-01", None, "the period is empty"),
        ("2026-13-01", None, "invalid time"),
        ("-1d", None, "invalid time"),
        ("last month", None, "invalid time"),
    ],
)
def test_invalid_periods_are_refused(since: str | None, until: str | None, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        period(since, until, NOW)


def test_the_log_is_read_with_the_prices_of_the_file(account: AwsAccess, tmp_path: Path) -> None:
    price = "    price: {input_per_million: 2, output_per_million: 4}\n"
    environment = opened(tmp_path, account, ("m",), env="usage", further=price)
    context, group = environment.context, "/test/usage/gateway"
    values = {**OUTPUTS, "log_groups": {"gateway": group}}
    outputs = {name: {"value": value} for name, value in values.items()}
    state = {"version": 4, "lineage": "test", "serial": 1, "outputs": outputs, "resources": []}
    bucket, key = context.environment.state_bucket, context.environment.state_key
    state_bucket.ensure(account, bucket)
    state_bucket.write(account, bucket, key, json.dumps(state).encode())
    # The first request creates the log group.
    assert usage_log.read(context, ["key"], "2d", None).rows == []

    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    account.logs.create_log_group(logGroupName=group)
    lines = [line(WEBSITE, "m", (1_000_000, 250_000)), "START RequestId: 1", line(GUEST, None, status=400)]
    for stream, moment in {"one": today - timedelta(milliseconds=1), "two": today}.items():
        account.logs.create_log_stream(logGroupName=group, logStreamName=stream)
        events: Any = [{"timestamp": int(moment.timestamp() * 1000), "message": text} for text in lines]
        account.logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)
    yesterday, tomorrow = (f"{today + timedelta(days=days):%Y-%m-%d}" for days in (-1, 1))
    both = usage_log.read(context, ["key", "key"], yesterday, tomorrow)
    assert rows(both) == {("guest",): (2, 0, 0), ("website",): (2, 2_000_000, 500_000)}
    assert both.total.dollars == Decimal(6)
    assert both.missing_before is None
    # The end is excluded.
    assert rows(usage_log.read(context, ["day"], "1970-01-01", f"{today:%Y-%m-%d}")) == {
        (yesterday,): (2, 1_000_000, 250_000)
    }
    old = usage_log.read(context, ["day"], "31d", "29d")
    assert (old.rows, old.missing_before is None) == ([], False)
