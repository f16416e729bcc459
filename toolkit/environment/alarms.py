"""The part of the environment file about what somebody should be told of."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from toolkit.environment.aws import TopicArn
from toolkit.environment.section import Section

Milliseconds = Annotated[int, Field(ge=1)]


class ApiAlarms(Section):
    """What makes an alarm, measured over five minutes."""

    server_error_percent: Annotated[float, Field(gt=0, le=100)] | None = 5
    """Answers with a status of 5xx, in percent of the requests; null makes no alarm."""
    latency_p99_ms: Milliseconds | None = None
    """Milliseconds until the last token, which one request in a hundred exceeds."""
    time_to_first_token_p99_ms: Milliseconds | None = None
    """Milliseconds until the first token, which one request in a hundred exceeds."""
    throttles: Annotated[int, Field(ge=1)] | None = None
    """Requests that a model had no capacity for."""
    topic_arns: Annotated[tuple[TopicArn, ...], Field(max_length=5)] = ()
    """SNS topics that are told when an alarm fires, and when it is over."""
