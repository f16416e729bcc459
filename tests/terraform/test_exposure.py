"""Lifecycle of a private API with a firewall and cost alarms, by users with the deployers' policies only."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.support import enforcing, proof
from tests.support.access import enforce_iam
from tests.support.checkout import ROOT
from tests.support.terraform import Rig, allow_access_logs
from toolkit import iam
from toolkit.aws.access import LOCAL_SETTINGS
from toolkit.deployment.context import Context
from toolkit.deployment.recovery import cleanup, imports
from toolkit.deployment.recovery.orphans import OwnedResources
from toolkit.environment import Environment, load
from toolkit.preflight import cost
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
  gateway: {reserved_concurrency: 5}
  private: {vpc_endpoint_ids: [vpce-0a1b2c3d]}
  waf: {managed_rules: [AWSManagedRulesSQLiRuleSet]}
cost:
  alarms:
    emails: [platform@example.com]
    topic_arn: arn:aws:sns:us-east-1:123456789012:spending
    monthly: {amount: 500}
    anomalies: {minimum_impact: 50}
"""
# Tags as in the stack, which the policies require.
MODULE = """
variable "gateway" {
  type = string
}

variable "amount" {
  type    = number
  default = 500
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
  gateway                  = { package = var.gateway, reserved_concurrency = 5 }
  authorizer               = { package = "" }
  auth                     = "iam"
  private                  = { vpc_endpoint_ids = ["vpce-0a1b2c3d"] }
  waf = {
    requests_per_five_minutes = 3000
    managed_rules             = ["AWSManagedRulesSQLiRuleSet"]
  }
  permissions_boundary_arn = "arn:aws:iam::123456789012:policy/llm-inside-function-boundary"
}

module "observability" {
  source    = "../../modules/observability"
  name      = "llm-inside"
  region    = "us-east-1"
  dashboard = false
  alarms    = {}
  api       = { name = "llm-inside", stage = "live", gateway = "llm-inside-gateway" }
  cost_alarms = {
    emails    = ["platform@example.com"]
    topic_arn = "arn:aws:sns:us-east-1:123456789012:spending"
    monthly   = { amount = var.amount, actual_percent = [80, var.amount / 5] }
    anomalies = { minimum_impact = var.amount / 10 }
  }
}

output "api_id" {
  value = module.api.api_id
}
"""
# One instance of each block that recovery can import.
RECOVERED = (
    "module.api.aws_wafv2_web_acl.this[0]",
    "module.observability.aws_budgets_budget.this[0]",
    "module.observability.aws_ce_anomaly_monitor.this[0]",
    'module.observability.aws_ce_anomaly_subscription.this["email"]',
    'module.observability.aws_ce_anomaly_subscription.this["topic"]',
)
HOLDERS = {"deployer": "api-deployer", "viewer": "viewer", "operator": "operator"}
# Permissions that only such environments have: statements, or actions of shared statements.
PARTS = {
    "api-deployer": {
        "CreatePrivateApi": None,
        "ReserveConcurrency": None,
        "ManageFirewall": None,
        "ListFirewallsAnyResource": None,
        "ModifyTaggedApi": {"apigateway:SetWebACL", "apigateway:UpdateRestApiPolicy"},
        "ManageMonthlyBudget": None,
        "CreateTaggedAnomalyAlarmsAnyResource": None,
        "TagAnomalyAlarms": None,
        "ModifyTaggedAnomalyAlarms": None,
        "ListAnomalyAlarms": None,
        "ReadCostAllocationTagsAnyResource": None,
    },
    "viewer": {
        "ReadFirewall": None,
        "ReadMonthlyBudget": None,
        "ReadTaggedAnomalyAlarms": None,
        "ReadCostAllocationTagsAnyResource": None,
    },
    "operator": {
        "RestoreMonthlyBudget": None,
        "RestoreAnomalyAlarms": None,
        "RestoreConcurrency": None,
        "RestoreFirewallRules": None,
        "RestoreApi": {"apigateway:UpdateRestApiPolicy"},
    },
}


@dataclass
class PrivateApi:
    """The environment's users and the recorded results.

    Attributes:
        environment: the environment of their policies.
        endpoint: the API's endpoint configuration.
        orphans: ids of orphans that a deployer would import, and of those that it would delete.
        alarms: the budget, its notifications with their subscribers, the anomaly monitor, the subscriptions.
        firewall: id of the web ACL.
        changes: changes in the viewer's plan after the apply.
        decisions: IAM's decisions by user.
    """

    rig: Rig
    environment: Environment
    documents: dict[str, list[iam.Document]]
    workspace: Workspace
    endpoint: dict[str, Any] = field(default_factory=dict)
    orphans: list[str] = field(default_factory=list)
    firewall: str = ""
    alarms: dict[str, Any] = field(default_factory=dict)
    changes: tuple[Change, ...] | None = None
    decisions: dict[str, list[proof.Decision]] = field(default_factory=dict)
    _keys: dict[str, dict[str, str]] = field(default_factory=dict)

    def create_users(self) -> None:
        """Create the users and attach their policies."""
        client = self.rig.cloud.client("iam")
        for document in (part for parts in self.documents.values() for part in parts):
            client.create_policy(PolicyName=document.policy_name, PolicyDocument=json.dumps(document.content))
        for holder, policy in HOLDERS.items():
            client.create_user(UserName=f"inside-{holder}")
            for document in self.documents[policy]:
                arn = f"arn:aws:iam::123456789012:policy/{document.policy_name}"
                client.attach_user_policy(UserName=f"inside-{holder}", PolicyArn=arn)
            self._keys[holder] = client.create_access_key(UserName=f"inside-{holder}")["AccessKey"]

    def as_(self, holder: str) -> Workspace:
        """Terraform with a user's keys."""
        keys = self._keys[holder]
        credentials = {
            "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
        }
        return replace(self.workspace, environment={**self.workspace.environment, **credentials})

    @property
    def write_decisions(self) -> list[proof.Decision]:
        """Decisions for users that change resources."""
        return self.decisions["deployer"] + self.decisions["operator"]

    def run(self) -> None:
        """Apply as deployer, plan as viewer, destroy as deployer."""
        deployer = self.as_("deployer")
        deployer.apply(deployer.plan())
        self.restore_rules()
        self.restore_concurrency()
        self.read_alarms()
        self.restore_alarms()
        self.find_orphans()
        self.check_alarms()
        api = deployer.outputs()["api_id"]
        self.endpoint = self.client("apigateway").get_rest_api(restApiId=api)["endpointConfiguration"]
        self.changes = self.as_("viewer").plan().changes
        deployer.apply(deployer.plan(destroy=True))

    def restore_concurrency(self) -> None:
        """Remove the reservation and restore it, as an apply and a rollback would."""
        for holder in ("deployer", "operator"):
            functions = self.client("lambda", holder)
            functions.delete_function_concurrency(FunctionName="llm-inside-gateway")
            functions.put_function_concurrency(
                FunctionName="llm-inside-gateway", ReservedConcurrentExecutions=5
            )

    def restore_rules(self) -> None:
        """Update the web ACL as a rollback would, with the same rules."""
        waf = self.client("wafv2", "operator")
        (summary,) = self.client("wafv2").list_web_acls(Scope="REGIONAL")["WebACLs"]
        self.firewall = summary["Id"]
        identity = {"Name": summary["Name"], "Id": summary["Id"], "Scope": "REGIONAL"}
        web_acl = self.client("wafv2").get_web_acl(**identity)["WebACL"]
        members = ("DefaultAction", "Description", "Rules", "VisibilityConfig")
        waf.update_web_acl(
            **identity, LockToken=summary["LockToken"], **{name: web_acl[name] for name in members}
        )

    def read_alarms(self) -> None:
        """Read the cost alarms as AWS shows them."""
        budgets, explorer = self.client("budgets"), self.client("ce")
        budget = {"AccountId": "123456789012", "BudgetName": "llm-inside"}
        self.alarms = {
            "budget": budgets.describe_budget(**budget)["Budget"],
            "notifications": [
                (
                    item,
                    budgets.describe_subscribers_for_notification(**budget, Notification=item)["Subscribers"],
                )
                for item in budgets.describe_notifications_for_budget(**budget)["Notifications"]
            ],
            "monitor": explorer.get_anomaly_monitors()["AnomalyMonitors"],
            "subscriptions": explorer.get_anomaly_subscriptions()["AnomalySubscriptions"],
        }

    def restore_alarms(self) -> None:
        """Change the cost alarms as an apply would, and restore them as a rollback would."""
        deployer = self.as_("deployer")
        changed = replace(deployer, environment={**deployer.environment, "TF_VAR_amount": "450"})
        changed.apply(changed.plan())
        account, budgets = {"AccountId": "123456789012"}, self.client("budgets", "operator")
        now = self.client("budgets").describe_budget(**account, BudgetName="llm-inside")["Budget"]
        assert now["BudgetLimit"]["Amount"] == "450"
        budgets.update_budget(
            **account, NewBudget={**now, "BudgetLimit": self.alarms["budget"]["BudgetLimit"]}
        )
        threshold = {"NotificationType": "ACTUAL", "ComparisonOperator": "GREATER_THAN"}
        budgets.delete_notification(
            **account, BudgetName="llm-inside", Notification={**threshold, "Threshold": 90}
        )
        for item, subscribers in self.alarms["notifications"]:
            if (item["NotificationType"], item["Threshold"]) == ("ACTUAL", 100):
                budgets.create_notification(
                    **account,
                    BudgetName="llm-inside",
                    Notification={**threshold, "Threshold": 100, "ThresholdType": "PERCENTAGE"},
                    Subscribers=subscribers,
                )
        for subscription in self.alarms["subscriptions"]:
            self.client("ce", "operator").update_anomaly_subscription(
                SubscriptionArn=subscription["SubscriptionArn"],
                ThresholdExpression=subscription["ThresholdExpression"],
            )

    @contextmanager
    def context(self, holder: str) -> Iterator[Context]:
        """The toolkit's context of a user."""
        keys = self._keys[holder]
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(LOCAL_SETTINGS["AWS_ACCESS_KEY_ID"], keys["AccessKeyId"])
            patch.setenv(LOCAL_SETTINGS["AWS_SECRET_ACCESS_KEY"], keys["SecretAccessKey"])
            access = self.rig.cloud.access
            yield Context(self.rig.project, self.environment, access, self.workspace.console, None)

    def find_orphans(self) -> None:
        """Look for orphans, as plan and destroy do after an interrupted apply."""
        created = tuple(Change(address, "create", address.split(".")[2]) for address in RECOVERED)
        plan = Plan(Path("plan"), True, False, Counts(), created, ())
        finders = (cleanup.web_acl, cleanup.budget, cleanup.anomaly_monitors, cleanup.anomaly_subscriptions)
        with self.context("deployer") as context:
            self.orphans = [orphan.id for orphan in imports.find(context, plan)]
            for finder in finders:
                self.orphans += [orphan.id for orphan in finder(context, OwnedResources(context))]

    def check_alarms(self) -> None:
        """Check whether the cost alarms can work, as preflight does."""
        self.client("sns").create_topic(Name="spending")
        for holder in ("viewer", "deployer"):
            with self.context(holder) as context:
                assert len(list(cost.alarms(context))) == 3, holder

    def client(self, service: str, holder: str | None = None) -> Any:
        """A boto3 client of a user, or of the administrator."""
        if holder is None:
            return self.rig.cloud.client(service)
        keys = self._keys[holder]
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.rig.cloud.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
        )

    def collect(self) -> None:
        """Group IAM's decisions by user."""
        decisions, _ = enforcing.decided(self.rig.cloud, lambda decision: (holder_of(decision), ""))
        self.decisions = {
            name: [decision for decision in decisions if decision.holder == name] for name in HOLDERS
        }


def holder_of(decision: Mapping[str, Any]) -> str:
    """The user of a decision; another string for other principals."""
    return str(decision["principal"]).rpartition(":user/inside-")[2]


def environment(directory: Path) -> Environment:
    """The users' environment."""
    project = Project(directory)
    project.environments.mkdir(parents=True)
    project.environment_file("inside").write_text(ENVIRONMENT)
    return load(project, "inside")


@pytest.fixture(scope="module")
def private_api(
    rig: Rig, packages: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PrivateApi]:
    """The lifecycle, with IAM enforced."""
    file = environment(tmp_path_factory.mktemp("inside"))
    documents = {name: iam.document(Project(ROOT), file, name) for name in (*iam.NAMES, iam.BOUNDARY)}
    workspace = rig.workspace(rig.root("inside", MODULE), {"gateway": packages["gateway"]})
    scenario = PrivateApi(rig, file, documents, workspace)
    scenario.create_users()
    allow_access_logs(rig.cloud)
    enforce_iam(rig.cloud, True)
    try:
        scenario.run()
        scenario.collect()
        yield scenario
    finally:
        enforce_iam(rig.cloud, False)


def test_the_api_is_private_and_replanning_is_empty(private_api: PrivateApi) -> None:
    assert private_api.endpoint == {
        "types": ["PRIVATE"],
        "ipAddressType": "dualstack",
        "vpcEndpointIds": ["vpce-0a1b2c3d"],
    }
    assert private_api.changes == ()
    for holder, decisions in private_api.decisions.items():
        assert decisions and [decision for decision in decisions if not decision.allowed] == [], holder


def test_a_deployer_finds_orphans(private_api: PrivateApi) -> None:
    alarms, budget = private_api.alarms, "123456789012:llm-inside"
    monitor = [alarm["MonitorArn"] for alarm in alarms["monitor"]]
    subscriptions = [alarm["SubscriptionArn"] for alarm in alarms["subscriptions"]]
    imported = [f"{private_api.firewall}/llm-inside/REGIONAL", budget, *monitor, *subscriptions]
    removed = [private_api.firewall, budget, *monitor, *subscriptions]
    assert len(private_api.orphans) == len(RECOVERED) * 2
    assert sorted(private_api.orphans) == sorted([*imported, *removed])


def test_alarms_see_the_costs_of_the_environment_only(private_api: PrivateApi) -> None:
    """By its tag; a notification by e-mail waits for the daily summary, one to a topic does not."""
    alarms = private_api.alarms
    assert alarms["budget"]["CostFilters"] == {"TagKeyValue": ["user:deployment$llm-inside"]}
    assert alarms["budget"]["BudgetLimit"] == {"Amount": "500", "Unit": "USD"}
    recipients = {"platform@example.com", "arn:aws:sns:us-east-1:123456789012:spending"}
    notified = {(item["NotificationType"], item["Threshold"]) for item, _ in alarms["notifications"]}
    assert notified == {("ACTUAL", 80), ("ACTUAL", 100), ("FORECASTED", 100)}
    for _, subscribers in alarms["notifications"]:
        assert {subscriber["Address"] for subscriber in subscribers} == recipients
    (monitor,) = alarms["monitor"]
    assert monitor["MonitorSpecification"]["Tags"] == {"Key": "user:deployment", "Values": ["llm-inside"]}
    frequencies = {
        (item["Frequency"], subscriber["Address"], *item["ThresholdExpression"]["Dimensions"]["Values"])
        for item in alarms["subscriptions"]
        for subscriber in item["Subscribers"]
    }
    assert frequencies == {
        ("DAILY", "platform@example.com", "50"),
        ("IMMEDIATE", "arn:aws:sns:us-east-1:123456789012:spending", "50"),
    }


def test_destroy_deletes_all_resources(private_api: PrivateApi) -> None:
    client = private_api.client
    assert client("wafv2").list_web_acls(Scope="REGIONAL")["WebACLs"] == []
    assert client("budgets").describe_budgets(AccountId="123456789012")["Budgets"] == []
    assert client("ce").get_anomaly_monitors()["AnomalyMonitors"] == []
    assert client("ce").get_anomaly_subscriptions()["AnomalySubscriptions"] == []
    assert "llm-inside" not in [api["name"] for api in client("apigateway").get_rest_apis()["items"]]
    assert client("logs").describe_log_groups(logGroupNamePrefix="/aws/lambda/llm-inside")["logGroups"] == []
    assert "llm-inside-gateway" not in [role["RoleName"] for role in client("iam").list_roles()["Roles"]]


@pytest.mark.parametrize("name", PARTS)
def test_every_permission_for_exposure_is_needed(private_api: PrivateApi, name: str) -> None:
    decisions = private_api.decisions["viewer"] if name == "viewer" else private_api.write_decisions
    statements = [dict(item) for part in private_api.documents[name] for item in part.statements]
    document = {"Version": "2012-10-17", "Statement": statements}
    assert PARTS[name].keys() <= {statement["Sid"] for statement in document["Statement"]}
    unneeded = [
        str(part)
        for part in proof.superfluous(name, document, [], decisions)
        if part.sid in PARTS[name] and _is_included(part, PARTS[name][part.sid])
    ]
    assert unneeded == []


def _is_included(part: proof.Part, actions: set[str] | None) -> bool:
    return actions is None or part.what in actions


def test_foreign_alarms_are_denied(private_api: PrivateApi) -> None:
    explorer = private_api.client("ce")
    monitor = {"MonitorName": "llm-inside", "MonitorType": "DIMENSIONAL", "MonitorDimension": "SERVICE"}
    tags = [{"Key": "deployment", "Value": "llm-other"}]
    foreign = explorer.create_anomaly_monitor(AnomalyMonitor=monitor, ResourceTags=tags)["MonitorArn"]
    own = private_api.client("ce", "deployer")
    with pytest.raises(ClientError, match="not authorized to perform: ce:DeleteAnomalyMonitor"):
        own.delete_anomaly_monitor(MonitorArn=foreign)
    with pytest.raises(ClientError, match="not authorized to perform: ce:TagResource"):
        own.tag_resource(ResourceArn=foreign, ResourceTags=[{"Key": "deployment", "Value": "llm-inside"}])
    with pytest.raises(ClientError, match="not authorized to perform: ce:CreateAnomalyMonitor"):
        own.create_anomaly_monitor(AnomalyMonitor=monitor, ResourceTags=tags)
    with pytest.raises(ClientError, match="not authorized to perform: budgets:ModifyBudget"):
        private_api.client("budgets", "deployer").delete_budget(
            AccountId="123456789012", BudgetName="llm-other"
        )
    explorer.delete_anomaly_monitor(MonitorArn=foreign)


def test_foreign_apis_and_firewalls_are_denied(private_api: PrivateApi) -> None:
    other = private_api.client("apigateway").create_rest_api(name="other", tags={"deployment": "llm-other"})[
        "id"
    ]
    stage = f"arn:aws:apigateway:us-east-1::/restapis/{other}/stages/live"
    waf, gateway = private_api.client("wafv2", "deployer"), private_api.client("apigateway", "deployer")
    with pytest.raises(ClientError, match="not authorized to perform: apigateway:SetWebACL"):
        waf.disassociate_web_acl(ResourceArn=stage)
    with pytest.raises(ClientError, match="not authorized to perform: wafv2:DeleteWebACL"):
        waf.delete_web_acl(Name="llm-inside-b", Scope="REGIONAL", Id="1", LockToken="1")
    with pytest.raises(ClientError, match="not authorized to perform: apigateway:"):
        gateway.put_rest_api(restApiId=other, body=b'{"x-amazon-apigateway-policy": {}}')
