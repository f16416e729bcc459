"""Mistakes between the API's keys, and between them and the rest of the file."""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.environment.api import Api
from toolkit.environment.checks.parts import Parts
from toolkit.environment.problems import KeyPath, Problem, did_you_mean

# What the embedded cloud has nothing of: it would look protected, and not be.
_NOT_LOCAL = {"private": "VPC endpoints", "domain": "domain names", "waf": "web application firewalls"}


def check(parts: Parts) -> Iterator[Problem]:
    """Mistakes in the part `api`."""
    if parts.api is None:
        return
    yield from _keys(parts.api)
    yield from _models(parts, parts.api)
    yield from _auth(parts.api)
    yield from _domain(parts, parts.api)
    if parts.target == "local":
        for key, what in _NOT_LOCAL.items():
            if getattr(parts.api, key) is not None:
                yield Problem(
                    ("api", key), f"the embedded cloud has no {what}", "leave it out for target: local"
                )


def _keys(api: Api) -> Iterator[Problem]:
    for name, key in api.keys.items():
        if key.usage_plan not in api.plans and api.auth == "keys":
            right = did_you_mean(key.usage_plan, api.plans) or f"there are: {', '.join(sorted(api.plans))}"
            yield Problem(
                ("api", "keys", name, "usage_plan"), f"there is no usage plan {key.usage_plan}", right
            )


def _models(parts: Parts, api: Api) -> Iterator[Problem]:
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


def _domain(parts: Parts, api: Api) -> Iterator[Problem]:
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
