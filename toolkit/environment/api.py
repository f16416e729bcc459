"""The part of the environment file about the API in front of the models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from toolkit.environment.alarms import ApiAlarms
from toolkit.environment.exposure import Cors, Domain, Private, Waf
from toolkit.environment.keys import DEFAULT, Key, KeyName, UsagePlan, UsagePlanName
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
    """What all clients together may ask for; API Gateway answers 429 beyond it."""

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
    """What all clients together may ask for, and each key of a plan that says nothing else."""
    auth: Literal["keys", "iam"] = "keys"
    """Who may call: `keys`, whoever has an API key; `iam`, AWS identities that sign their requests."""
    key_header: Literal["either", "authorization", "x-api-key"] = "either"
    """Where clients put their key. With one of the headers alone, API Gateway remembers for five minutes
    what the authorizer read there."""
    usage_plans: Annotated[dict[UsagePlanName, UsagePlan], Field(max_length=50)] = Field(default={})
    """What keys may, by the plan's name; `default` is for those that are in no other."""
    keys: Annotated[dict[KeyName, Key], Field(max_length=200)] = Field(default={})
    """The API keys, by name; there is always one called `default`."""
    cors: Cors | None = None
    """Which pages may call from a browser; by default none."""
    private: Private | None = None
    """For an API that only VPC endpoints lead to; by default it is on the internet."""
    domain: Domain | None = None
    """A domain name of one's own; by default API Gateway's."""
    waf: Waf | None = None
    """A web application firewall; by default none."""
    access_log: bool = True
    """Whether API Gateway logs each request, also those that it refuses."""
    alarms: ApiAlarms = ApiAlarms()
    """What makes an alarm; by default 5 % of answers with a status of 5xx."""
    dashboard: bool = True
    """Whether CloudWatch gets a dashboard of the environment."""

    @property
    def plans(self) -> Mapping[str, UsagePlan]:
        """All usage plans; `default` is always one of them."""
        default = UsagePlan(rate_per_second=self.throttle.rate_per_second, burst=self.throttle.burst)
        return {DEFAULT: default, **self.usage_plans} if self.auth == "keys" else {}

    @property
    def key_plans(self) -> Mapping[str, str]:
        """The usage plan of each key; the key `default` is always there."""
        named = {name: key.usage_plan for name, key in self.keys.items()}
        return {DEFAULT: DEFAULT, **named} if self.auth == "keys" else {}
