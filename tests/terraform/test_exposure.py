"""A private API behind a firewall: made, read back and destroyed by people who hold its policies alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.support import enforcing, proof
from tests.support.checkout import ROOT
from tests.support.terraform import Rig
from toolkit import iam
from toolkit.aws.access import LOCAL_SETTINGS, AwsAccess
from toolkit.deployment.context import Context
from toolkit.deployment.cutoff import adoption, inthefront
from toolkit.deployment.cutoff.leftovers import Leftovers
from toolkit.environment import Environment, load
from toolkit.project import Project
from toolkit.terraform import Change, Counts, Plan, Workspace

pytestmark = pytest.mark.slow

ENVIRONMENT = """\
target: local
name: llm
region: us-east-1
models:
  m:
    serving: {engine: llama_cpp}
    source: {server: "http://127.0.0.1:11434/v1"}
    instance_type: ml.c7i.xlarge
api:
  auth: iam
  private: {vpc_endpoint_ids: [vpce-0a1b2c3d]}
  waf: {managed_rules: [AWSManagedRulesSQLiRuleSet]}
"""
# As the stack calls the module: with the tag that the policies ask for.
MODULE = """
variable "gateway" {
  type = string
}

provider "aws" {
  region = "us-east-1"
  default_tags {
    tags = {
      deployment  = "llm-inside"
      environment = "inside"
      managed-by  = "terraform"
      stack       = "inference"
    }
  }
}

module "api" {
  source                   = "../../modules/inference_api"
  name                     = "llm-inside"
  region                   = "us-east-1"
  account_id               = "123456789012"
  models                   = {}
  gateway                  = { package = var.gateway }
  authorizer               = { package = "" }
  auth                     = "iam"
  private                  = { vpc_endpoint_ids = ["vpce-0a1b2c3d"] }
  waf = {
    requests_per_five_minutes = 3000
    managed_rules             = ["AWSManagedRulesSQLiRuleSet"]
  }
  permissions_boundary_arn = "arn:aws:iam::123456789012:policy/llm-inside-function-boundary"
}

output "api_id" {
  value = module.api.api_id
}
"""
HOLDERS = {"deployer": "api-deployer", "viewer": "viewer", "operator": "operator"}
# What only such an environment has, as statements and as actions of statements that others have, too.
PARTS = {
    "api-deployer": {
        "ManageFirewall": None,
        "ListFirewallsAnyResource": None,
        "ModifyTaggedApi": {"apigateway:SetWebACL", "apigateway:UpdateRestApiPolicy"},
    },
    "viewer": {"ReadFirewall": None},
    "operator": {
        "RestoreFirewallRules": None,
        "RestoreApi": {"apigateway:UpdateRestApiPolicy"},
    },
}


@dataclass
class Inside:
    """The environment's people, and what they did.

    Attributes:
        environment: what their policies are for.
        endpoint: how API Gateway knew the API.
        found: ids of what a deployer would adopt if no state knew it, and of what would be removed.
        firewall: id of the web ACL.
        changes: what the viewer's plan found to change afterwards.
        decisions: what IAM decided on while each of them worked.
    """

    rig: Rig
    environment: Environment
    documents: dict[str, dict[str, Any]]
    workspace: Workspace
    endpoint: dict[str, Any] = field(default_factory=dict)
    found: list[str] = field(default_factory=list)
    firewall: str = ""
    changes: tuple[Change, ...] | None = None
    decisions: dict[str, list[proof.Decision]] = field(default_factory=dict)
    _keys: dict[str, dict[str, str]] = field(default_factory=dict)

    def hold(self) -> None:
        """Make the users and give them their policies."""
        iam = self.rig.cloud.client("iam")
        for name, document in self.documents.items():
            iam.create_policy(PolicyName=f"llm-inside-{name}", PolicyDocument=json.dumps(document))
        for holder, policy in HOLDERS.items():
            iam.create_user(UserName=f"inside-{holder}")
            arn = f"arn:aws:iam::123456789012:policy/llm-inside-{policy}"
            iam.attach_user_policy(UserName=f"inside-{holder}", PolicyArn=arn)
            self._keys[holder] = iam.create_access_key(UserName=f"inside-{holder}")["AccessKey"]

    def as_(self, holder: str) -> Workspace:
        """Terraform with the keys of one of them."""
        keys = self._keys[holder]
        mine = {"AWS_ACCESS_KEY_ID": keys["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"]}
        return replace(self.workspace, environment={**self.workspace.environment, **mine})

    @property
    def changed(self) -> list[proof.Decision]:
        """What was decided for those who change something."""
        return self.decisions["deployer"] + self.decisions["operator"]

    def live(self) -> None:
        """Made by a deployer, looked at by a viewer, taken away again."""
        deployer = self.as_("deployer")
        deployer.apply(deployer.plan())
        self.bring_back_rules()
        self.look_for_what_no_state_knows()
        api = deployer.outputs()["api_id"]
        self.endpoint = self.client("apigateway").get_rest_api(restApiId=api)["endpointConfiguration"]
        self.changes = self.as_("viewer").plan().changes
        deployer.apply(deployer.plan(destroy=True))

    def bring_back_rules(self) -> None:
        """What a rollback asks for, where the earlier release had other rules; here they are the same."""
        waf = self.client("wafv2", "operator")
        (found,) = self.client("wafv2").list_web_acls(Scope="REGIONAL")["WebACLs"]
        self.firewall = found["Id"]
        named = {"Name": found["Name"], "Id": found["Id"], "Scope": "REGIONAL"}
        there = self.client("wafv2").get_web_acl(**named)["WebACL"]
        members = ("DefaultAction", "Description", "Rules", "VisibilityConfig")
        waf.update_web_acl(**named, LockToken=found["LockToken"], **{name: there[name] for name in members})

    def look_for_what_no_state_knows(self) -> None:
        """What a deployer's plan and destroy do after an apply that was cut off."""
        address = "module.api.aws_wafv2_web_acl.this[0]"
        created = (Change(address, "create", "aws_wafv2_web_acl"),)
        plan = Plan(Path("plan"), True, False, Counts(), created, ())
        keys = self._keys["deployer"]
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(LOCAL_SETTINGS["AWS_ACCESS_KEY_ID"], keys["AccessKeyId"])
            patch.setenv(LOCAL_SETTINGS["AWS_SECRET_ACCESS_KEY"], keys["SecretAccessKey"])
            access = AwsAccess("us-east-1", "123456789012", self.rig.cloud.endpoint_url)
            context = Context(self.rig.project, self.environment, access, self.workspace.console, None)
            self.found = [each.id for each in adoption.find(context, plan)]
            self.found += [each.id for each in inthefront.removable(context, Leftovers(context))]

    def client(self, service: str, holder: str | None = None) -> Any:
        """A boto3 client of one of them, or the administrator's."""
        keys = self._keys[holder] if holder else {"AccessKeyId": "local", "SecretAccessKey": "local"}
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.rig.cloud.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
        )

    def collect(self) -> None:
        """Sort what was decided by who asked."""
        found, _ = enforcing.decided(self.rig.cloud.endpoint_url, lambda each: (holder_of(each), ""))
        self.decisions = {name: [each for each in found if each.holder == name] for name in HOLDERS}


def holder_of(decision: Mapping[str, Any]) -> str:
    """Which of them asked; something else for everybody else."""
    return str(decision["principal"]).rpartition(":user/inside-")[2]


def environment(directory: Path) -> Environment:
    """The environment whose policies they hold."""
    project = Project(directory)
    project.environments.mkdir(parents=True)
    project.environment_file("inside").write_text(ENVIRONMENT)
    return load(project, "inside")


@pytest.fixture(scope="module")
def inside(rig: Rig, packages: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    """One life of it, with IAM enforced."""
    of = environment(tmp_path_factory.mktemp("inside"))
    documents = {
        name: iam.document(Project(ROOT), of, name)[0].content for name in (*iam.NAMES, iam.BOUNDARY)
    }
    workspace = rig.workspace(rig.root("inside", MODULE), {"gateway": packages["gateway"]})
    lived = Inside(rig, of, documents, workspace)
    lived.hold()
    enforcing.enforce(rig.cloud.endpoint_url, True)
    try:
        lived.live()
        lived.collect()
        yield lived
    finally:
        enforcing.enforce(rig.cloud.endpoint_url, False)


def test_it_is_made_and_read_back(inside: Inside) -> None:
    assert inside.endpoint == {"types": ["PRIVATE"], "vpcEndpointIds": ["vpce-0a1b2c3d"]}
    assert inside.changes == ()
    for holder, decisions in inside.decisions.items():
        assert decisions and [each for each in decisions if not each.allowed] == [], holder


def test_a_deployer_finds_the_firewall_that_no_state_knows(inside: Inside) -> None:
    assert inside.found == [f"{inside.firewall}/llm-inside/REGIONAL", inside.firewall]


def test_nothing_is_left(inside: Inside) -> None:
    client = inside.client
    assert client("wafv2").list_web_acls(Scope="REGIONAL")["WebACLs"] == []
    assert "llm-inside" not in [each["name"] for each in client("apigateway").get_rest_apis()["items"]]
    assert client("logs").describe_log_groups(logGroupNamePrefix="/aws/lambda/llm-inside")["logGroups"] == []
    assert "llm-inside-gateway" not in [each["RoleName"] for each in client("iam").list_roles()["Roles"]]


@pytest.mark.parametrize("name", PARTS)
def test_no_part_of_what_they_hold_for_it_is_superfluous(inside: Inside, name: str) -> None:
    """A deployer may also bring back rules, and an operator publishes what a deployer has published."""
    asked = inside.decisions["viewer"] if name == "viewer" else inside.changed
    document = inside.documents[name]
    assert PARTS[name].keys() <= {each["Sid"] for each in document["Statement"]}
    left = [
        str(part)
        for part in proof.superfluous(name, document, [], asked)
        if part.sid in PARTS[name] and _counts(part, PARTS[name][part.sid])
    ]
    assert left == []


def _counts(part: proof.Part, actions: set[str] | None) -> bool:
    return actions is None or part.what in actions


def test_other_apis_and_their_firewalls_are_out_of_reach(inside: Inside) -> None:
    other = inside.client("apigateway").create_rest_api(name="other", tags={"deployment": "llm-other"})["id"]
    stage = f"arn:aws:apigateway:us-east-1::/restapis/{other}/stages/live"
    waf, gateway = inside.client("wafv2", "deployer"), inside.client("apigateway", "deployer")
    with pytest.raises(ClientError, match="not authorized to perform: apigateway:SetWebACL"):
        waf.disassociate_web_acl(ResourceArn=stage)
    with pytest.raises(ClientError, match="not authorized to perform: wafv2:DeleteWebACL"):
        waf.delete_web_acl(Name="llm-inside-b", Scope="REGIONAL", Id="1", LockToken="1")
    with pytest.raises(ClientError, match="not authorized to perform: apigateway:"):
        gateway.put_rest_api(restApiId=other, body=b'{"x-amazon-apigateway-policy": {}}')
