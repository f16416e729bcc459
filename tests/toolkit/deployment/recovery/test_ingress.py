"""Orphans of an interrupted apply in front of an API: domain, record, firewall."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.contexts import Opened, opened
from tests.support.front import CERTIFICATE, Front, tags
from toolkit.aws.access import AwsAccess
from toolkit.deployment.context import Context
from toolkit.deployment.recovery import imports, registry
from toolkit.terraform import Change, Counts, Plan

pytestmark = pytest.mark.slow
ADDRESSES = (
    "module.api.aws_api_gateway_domain_name.this[0]",
    "module.api.aws_api_gateway_base_path_mapping.this[0]",
    "module.api.aws_route53_record.domain[0]",
    "module.api.aws_wafv2_web_acl.this[0]",
    "module.api.aws_wafv2_web_acl_association.stage[0]",
)
PLAN = Plan(
    Path("plan"),
    has_changes=True,
    destroy=False,
    counts=Counts(),
    changes=tuple(Change(address, "create", address.split(".")[2]) for address in ADDRESSES),
    drift=(),
)


MakeIngress = Callable[..., "Ingress"]


@dataclass
class Ingress:
    """An environment with a domain, a record and a firewall, and a factory for them."""

    opened: Opened
    front: Front

    @property
    def context(self) -> Context:
        """The environment's."""
        return self.opened.context


@pytest.fixture
def make_ingress(account: AwsAccess, tmp_path: Path) -> MakeIngress:
    """Opens such environments."""

    def make(env: str, base_path: str = "", access: AwsAccess = account) -> Ingress:
        front = Front(account, f"llm-{env}", f"{env}.example.com", base_path)
        domain = {
            "name": front.name,
            "certificate_arn": CERTIFICATE,
            "hosted_zone_id": front.zone,
            "base_path": base_path,
        }
        further = f"api: {json.dumps({'domain': domain, 'waf': {}})}\n"
        return Ingress(opened(tmp_path / env, access, env=env, further=further), front)

    return make


def adopted(ingress: Ingress, directory: Path) -> dict[str, list[str]]:
    """Return IDs of planned imports, by `import` block."""
    text = imports.write(imports.find(ingress.context, PLAN), directory).read_text()
    return {
        block.split(".")[-2]: [entry["id"] for entry in entries]
        for block, entries in json.loads(text)["imports"].items()
    }


@pytest.mark.parametrize("base_path", ["", "models"])
def test_ingress_is_imported_under_terraforms_ids(
    make_ingress: MakeIngress, tmp_path: Path, base_path: str
) -> None:
    env = f"fa{base_path}"
    ingress = make_ingress(env, base_path)
    front = ingress.front
    assert adopted(ingress, tmp_path) == {}
    front.record(front.domain(tags(env)))
    front.mapping(tags(env))
    assert adopted(ingress, tmp_path) == {
        "aws_api_gateway_domain_name": [front.name],
        "aws_api_gateway_base_path_mapping": [f"{front.name}/{base_path}"],
        "aws_route53_record": [f"{front.zone}_{front.name}_A"],
    }
    web_acl = front.firewall(tags(env))["Id"]
    assert adopted(ingress, tmp_path)["aws_wafv2_web_acl"] == [f"{web_acl}/{front.prefix}/REGIONAL"]


def test_ingress_of_other_owners_is_ignored(make_ingress: MakeIngress, tmp_path: Path) -> None:
    ingress = make_ingress("fb")
    ingress.front.record(ingress.front.domain(tags("other")))
    ingress.front.mapping(tags("other"))
    ingress.front.firewall(tags("other"))
    assert adopted(ingress, tmp_path) == {}
    assert registry.find_orphans(ingress.context, {}) == []


def test_a_record_with_another_target_is_ignored(make_ingress: MakeIngress, tmp_path: Path) -> None:
    ingress = make_ingress("fc")
    ingress.front.domain(tags("fc"))
    ingress.front.record("d-0a1b2c3d.execute-api.us-east-1.amazonaws.com")
    assert adopted(ingress, tmp_path) == {"aws_api_gateway_domain_name": [ingress.front.name]}
    assert [orphan.kind for orphan in registry.find_orphans(ingress.context, {})] == ["domain name"]


def test_orphaned_ingress_is_removed(make_ingress: MakeIngress, account: AwsAccess) -> None:
    ingress = make_ingress("fd", "models")
    front = ingress.front
    front.record(front.domain(tags("fd")))
    stage, web_acl = front.mapping(tags("fd")), front.firewall(tags("fd"))
    account.wafv2.associate_web_acl(WebACLArn=web_acl["ARN"], ResourceArn=stage)
    state = {"aws_api_gateway_domain_name": frozenset({front.name})}
    assert [str(orphan) for orphan in registry.find_orphans(ingress.context, state)] == [
        f"DNS record {front.zone}_{front.name}_A",
        f"base path mapping {front.name}/models",
        f"web ACL {web_acl['Id']}",
        f"API {stage.split('/')[2]}",
    ]
    for orphan in registry.find_orphans(ingress.context, {}):
        orphan.remove()
    assert registry.find_orphans(ingress.context, {}) == []
    assert front.remaining() == []


def test_a_web_acl_is_removed_once_it_is_unused(make_ingress: MakeIngress, account: AwsAccess) -> None:
    """Like AWS WAF, which refers to a stage for some time after its deletion."""
    ingress, other = make_ingress("fe"), make_ingress("ff")
    other.front.domain(tags("ff"))
    stage, web_acl = other.front.mapping(tags("ff")), ingress.front.firewall(tags("fe"))
    account.wafv2.associate_web_acl(WebACLArn=web_acl["ARN"], ResourceArn=stage)
    requested = []

    def end_at_the_second(params: Mapping[str, Any], **_: Any) -> None:
        requested.append(params["Id"])
        if len(requested) == 2:
            account.wafv2.disassociate_web_acl(ResourceArn=stage)

    event, events = "before-parameter-build.wafv2.DeleteWebACL", account.wafv2.meta.events
    events.register(event, end_at_the_second)
    try:
        (orphan,) = registry.find_orphans(ingress.context, {})
        orphan.remove()
    finally:
        events.unregister(event, end_at_the_second)
    assert requested == [web_acl["Id"]] * 2
    assert ingress.front.remaining() == []


def test_denied_look_ups_do_not_prevent_a_plan(make_ingress: MakeIngress, unprivileged: AwsAccess) -> None:
    ingress = make_ingress("fg", access=unprivileged)
    assert imports.find(ingress.context, PLAN) == []
    assert any("not allowed to call wafv2:ListWebACLs" in line for line in ingress.opened.stderr_lines)
    for address in ADDRESSES[:4]:
        assert any(f"cannot check whether {address} exists" in line for line in ingress.opened.stderr_lines)
