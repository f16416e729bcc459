"""Mistakes between the API's keys, and between them and the rest of the file."""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.environment.api import Api
from toolkit.environment.environment import ValidParts
from toolkit.environment.problems import KeyPath, Problem, did_you_mean

# Taken by API Gateway itself, which asks there whether a domain is well.
_RESERVED_PATHS = ("ping", "sping")


def check(parts: ValidParts) -> Iterator[Problem]:
    """Mistakes in the part `api`."""
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
            remedy = did_you_mean(key.usage_plan, api.plans) or f"there are: {', '.join(sorted(api.plans))}"
            yield Problem(
                ("api", "keys", name, "usage_plan"), f"there is no usage plan {key.usage_plan}", remedy
            )


def _models(parts: ValidParts, api: Api) -> Iterator[Problem]:
    # Asynchronous models are asked through S3, not through the API.
    models = {name: model for name, model in parts.models.items() if model.asynchronous is None}
    known = [alias for name, model in models.items() for alias in (name, *model.aliases)]
    for name, plan in api.usage_plans.items():
        for index, model in enumerate(plan.models or ()):
            if model not in known:
                remedy = did_you_mean(model, known) or f"models and aliases are: {', '.join(known)}"
                path: KeyPath = ("api", "usage_plans", name, "models", index)
                yield Problem(path, f"there is no model {model}", remedy)


def _auth(api: Api) -> Iterator[Problem]:
    if api.auth != "iam":
        return
    for key in ("keys", "usage_plans"):
        if getattr(api, key):
            reason = "with auth: iam there are no API keys"
            yield Problem(("api", key), reason, "remove it, or set auth: keys")


def _domain(parts: ValidParts, api: Api) -> Iterator[Problem]:
    if api.domain is None:
        return
    if api.private is not None:
        reason = "a private API cannot have it"
        yield Problem(("api", "domain"), reason, "remove domain, or private")
    region, account = api.domain.certificate_arn.split(":")[3:5]
    for kind, given, own in (("region", region, parts.region), ("account", account, parts.account_id)):
        if own is not None and given != own:
            reason = f"the certificate is in {kind} {given}, the API in {own}"
            remedy = f"request one in {own}"
            yield Problem(("api", "domain", "certificate_arn"), reason, remedy)
    if api.domain.base_path in _RESERVED_PATHS:
        reason = f"/{api.domain.base_path} is API Gateway's own"
        yield Problem(("api", "domain", "base_path"), reason, "use another name, or none")


def _waf(api: Api) -> Iterator[Problem]:
    if api.waf is None:
        return
    rules = api.waf.managed_rules
    if not rules and api.waf.requests_per_five_minutes is None:
        reason = "a firewall without rules lets everything through"
        yield Problem(("api", "waf"), reason, "give it one of managed_rules, or remove waf")
    for index, rule in enumerate(rules):
        if rule in rules[:index]:
            reason = f"{rule} is there already"
            yield Problem(("api", "waf", "managed_rules", index), reason, "remove one of them")
