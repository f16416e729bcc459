"""Faults of the API's responses, planted by a proxy in front of it."""

from __future__ import annotations

from collections.abc import Callable

from tests.e2e.api.faults.deployment import Planted, rewrites
from tests.support.rewriting import Exchange


def unchanged(exchange: Exchange) -> None:
    """Do not change a response, except that its length is known."""


def from_another_model(exchange: Exchange) -> None:
    exchange.body = exchange.body.replace(b'"model": "echo"', b'"model": "other"')
    exchange.body = exchange.body.replace(b'"model":"echo"', b'"model":"other"')


def from_fallback(exchange: Exchange) -> None:
    if b"Count from" in exchange.sent:
        exchange.received["x-fallback-model"] = "smollm2"


def truncated(exchange: Exchange) -> None:
    exchange.body = exchange.body.removesuffix(b"data: [DONE]\n\n")
    exchange.chunked = True


def accepts(request: Callable[[bytes], bool]) -> Callable[[Exchange], None]:
    """A change of the responses to certain requests: they succeed."""

    def change(exchange: Exchange) -> None:
        exchange.chunked = True
        if request(exchange.sent):
            exchange.status = 200

    return change


_UNKNOWN, _INVALID = (
    accepts(lambda sent: b"unknown-model" in sent),
    accepts(lambda sent: sent == b'{"model": '),
)
_CALL, _STREAM = ("api", "API call"), ("api-streaming", "streamed API call")
API: dict[str, Planted] = {
    "another_model_responds": Planted(rewrites(from_another_model), *_CALL, "another model"),
    "fallback_responds": Planted(rewrites(from_fallback), *_CALL, "no capacity"),
    "api_stream_buffered": Planted(rewrites(unchanged), *_STREAM, "proxy buffers"),
    "api_stream_truncated": Planted(rewrites(truncated), *_STREAM, "ended the stream early"),
    "unknown_model_accepted": Planted(
        rewrites(_UNKNOWN), "errors", "unknown model refused", "does not validate"
    ),
    "invalid_json_accepted": Planted(
        rewrites(_INVALID), "errors", "invalid JSON refused", "does not validate"
    ),
}
