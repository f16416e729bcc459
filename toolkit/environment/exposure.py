"""The part of the environment file about who can reach the API, and how."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from toolkit.environment.section import Checked, Mistake, Section, matching

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


def _check_origin(value: str) -> Mistake | None:
    from urllib.parse import urlsplit

    right = "an origin is scheme, host and port, such as https://chat.example.com; * is any"
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
        else Mistake(f"{value!r} is not an origin", right)
    )


class Cors(Section):
    """Which pages may call the API from a browser."""

    allow_origins: Annotated[tuple[Annotated[str, Checked(_check_origin)], ...], Field(min_length=1)] = Field(
        examples=[["https://chat.example.com"]]
    )
    """Origins of the pages, such as `https://chat.example.com`; `*` is any. A key in a page is public."""


class Private(Section):
    """An API that only VPC endpoints lead to."""

    vpc_endpoint_ids: Annotated[tuple[VpcEndpointId, ...], Field(min_length=1)]
    """Interface endpoints for execute-api that exist."""


class Domain(Section):
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


class Waf(Section):
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
