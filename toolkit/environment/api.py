"""The section `api`: the OpenAI-compatible API in front of the models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from toolkit.environment.aws_types import TopicArn
from toolkit.environment.base import Checked, ConfigModel, Invalid, matching

# Part of the value of the key and of the name of a usage plan.
KeyName = Annotated[
    str,
    matching(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", "use up to 40 lower-case letters, digits and hyphens"),
]
UsagePlanName = KeyName
DEFAULT = "default"


class Quota(ConfigModel):
    """Number of requests per period; further requests get status 429."""

    requests: int = Field(ge=1, le=2_000_000_000, examples=[10000])
    """Requests of each key in a period."""
    per: Literal["day", "week", "month"]
    """Period, after which the count restarts."""


Tokens = Annotated[int, Field(ge=1, le=1_000_000_000_000_000)]


class TokenBudget(ConfigModel):
    """Tokens of prompts and responses; further requests get status 429."""

    per_minute: Tokens | None = Field(default=None, examples=[20_000])
    """Tokens of each key per minute; by default unlimited."""
    per_month: Tokens | None = Field(default=None, examples=[5_000_000])
    """Tokens of each key per calendar month in UTC; by default unlimited."""


class UsagePlan(ConfigModel):
    """Limits of each key of the plan."""

    rate_per_second: float = Field(default=50, gt=0)
    """Sustained requests per second."""
    burst: int = Field(default=100, ge=1)
    """Burst of requests."""
    quota: Quota | None = None
    """Requests per day, week or month; by default unlimited."""
    tokens: TokenBudget = TokenBudget()
    """Tokens per minute and month; by default unlimited."""
    dollars_per_month: Annotated[float, Field(gt=0, le=1_000_000_000)] | None = Field(
        default=None, examples=[25]
    )
    """US dollars of each key per calendar month in UTC, by the `price` of each model; by default
    unlimited."""
    models: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Models that the keys may use, by name or alias; by default all."""

    @property
    def budget(self) -> Mapping[str, float]:
        """The limits of tokens and dollars that are set, as the gateway names them."""
        limits = {
            "tokens_per_minute": self.tokens.per_minute,
            "tokens_per_month": self.tokens.per_month,
            "dollars_per_month": self.dollars_per_month,
        }
        return {name: limit for name, limit in limits.items() if limit is not None}


class Key(ConfigModel):
    """An API key, created by `toolkit apply`."""

    usage_plan: UsagePlanName = DEFAULT
    """Usage plan of the key."""


def _check_url(value: str) -> Invalid | None:
    from urllib.parse import urlsplit

    remedy = "use a URL such as https://login.example.com/realms/acme"
    try:
        url = urlsplit(value)
        is_url = url.hostname and url.port != 0 and "@" not in url.netloc
    except ValueError:
        is_url = False
    plain = value.isascii() and value.isprintable() and not set(" '\"\\#") & set(value)
    if not (is_url and plain and value.startswith(("https://", "http://"))):
        return Invalid(f"{value!r} is not a URL", remedy)
    if url.scheme == "http" and url.hostname not in ("127.0.0.1", "::1", "localhost"):
        return Invalid(f"{value!r} is not encrypted", "use https")
    return None


IssuerUrl = Annotated[str, Checked(_check_url)]
ClaimName = Annotated[str, matching(r"[\x21-\x7e]{1,128}", "use up to 128 ASCII characters without spaces")]
ClaimValue = Annotated[str, matching(r"[\x20-\x7e]{1,128}", "use up to 128 ASCII characters")]
# Without symmetric ones, whose public key would be the secret that signs.
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


class Jwt(ConfigModel):
    """Callers with a JWT from an OpenID Connect issuer, next to API keys."""

    issuer: IssuerUrl = Field(examples=["https://login.example.com/realms/acme"])
    """The issuer (`iss`), exactly as in the tokens."""
    audience: Annotated[tuple[ClaimName, ...], Field(min_length=1)] = Field(examples=[["llm"]])
    """Names of this API: the audience (`aud`) of a token must contain one. In a token without an audience,
    `client_id` must be one."""
    jwks_url: IssuerUrl | None = None
    """Address of the issuer's public keys; by default from its `/.well-known/openid-configuration`."""
    claim: ClaimName | None = None
    """Claim that decides the usage plan, such as `groups`, `scope` or `realm_access.roles`."""
    usage_plans: Annotated[dict[ClaimValue, UsagePlanName], Field(max_length=50)] = Field(default={})
    """Usage plans by value of the claim; the first that matches applies."""
    default_usage_plan: UsagePlanName | None = None
    """Usage plan of other callers; by default they get status 403."""
    algorithms: Annotated[tuple[Algorithm, ...], Field(min_length=1)] = ("RS256", "ES256")
    """Permitted signature algorithms."""
    leeway_seconds: int = Field(default=60, ge=0, le=300)
    """Permitted difference between the issuer's clock and AWS's, in seconds."""
    log_subject: bool = False
    """Whether logs contain the subject (`sub`) of a caller, instead of a digest of issuer and subject."""

    @property
    def plans(self) -> tuple[str, ...]:
        """The usage plans of callers, each once."""
        default = () if self.default_usage_plan is None else (self.default_usage_plan,)
        return tuple(dict.fromkeys((*self.usage_plans.values(), *default)))


Milliseconds = Annotated[int, Field(ge=1)]


class ApiAlarms(ConfigModel):
    """Thresholds of CloudWatch alarms, over five minutes."""

    server_error_percent: Annotated[float, Field(gt=0, le=100)] | None = 5
    """Responses with status 5xx, in percent of the requests; null for no alarm."""
    latency_p99_ms: Milliseconds | None = None
    """99th percentile of the time to the last token, in milliseconds."""
    time_to_first_token_p99_ms: Milliseconds | None = None
    """99th percentile of the time to the first token, in milliseconds."""
    throttles: Annotated[int, Field(ge=1)] | None = None
    """Requests rejected because a model had no capacity."""
    topic_arns: Annotated[tuple[TopicArn, ...], Field(max_length=5)] = ()
    """SNS topics that are notified when an alarm fires and when it clears."""


CertificateArn = Annotated[
    str,
    matching(
        r"arn:aws(-[a-z]+)*:acm:[a-z0-9-]+:\d{12}:certificate/[\w-]+",
        "use a certificate ARN such as arn:aws:acm:us-east-1:123456789012:certificate/1234abcd-…",
    ),
]
DomainName = Annotated[
    str,
    matching(
        r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])",
        "use a domain name in lower-case letters, such as llm.example.com",
    ),
]
HostedZoneId = Annotated[
    str, matching(r"Z[A-Z0-9]{1,31}", "use the id of a hosted zone, such as Z0123456789ABCDEFGHIJ")
]
VpcEndpointId = Annotated[
    str, matching(r"vpce-[0-9a-f]{8,17}", "use the id of a VPC endpoint, such as vpce-0123456789abcdef0")
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

    remedy = "use scheme, host and port, such as https://chat.example.com, or * for any origin"
    if value == "*":
        return None
    try:
        url = urlsplit(value)
        is_origin = url.hostname and url.port != 0 and value == f"{url.scheme}://{url.netloc}"
    except ValueError:
        is_origin = False
    # Part of a header and of a quoted string.
    plain = value.isascii() and value.isprintable() and not set("'\"@\\ ") & set(value)
    return (
        None
        if is_origin and plain and url.scheme in ("http", "https")
        else Invalid(f"{value!r} is not an origin", remedy)
    )


class Cors(ConfigModel):
    """Web pages that may call the API from a browser."""

    allow_origins: Annotated[tuple[Annotated[str, Checked(_check_origin)], ...], Field(min_length=1)] = Field(
        examples=[["https://chat.example.com"]]
    )
    """Origins of the pages, such as `https://chat.example.com`, or `*` for any. A key in a page is public."""


class Private(ConfigModel):
    """An API that is reachable through VPC endpoints only."""

    vpc_endpoint_ids: Annotated[tuple[VpcEndpointId, ...], Field(min_length=1)]
    """Existing interface endpoints for execute-api."""


class Domain(ConfigModel):
    """A custom domain name for the API."""

    name: DomainName = Field(examples=["llm.example.com"])
    """The domain name."""
    certificate_arn: CertificateArn
    """ACM certificate for the domain, in the region of the environment."""
    base_path: Annotated[
        str, matching(r"[A-Za-z0-9_-]{0,100}", "use one segment of letters, digits, - and _")
    ] = ""
    """Path prefix before `/v1`; by default none."""
    hosted_zone_id: HostedZoneId | None = None
    """Route 53 zone for the DNS record; by default you create the record."""


class Waf(ConfigModel):
    """A web application firewall in front of the API."""

    requests_per_five_minutes: int | None = Field(default=3000, ge=10, le=2_000_000_000)
    """Requests per address in five minutes; an address that exceeds it is blocked."""
    managed_rules: tuple[RuleGroup, ...] = (
        "AWSManagedRulesAmazonIpReputationList",
        "AWSManagedRulesKnownBadInputsRuleSet",
        "AWSManagedRulesCommonRuleSet",
    )
    """AWS managed rule groups; by default IP reputation, known bad inputs and common attacks. Their rules on
    request bodies only count matches, because prompts match them regularly."""


# Values that CloudWatch Logs accepts.
RetentionDays = Literal[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653
]


LayerArn = Annotated[
    str,
    matching(
        r"arn:aws(-[a-z]+)*:lambda:[a-z0-9-]+:\d{12}:layer:[\w-]+:\d+",
        "use the ARN of a layer's version, such as"
        " arn:aws-us-gov:lambda:us-gov-west-1:123456789012:layer:LambdaAdapterLayerArm64:1",
    ),
]
# Part of the account's limit, of which Lambda keeps 100 unreserved.
Reservation = Annotated[int, Field(ge=1)]


class Gateway(ConfigModel):
    """Lambda function between API Gateway and the endpoints."""

    memory_mb: int = Field(default=512, ge=128, le=10240)
    """Memory in MB; CPU is proportional to it."""
    timeout_seconds: int = Field(default=900, ge=1, le=900)
    """Longest response in seconds; a stream counts until its last token."""
    architecture: Literal["arm64", "x86_64"] = "arm64"
    """Processor architecture; arm64 costs less."""
    keepalive_seconds: float = Field(default=30, ge=1, le=240)
    """Longest time without data on the connection, in seconds. The gateway sends a comment in a stream, and
    white space before JSON."""
    log_content: bool = False
    """Whether to log prompts and responses in full, including personal data in them."""
    reserved_concurrency: Reservation | None = None
    """Concurrent requests, which are also reserved for the gateway; a stream counts until its last token.
    Further requests get status 500. By default the account's limit applies."""
    web_adapter_layer_arn: LayerArn | None = None
    """Version of the Lambda Web Adapter's layer; required in regions where AWS does not publish it."""


class Authorizer(ConfigModel):
    """Lambda function that reads the API key or the JWT of a request."""

    reserved_concurrency: Reservation | None = None
    """Concurrent executions, which are also reserved for the authorizer: long streams cannot occupy them. By
    default the account's limit applies."""


class BedrockGuardrail(ConfigModel):
    """A guardrail of Amazon Bedrock in the account and region of the environment."""

    id: Annotated[str, matching(r"[a-z0-9]{1,64}", "use the id of a guardrail, such as gr1a2b3c4d5e")] = (
        Field(examples=["gr1a2b3c4d5e"])
    )
    """Id of the guardrail."""
    version: Annotated[
        str, matching(r"DRAFT|[1-9][0-9]{0,7}", 'use the number of a version, such as "1", or DRAFT')
    ] = Field(examples=["1"])
    """Version of the guardrail; `DRAFT` is the one that its next change affects."""


# The gateway's own, and those of lambda_src/gateway/requirements.txt and of Lambda: a module of such a name
# would not be imported, or in their place.
_GATEWAY_MODULES = (
    *("anyio", "authorizer", "boto3", "botocore", "click", "gateway", "h11", "idna", "starlette"),
    *("typing_extensions", "uvicorn"),
)


def _check_function(value: str) -> Invalid | None:
    import re
    import sys

    name = r"[A-Za-z_]\w*"
    if not re.fullmatch(rf"{name}(\.{name})*:{name}", value, re.ASCII):
        return Invalid(f"{value!r} is not a function", "use module:function, such as my_guard:check")
    module = value.partition(":")[0].partition(".")[0]
    if module in sys.stdlib_module_names or module in _GATEWAY_MODULES:
        return Invalid(f"{module} is a module that the gateway uses itself", "rename the module")
    return None


class GuardCode(ConfigModel):
    """A Python function that checks texts, packaged with the gateway."""

    path: Annotated[
        str, matching(r"[^\x00]+", "use the path of a file or folder, relative to the project")
    ] = Field(examples=["guards/my_guard.py"])
    """Path of a module, or of a folder with modules, relative to the project."""
    function: Annotated[str, Checked(_check_function, {"pattern": r"^[\w.]+:\w+$"})] = Field(
        examples=["my_guard:check"]
    )
    """The function that checks a text, as `module:function`; plain or `async`."""


class Guard(ConfigModel):
    """Checks of the texts that go into models and come out of them; what cannot be checked does not pass."""

    bedrock: BedrockGuardrail | None = None
    """Guardrail of Amazon Bedrock; by default none."""
    python: GuardCode | None = None
    """Python function that checks before `bedrock`; by default none."""
    models: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Guarded models, by name or alias; by default all."""
    sources: Annotated[tuple[Literal["input", "output"], ...], Field(min_length=1)] = ("input", "output")
    """Checks of requests (`input`), responses (`output`), or both."""
    roles: Annotated[tuple[Literal["system", "user", "assistant", "tool"], ...], Field(min_length=1)] = (
        *("system", "user", "assistant", "tool"),
    )
    """Roles of the messages to check in a chat; its tools and other members count as `system`."""
    window_characters: Annotated[int, Field(ge=1, le=25_000)] | None = 400
    """Number of new characters of a streamed response that are checked together, and so arrive together; null
    to check each text of the response as a whole."""
    overlap_characters: int = Field(default=100, ge=0, le=5_000)
    """Number of characters at the end of a window that wait for the next. Every text of up to this length is
    checked as a whole before it is sent."""
    timeout_seconds: float = Field(default=10, ge=0.1, le=60)
    """Longest time of one check, in seconds."""


class Throttle(ConfigModel):
    """Limits of each path and method, for all clients together; further requests get status 429."""

    rate_per_second: float = Field(default=50, gt=0)
    """Sustained requests per second."""
    burst: int = Field(default=100, ge=1)
    """Burst of requests."""


class Api(ConfigModel):
    """The OpenAI-compatible API."""

    stage: Annotated[
        str, matching(r"[A-Za-z0-9_-]{1,128}", "use letters, digits, hyphens and underscores")
    ] = "live"
    """Name of the API Gateway stage, which is part of the URL."""
    log_retention_days: RetentionDays = 30
    """Retention of the CloudWatch logs in days."""
    gateway: Gateway = Gateway()
    """Lambda function between API Gateway and the endpoints."""
    authorizer: Authorizer = Authorizer()
    """Lambda function that reads the API key or the JWT of a request."""
    guard: Guard | None = None
    """Checks of requests and responses; by default none."""
    throttle: Throttle = Throttle()
    """Limits of each path and method for all clients together, and of each key without a usage plan."""
    auth: Literal["keys", "iam"] = "keys"
    """Authentication: `keys` for API keys, `iam` for requests signed by AWS identities."""
    key_header: Literal["either", "authorization", "x-api-key"] = "either"
    """Header of the API key. With a single header, API Gateway caches the result of the authorizer for five
    minutes."""
    usage_plans: Annotated[dict[UsagePlanName, UsagePlan], Field(max_length=50)] = Field(default={})
    """Usage plans by name; `default` applies to keys without another plan."""
    keys: Annotated[dict[KeyName, Key], Field(max_length=200)] = Field(default={})
    """API keys by name; the key `default` always exists."""
    jwt: Jwt | None = None
    """Callers with a JWT from an OpenID Connect issuer, next to API keys; by default none."""
    cors: Cors | None = None
    """Web pages that may call the API from a browser; by default none."""
    private: Private | None = None
    """Restricts the API to VPC endpoints; by default it is on the internet."""
    domain: Domain | None = None
    """Custom domain name; by default the domain of API Gateway."""
    waf: Waf | None = None
    """Web application firewall; by default none."""
    access_log: bool = True
    """Whether API Gateway logs each request, including rejected ones."""
    alarms: ApiAlarms = ApiAlarms()
    """Alarms; by default one at 5 % of responses with status 5xx."""
    dashboard: bool = True
    """Whether to create a CloudWatch dashboard."""

    @property
    def guard_code(self) -> GuardCode | None:
        """The user's own guard, if there is one."""
        return None if self.guard is None else self.guard.python

    @property
    def plans(self) -> Mapping[str, UsagePlan]:
        """All usage plans, including `default`."""
        default = UsagePlan(rate_per_second=self.throttle.rate_per_second, burst=self.throttle.burst)
        return {DEFAULT: default, **self.usage_plans} if self.auth == "keys" else {}

    @property
    def key_plans(self) -> Mapping[str, str]:
        """The usage plan of each key, including `default`."""
        plans = {name: key.usage_plan for name, key in self.keys.items()}
        return {DEFAULT: DEFAULT, **plans} if self.auth == "keys" else {}

    @property
    def has_budgets(self) -> bool:
        """Whether tokens or dollars of any key are limited."""
        return any(plan.budget for plan in self.plans.values())
