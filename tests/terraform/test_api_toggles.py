"""Every setting of the environment file's section `api`, switched on and off again.

APIs begin with different settings, get each other's, and get their own back. Whatever an API had before, AWS
must then describe it as it describes a new one with the same settings. Firewalls are left out: they have no
computed settings, and planning them takes seconds.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.terraform import ACCOUNT, REGION, Rig, allow_access_logs
from toolkit.terraform import Change

pytestmark = pytest.mark.slow

MODULE = """
variable "apis" {
  type = any
}

variable "packages" {
  type = object({ gateway = string, authorizer = string })
}

provider "aws" {
  region = "us-east-1"
}

module "api" {
  source   = "../../modules/inference_api"
  for_each = var.apis

  name               = each.key
  description        = try(each.value.description, "")
  region             = "us-east-1"
  account_id         = "123456789012"
  models             = { m = { endpoint_name = "m" } }
  gateway            = merge({ package = var.packages.gateway }, try(each.value.gateway, {}))
  authorizer         = merge({ package = var.packages.authorizer }, try(each.value.authorizer, {}))
  stage              = try(each.value.stage, null)
  auth               = try(each.value.auth, null)
  key_header         = try(each.value.key_header, null)
  throttle           = try(each.value.throttle, null)
  usage_plans        = try(each.value.usage_plans, null)
  keys               = try(each.value.keys, null)
  jwt                = try(each.value.jwt, null)
  cors               = try(each.value.cors, null)
  guard              = try(each.value.guard, null)
  private            = try(each.value.private, null)
  domain             = try(merge(each.value.domain, { name = "${each.key}.example.com" }), null)
  access_log         = try(each.value.access_log, null)
  log_retention_days = try(each.value.log_retention_days, null)
}
"""
CERTIFICATE = f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/1234abcd"
RATE = {"rate_per_second": 1, "burst": 2}
SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "public": {
        "description": "Chat",
        "gateway": {"memory_mb": 1024, "timeout_seconds": 60, "keepalive_seconds": 5, "log_content": True},
        "authorizer": {"reserved_concurrency": 3},
        "key_header": "authorization",
        "throttle": RATE,
        "usage_plans": {
            "trial": {
                "rate_per_second": 1,
                "burst": 2,
                "quota": {"requests": 9, "per": "day"},
                "tokens": {"per_minute": 5, "per_month": 6},
                "models": ["m"],
            }
        },
        "keys": {"k": {"usage_plan": "trial"}},
        "jwt": {"issuer": "https://a.example", "audience": ["m"], "default_usage_plan": "trial"},
        "cors": {"allow_origins": ["https://a.example", "https://b.example"]},
        "domain": {"certificate_arn": CERTIFICATE, "base_path": "prod"},
        "guard": {"bedrock": {"id": "gr1", "version": "1"}, "models": ["m"], "window": 9},
        "access_log": False,
        "log_retention_days": 7,
    },
    "private": {"private": {"vpc_endpoint_ids": ["vpce-0a"]}},
    "signed": {"auth": "iam"},
    "inside": {"auth": "iam", "private": {"vpc_endpoint_ids": ["vpce-0a"]}},
    "elsewhere": {"auth": "iam", "private": {"vpc_endpoint_ids": ["vpce-0b", "vpce-0c"]}},
}
# Settings of each API before and after → its settings in between.
BETWEEN = {
    "plain": "public",
    "public": "plain",
    "private": "plain",
    "signed": "plain",
    "inside": "elsewhere",
    "elsewhere": "inside",
}
# Ids and dates, which differ between equal APIs.
_OWN = {
    *("id", "rootResourceId", "deploymentId", "RevisionId", "ResponseMetadata"),
    *("regionalDomainName", "distributionDomainName"),
    *("createdDate", "lastUpdatedDate", "certificateUploadDate", "LastModified"),
}


@dataclass
class Toggled:
    """Descriptions of the APIs.

    Attributes:
        fresh: of new APIs, by their settings.
        between, after: of the same APIs after each change, by the settings that they began with.
        replanned: changes in a plan after the last apply.
    """

    fresh: dict[str, Any] = field(default_factory=dict)
    between: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    replanned: tuple[Change, ...] = ()


@pytest.fixture(scope="module")
def toggled(rig: Rig, packages: dict[str, str]) -> Toggled:
    """Three applies of the same APIs."""
    between = {name: SETTINGS[other] for name, other in BETWEEN.items()}
    workspace = rig.workspace(rig.root("toggles", MODULE), _variables(SETTINGS, packages))
    assert workspace.var_file is not None
    result = Toggled()
    allow_access_logs(rig.cloud)
    for apis, descriptions in ((SETTINGS, result.fresh), (between, result.between), (SETTINGS, result.after)):
        workspace.var_file.write_text(json.dumps(_variables(apis, packages)))
        workspace.apply_unseen()
        descriptions.update({name: _described(rig, f"api-{name}") for name in SETTINGS})
    result.replanned = workspace.plan().changes
    return result


def _variables(apis: dict[str, dict[str, Any]], packages: dict[str, str]) -> dict[str, Any]:
    return {"apis": {f"api-{name}": api for name, api in apis.items()}, "packages": packages}


def _described(rig: Rig, name: str) -> dict[str, Any]:
    """Describe an API and its surroundings, without its name and ids."""
    gateway, functions = rig.cloud.client("apigateway"), rig.cloud.client("lambda")
    (api,) = [api for api in gateway.get_rest_apis(limit=500)["items"] if api["name"] == name]
    (stage,) = gateway.get_stages(restApiId=api["id"])["item"]
    domain = f"{name}.example.com"
    description = {
        "api": api,
        "stage": stage,
        "plans": [
            {**plan, "id": ""}
            for plan in gateway.get_usage_plans(limit=500)["items"]
            if plan["name"].startswith(name)
        ],
        "domains": [item for item in gateway.get_domain_names()["items"] if item["domainName"] == domain],
        "functions": [
            {**function, "Version": ""}
            for function in functions.list_functions()["Functions"]
            if function["FunctionName"].startswith(f"{name}-")
        ],
        "logs": [
            (group["logGroupName"], group["retentionInDays"])
            for group in rig.cloud.client("logs").describe_log_groups()["logGroups"]
            if name in group["logGroupName"]
        ],
    }
    if description["domains"]:
        description["mappings"] = gateway.get_base_path_mappings(domainName=domain)["items"]
    # Part of the keys of callers with a JWT.
    digest = hashlib.sha256(f"{ACCOUNT}/{REGION}/{name}".encode()).hexdigest()[:32]
    return dict(_anonymous(description, {name: "NAME", api["id"]: "API", digest: "DIGEST"}))


def _anonymous(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        kept = {key: member for key, member in value.items() if key not in _OWN}
        return {_anonymous(key, names): _anonymous(member, names) for key, member in kept.items()}
    if isinstance(value, list | tuple):
        return sorted((_anonymous(item, names) for item in value), key=str)
    text = str(value)
    for name, replacement in names.items():
        text = text.replace(name, replacement)
    return text


@pytest.mark.parametrize("name", SETTINGS)
def test_a_changed_api_is_like_a_new_one(toggled: Toggled, name: str) -> None:
    assert toggled.between[name] == toggled.fresh[BETWEEN[name]]
    assert toggled.after[name] == toggled.fresh[name]


def test_a_plan_afterwards_is_empty(toggled: Toggled) -> None:
    assert toggled.replanned == ()


def test_the_source_of_keys_follows_auth(toggled: Toggled) -> None:
    """With `HEADER`, the authorizer and API Gateway could read different keys."""
    sources = {name: description["api"]["apiKeySource"] for name, description in toggled.fresh.items()}
    keys = {name: "HEADER" if "auth" in api else "AUTHORIZER" for name, api in SETTINGS.items()}
    assert sources == keys


def test_the_policy_admits_the_vpc_endpoints_of_the_file(toggled: Toggled) -> None:
    private = toggled.fresh["elsewhere"]["api"]
    assert private["endpointConfiguration"] == {
        "types": ["PRIVATE"],
        "ipAddressType": "dualstack",
        "vpcEndpointIds": ["vpce-0b", "vpce-0c"],
    }
    assert '["vpce-0b","vpce-0c"]' in private["policy"].replace("\\", "")
    assert "policy" not in toggled.fresh["plain"]["api"]
