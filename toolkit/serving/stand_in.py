"""The stand-in for engines that cannot run on this machine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StandIn:
    """How it behaves.

    Attributes:
        start_seconds: from the start of the container until it is healthy, on AWS.
        first_token_seconds: from a request to its first token.
        token_seconds: from one token to the next.
        error_percent: percentage of requests that fail with status 500.
        exits: whether the container exits at its start.
        source: where these figures are from.
    """

    start_seconds: float = 60.0
    first_token_seconds: float = 0.2
    token_seconds: float = 0.02
    error_percent: float = 0.0
    exits: bool = False
    source: str = "defaults"
