"""Replays of recorded requests, by the name of their case."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx

from tests.toolkit.local.recorded.lab import Lab

Replay = Callable[[Lab], Any]


REPLAYS: dict[str, Replay] = {}


def keys(response: Any) -> list[str]:
    return sorted(key for key in response if key != "ResponseMetadata")


def ask(service: str, method: str, **parameters: Any) -> Replay:
    return lambda lab: lab.ask(service, method, **parameters)


def members(service: str, method: str, **parameters: Any) -> Replay:
    return lambda lab: keys(getattr(lab.client(service), method)(**parameters))


def replay(case: str) -> Callable[[Replay], Replay]:
    def add(function: Replay) -> Replay:
        REPLAYS[case] = function
        return function

    return add


def of_gateway(response: httpx.Response) -> list[Any]:
    """Status, body, error type, media type, and whether the two ids are there."""
    headers = response.headers
    ids = ["x-amzn-requestid" in headers, "x-amz-apigw-id" in headers]
    return [
        response.status_code,
        response.text,
        headers.get("x-amzn-errortype"),
        headers["content-type"],
        *ids,
    ]
