"""The section `api`: the OpenAI-compatible API in front of the models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from toolkit.environment.aws_types import TopicArn
from toolkit.environment.base import Checked, ConfigModel, Invalid, matching

# It is a part of the key's value, and of a usage plan's name.
KeyName = Annotated[
    str,
    matching(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", "use up to 40 lower-case letters, digits and hyphens"),
]
UsagePlanName = KeyName
DEFAULT = "default"


class Quota(ConfigModel):
    """How many requests in a time; API Gateway answers 429 beyond it."""

    requests: int = Field(ge=1, le=2_000_000_000, examples=[10000])
    """Requests of each key."""
    per: Literal["day", "week", "month"]
    """The time, after which counting starts anew."""


class UsagePlan(ConfigModel):
    """What each key of the plan may."""

    rate_per_second: float = Field(default=50, gt=0)
    """Requests per second, lastingly."""
    burst: int = Field(default=100, ge=1)
    """Requests at once."""
    quota: Quota | None = None
    """Requests in a time; by default as many as the rate allows."""
    models: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """The models that it may ask for, by name or alias; by default all."""


class Key(ConfigModel):
    """An API key, made by `toolkit apply`."""

    usage_plan: UsagePlanName = DEFAULT
    """The usage plan that it is in."""


Milliseconds = Annotated[int, Field(ge=1)]


class ApiAlarms(ConfigModel):
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


CertificateArn = Annotated[
    str,
    matching(
        r"arn:aws(-[a-z]+)*:acm:[a-z0-9-]+:\d{12}:certificate/[\w-]+",
        "a certificate's ARN looks like arn:aws:acm:us-east-1:123456789012:certificate/1234abcd-…",
    ),
]
DomainName = Annotated[
    str,
    matching(
        r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])",
        "a domain name in lower-case letters, such as llm.example.com",
    ),
]
HostedZoneId = Annotated[
    str, matching(r"Z[A-Z0-9]{1,31}", "ids of hosted zones look like Z0123456789ABCDEFGHIJ")
]
VpcEndpointId = Annotated[
    str, matching(r"vpce-[0-9a-f]{8,17}", "ids of VPC endpoints look like vpce-0123456789abcdef0")
]
RuleGroup = Literal[
    "AWSManagedRulesAmazonIpReputationList",
    "AWSManagedRulesAnonymousIpList",
    "AWSManagedRulesCommonRuleSet",
    "AWSManagedRulesKnownBadInputsRuleSet",
    "AWSManagedRulesLinuxRuleSet",
    "AWSManagedRulesSQLiRuleSet",
    "AWSManagedRulesUnixRuleSet",
]


def _check_origin(value: str) -> Invalid | None:
    from urllib.parse import urlsplit

    remedy = "an origin is scheme, host and port, such as https://chat.example.com; * is any"
    if value == "*":
        return None
    try:
        url = urlsplit(value)
        whole = url.hostname and url.port != 0 and value == f"{url.scheme}://{url.netloc}"
    except ValueError:
        whole = False
    # It becomes a header, and a part of a text in quotes.
    plain = value.isascii() and value.isprintable() and not set("'\"@\\ ") & set(value)
    return (
        None
        if whole and plain and url.scheme in ("http", "https")
        else Invalid(f"{value!r} is not an origin", remedy)
    )


class Cors(ConfigModel):
    """Which pages may call the API from a browser."""

    allow_origins: Annotated[tuple[Annotated[str, Checked(_check_origin)], ...], Field(min_length=1)] = Field(
        examples=[["https://chat.example.com"]]
    )
    """Origins of the pages, such as `https://chat.example.com`; `*` is any. A key in a page is public."""


class Private(ConfigModel):
    """An API that only VPC endpoints lead to."""

    vpc_endpoint_ids: Annotated[tuple[VpcEndpointId, ...], Field(min_length=1)]
    """Interface endpoints for execute-api that exist."""


class Domain(ConfigModel):
    """A domain name of one's own for the API."""

    name: DomainName = Field(examples=["llm.example.com"])
    """The domain name."""
    certificate_arn: CertificateArn
    """ACM certificate for it, in the environment's region."""
    base_path: Annotated[
        str, matching(r"[A-Za-z0-9_-]{0,100}", "one segment of letters, digits, - and _")
    ] = ""
    """What the path begins with, before `/v1`; by default nothing."""
    hosted_zone_id: HostedZoneId | None = None
    """Route 53 zone that gets the record; by default the record is yours to make."""


class Waf(ConfigModel):
    """A web application firewall in front of the API."""

    requests_per_five_minutes: int | None = Field(default=3000, ge=10, le=2_000_000_000)
    """Requests of one address, beyond which it is shut out."""
    managed_rules: tuple[RuleGroup, ...] = (
        "AWSManagedRulesAmazonIpReputationList",
        "AWSManagedRulesKnownBadInputsRuleSet",
        "AWSManagedRulesCommonRuleSet",
    )
    """AWS's rule groups; by default addresses of ill repute, known bad inputs and common attacks. Rules of
    theirs that look into bodies only count: prompts are full of what they look for."""


# What CloudWatch Logs takes.
RetentionDays = Literal[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653
]


class Gateway(ConfigModel):
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


class Throttle(ConfigModel):
    """What all clients together may ask for; API Gateway answers 429 beyond it."""

    rate_per_second: float = Field(default=50, gt=0)
    """Requests per second, lastingly."""
    burst: int = Field(default=100, ge=1)
    """Requests at once."""


class Api(ConfigModel):
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
