"""Checks of the section `api`, and of keys that refer to it."""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.environment.api import Api
from toolkit.environment.environment import ValidParts
from toolkit.environment.problems import KeyPath, Problem, did_you_mean

# API Gateway reserves these paths for its health checks of a domain.
_RESERVED_PATHS = ("ping", "sping")


def check(parts: ValidParts) -> Iterator[Problem]:
    """Check the section `api`."""
    if parts.api is None:
        return
    yield from _keys(parts.api)
    yield from _models(parts, parts.api)
    yield from _auth(parts.api)
    yield from _domain(parts, parts.api)
    yield from _waf(parts.api)


def _keys(api: Api) -> Iterator[Problem]:
    for name, key in api.keys.items():
        if key.usage_plan not in api.plans and api.auth == "keys":
            remedy = did_you_mean(key.usage_plan, api.plans) or f"use one of {', '.join(sorted(api.plans))}"
            yield Problem(("api", "keys", name, "usage_plan"), f"unknown usage plan {key.usage_plan}", remedy)


def _models(parts: ValidParts, api: Api) -> Iterator[Problem]:
    # Clients call asynchronous models through S3, not through the API.
    models = {name: model for name, model in parts.models.items() if model.asynchronous is None}
    served_names = [alias for name, model in models.items() for alias in (name, *model.aliases)]
    for name, plan in api.usage_plans.items():
        for index, model in enumerate(plan.models or ()):
            if model not in served_names:
                remedy = (
                    did_you_mean(model, served_names) or f"use a model or alias: {', '.join(served_names)}"
                )
                path: KeyPath = ("api", "usage_plans", name, "models", index)
                yield Problem(path, f"unknown model {model}", remedy)


def _auth(api: Api) -> Iterator[Problem]:
    if api.auth != "iam":
        return
    for key in ("keys", "usage_plans"):
        if getattr(api, key):
            reason = "auth: iam does not use API keys"
            yield Problem(("api", key), reason, "remove it, or set auth: keys")


def _domain(parts: ValidParts, api: Api) -> Iterator[Problem]:
    if api.domain is None:
        return
    if api.private is not None:
        reason = "a private API cannot have a custom domain"
        yield Problem(("api", "domain"), reason, "remove domain, or private")
    region, account = api.domain.certificate_arn.split(":")[3:5]
    for kind, actual, expected in (("region", region, parts.region), ("account", account, parts.account_id)):
        if expected is not None and actual != expected:
            reason = f"the certificate is in {kind} {actual}, but the API is in {expected}"
            remedy = f"request a certificate in {expected}"
            yield Problem(("api", "domain", "certificate_arn"), reason, remedy)
    if api.domain.base_path in _RESERVED_PATHS:
        reason = f"API Gateway reserves /{api.domain.base_path}"
        yield Problem(("api", "domain", "base_path"), reason, "use another path, or remove it")


def _waf(api: Api) -> Iterator[Problem]:
    if api.waf is None:
        return
    rules = api.waf.managed_rules
    if not rules and api.waf.requests_per_five_minutes is None:
        reason = "a firewall without rules blocks nothing"
        yield Problem(("api", "waf"), reason, "add managed_rules, or remove waf")
    for index, rule in enumerate(rules):
        if rule in rules[:index]:
            reason = f"{rule} is listed twice"
            yield Problem(("api", "waf", "managed_rules", index), reason, "remove one of them")
