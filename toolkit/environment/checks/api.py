"""Checks of the section `api`, and of keys that refer to it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from toolkit.environment.api import Api
from toolkit.environment.aws_types import region_of
from toolkit.environment.environment import ValidParts
from toolkit.environment.gateway_variables import (
    MAX_VARIABLES_BYTES,
    authorizer_variables,
    gateway_variables,
    variables_bytes,
)
from toolkit.environment.problems import KeyPath, Problem, did_you_mean

# API Gateway reserves these paths for its health checks of a domain.
_RESERVED_PATHS = ("ping", "sping")
# The Lambda Web Adapter strips a base path repeatedly (`trim_start_matches` in its lib.rs).
_API_PATHS = ("/v1/", "/healthz")
# Regions that are not in .github/workflows/prod.json of aws/aws-lambda-web-adapter, or without the version of
# the layer that is in use. In China, the layer has other accounts and versions.
_WITHOUT_LAYER = re.compile(r"(cn|eu-isoe|eusc|us-gov|us-iso[bf]?)-.+|me-south-1|me-west-1|sa-west-1")


def check(parts: ValidParts) -> Iterator[Problem]:
    """Check the section `api`."""
    if parts.api is None:
        return
    yield from _keys(parts.api)
    yield from _models(parts, parts.api)
    yield from _guard(parts.api)
    yield from _prices(parts, parts.api)
    yield from _auth(parts.api)
    yield from _jwt(parts, parts.api)
    yield from _layer(parts, parts.api)
    yield from _variables(parts, parts.api)
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
    lists: list[tuple[KeyPath, tuple[str, ...] | None]] = [
        (("api", "usage_plans", name, "models"), plan.models) for name, plan in api.usage_plans.items()
    ]
    if api.guard is not None:
        lists.append((("api", "guard", "models"), api.guard.models))
    for path, names in lists:
        for index, model in enumerate(names or ()):
            if model not in served_names:
                remedy = (
                    did_you_mean(model, served_names) or f"use a model or alias: {', '.join(served_names)}"
                )
                yield Problem((*path, index), f"unknown model {model}", remedy)


def _guard(api: Api) -> Iterator[Problem]:
    if api.guard is not None and api.guard.bedrock is None and api.guard.python is None:
        yield Problem(
            ("api", "guard"), "there is nothing that checks", "add bedrock or python, or remove guard"
        )


def _prices(parts: ValidParts, api: Api) -> Iterator[Problem]:
    """A model without a price would be free."""
    models = {name: model for name, model in parts.models.items() if model.asynchronous is None}
    for plan_name, plan in api.usage_plans.items():
        if plan.dollars_per_month is None:
            continue
        unpriced = [
            name
            for name, model in models.items()
            if model.price is None and (plan.models is None or {name, *model.aliases} & set(plan.models))
        ]
        if unpriced:
            path: KeyPath = ("api", "usage_plans", plan_name, "dollars_per_month")
            noun = "model" if len(unpriced) == 1 else "models"
            reason = f"no price is known of the {noun} {', '.join(unpriced)}"
            remedy = f"set models.{unpriced[0]}.price, or leave the {noun} out of the plan's models"
            yield Problem(path, reason, remedy)


def _auth(api: Api) -> Iterator[Problem]:
    if api.auth != "iam":
        return
    for key in ("keys", "usage_plans", "jwt"):
        if getattr(api, key):
            reason = "auth: iam does not use API keys"
            yield Problem(("api", key), reason, "remove it, or set auth: keys")
    if api.authorizer.reserved_concurrency is not None:
        reason = "auth: iam has no authorizer"
        yield Problem(("api", "authorizer", "reserved_concurrency"), reason, "remove it, or set auth: keys")


def _jwt(parts: ValidParts, api: Api) -> Iterator[Problem]:
    jwt = api.jwt
    if jwt is None:
        return
    section: KeyPath = ("api", "jwt")
    named = [((*section, "usage_plans", value), plan) for value, plan in jwt.usage_plans.items()]
    if jwt.default_usage_plan is not None:
        named.append(((*section, "default_usage_plan"), jwt.default_usage_plan))
    for path, plan in named:
        if plan not in api.plans and api.auth == "keys":
            remedy = did_you_mean(plan, api.plans) or f"use one of {', '.join(sorted(api.plans))}"
            yield Problem(path, f"unknown usage plan {plan}", remedy)
    if not named:
        reason = "all callers with a JWT would be refused"
        yield Problem(section, reason, "add default_usage_plan, or claim and usage_plans")
    if bool(jwt.usage_plans) != (jwt.claim is not None):
        present, missing = ("usage_plans", "claim") if jwt.claim is None else ("claim", "usage_plans")
        yield Problem((*section, present), f"has no effect without {missing}", f"add {missing}, or remove it")
    for key in ("issuer", "jwks_url"):
        url = getattr(jwt, key)
        if url is not None and url.startswith("http://") and parts.target == "aws":
            yield Problem((*section, key), f"AWS cannot reach {url}", "use https")
    size = variables_bytes(authorizer_variables(api))
    if size > MAX_VARIABLES_BYTES:
        reason = f"the authorizer needs {size} bytes of environment variables, of {MAX_VARIABLES_BYTES}"
        yield Problem((*section, "usage_plans"), reason, "list fewer or shorter values")


def _layer(parts: ValidParts, api: Api) -> Iterator[Problem]:
    arn, region = api.gateway.web_adapter_layer_arn, parts.region
    if region is None:
        return
    if arn is None and _WITHOUT_LAYER.fullmatch(region):
        reason = f"AWS does not publish the Lambda Web Adapter's layer in {region}"
        remedy = "publish it there, and set api.gateway.web_adapter_layer_arn, or use another region"
        yield Problem(("region",), reason, remedy)
    if arn is not None and region_of(arn) != region:
        reason = f"the layer is in {region_of(arn)}, but the function is in {region}"
        yield Problem(("api", "gateway", "web_adapter_layer_arn"), reason, f"use a layer in {region}")


def _variables(parts: ValidParts, api: Api) -> Iterator[Problem]:
    if parts.project is None:
        return
    size = variables_bytes(gateway_variables(f"{parts.project}-{parts.name}", parts.models, api))
    if size > MAX_VARIABLES_BYTES:
        reason = (
            f"the gateway needs {size} bytes of environment variables for models, keys, budgets and CORS"
            f" origins, and Lambda allows {MAX_VARIABLES_BYTES}"
        )
        remedy = "use fewer or shorter names and origins, or spread the models over several environments"
        yield Problem(("models",), reason, remedy)


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
    elif api.domain.base_path and any(path.startswith(f"/{api.domain.base_path}") for path in _API_PATHS):
        reason = f"the API's own paths begin with /{api.domain.base_path}"
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
