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
            right = did_you_mean(key.usage_plan, api.plans) or f"there are: {', '.join(sorted(api.plans))}"
            yield Problem(
                ("api", "keys", name, "usage_plan"), f"there is no usage plan {key.usage_plan}", right
            )


def _models(parts: ValidParts, api: Api) -> Iterator[Problem]:
    # Asynchronous models are asked through S3, not through the API.
    models = {name: model for name, model in parts.models.items() if model.asynchronous is None}
    known = [alias for name, model in models.items() for alias in (name, *model.aliases)]
    for name, plan in api.usage_plans.items():
        for index, model in enumerate(plan.models or ()):
            if model not in known:
                right = did_you_mean(model, known) or f"models and aliases are: {', '.join(known)}"
                path: KeyPath = ("api", "usage_plans", name, "models", index)
                yield Problem(path, f"there is no model {model}", right)


def _auth(api: Api) -> Iterator[Problem]:
    if api.auth != "iam":
        return
    for key in ("keys", "usage_plans"):
        if getattr(api, key):
            wrong = "with auth: iam there are no API keys"
            yield Problem(("api", key), wrong, "remove it, or set auth: keys")


def _domain(parts: ValidParts, api: Api) -> Iterator[Problem]:
    if api.domain is None:
        return
    if api.private is not None:
        wrong = "a private API cannot have it"
        yield Problem(("api", "domain"), wrong, "remove domain, or private")
    region, account = api.domain.certificate_arn.split(":")[3:5]
    for kind, given, own in (("region", region, parts.region), ("account", account, parts.account_id)):
        if own is not None and given != own:
            wrong = f"the certificate is in {kind} {given}, the API in {own}"
            right = f"request one in {own}"
            yield Problem(("api", "domain", "certificate_arn"), wrong, right)
    if api.domain.base_path in _RESERVED_PATHS:
        wrong = f"/{api.domain.base_path} is API Gateway's own"
        yield Problem(("api", "domain", "base_path"), wrong, "use another name, or none")


def _waf(api: Api) -> Iterator[Problem]:
    if api.waf is None:
        return
    rules = api.waf.managed_rules
    if not rules and api.waf.requests_per_five_minutes is None:
        wrong = "a firewall without rules lets everything through"
        yield Problem(("api", "waf"), wrong, "give it one of managed_rules, or remove waf")
    for index, rule in enumerate(rules):
        if rule in rules[:index]:
            wrong = f"{rule} is there already"
            yield Problem(("api", "waf", "managed_rules", index), wrong, "remove one of them")
