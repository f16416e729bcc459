"""The part of the environment file about the API in front of the models."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from toolkit.environment.section import Section, matching

# What CloudWatch Logs takes.
RetentionDays = Literal[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653
]


class Gateway(Section):
    """The Lambda function between API Gateway and the endpoints."""

    memory_mb: int = Field(default=512, ge=128, le=10240)
    """Its memory in MB; its CPU grows with it."""
    timeout_seconds: int = Field(default=900, ge=1, le=900)
    """How long one answer may take; a streamed one counts until its last token."""
    architecture: Literal["arm64", "x86_64"] = "arm64"
    """Its processor; arm64 costs less."""
    keepalive_seconds: float = Field(default=30, ge=1, le=240)
    """How long a client waits without a sign of life: a comment in a stream, white space before JSON."""
    log_content: bool = False
    """Whether prompts and answers are logged, word for word: mind what people write."""


class Throttle(Section):
    """What one API key may ask for; API Gateway answers 429 beyond it."""

    rate_per_second: float = Field(default=50, gt=0)
    """Requests per second, lastingly."""
    burst: int = Field(default=100, ge=1)
    """Requests at once."""


class Api(Section):
    """The OpenAI-compatible API."""

    stage: Annotated[
        str, matching(r"[A-Za-z0-9_-]{1,128}", "use letters, digits, hyphens and underscores")
    ] = "live"
    """Name of API Gateway's stage; it is a part of the address."""
    log_retention_days: RetentionDays = 30
    """How long CloudWatch keeps the logs."""
    gateway: Gateway = Gateway()
    """The Lambda function between API Gateway and the endpoints."""
    throttle: Throttle = Throttle()
    """What one API key may ask for."""
