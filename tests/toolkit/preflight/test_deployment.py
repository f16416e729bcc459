"""A healthy environment on AWS passes, and each planted problem is found and named with its remedy."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.access import call, enforce_iam, root_client
from tests.support.checkout import ROOT
from tests.support.cloud import LLAMA_IMAGE, PATIENT, Engine, make_checkout
from tests.support.handlers import handling
from tests.support.iam import allow, deny, document, trust
from tests.support.patience import wait_for
from tests.support.policy import quiet
from toolkit import iam
from toolkit.aws.access import AwsAccess
from toolkit.deployment.context import Context
from toolkit.environment import load
from toolkit.errors import InputError, PreflightError
from toolkit.preflight import api, deployment, models, results, rights
from toolkit.preflight.results import Result
from toolkit.project import Project
from toolkit.staging import locate
from toolkit.staging.manifest import Manifest, StoredFile

pytestmark = pytest.mark.slow

# Of no other test: its quotas are changed here.
REGION, ACCOUNT, TYPE = "eu-central-1", "123456789012", "ml.g6.2xlarge"
ENDPOINT_USAGE, CONCURRENCY = f"{TYPE} for endpoint usage", "Concurrent executions"
ROLE, DEPLOYER = "preflight-models", "preflight-deployer"
SERVICE_ROLES = {
    "sagemaker.application-autoscaling.amazonaws.com": (
        "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
    ),
    "ops.apigateway.amazonaws.com": "AWSServiceRoleForAPIGateway",
}
STORE, STATE = f"pre-models-{ACCOUNT}-{REGION}", f"pre-state-{ACCOUNT}-{REGION}"
# config.json of Qwen/Qwen3-8B.
CONFIG = {
    "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "hidden_size": 4096,
    "num_hidden_layers": 36, "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128,
    "intermediate_size": 12288, "vocab_size": 151936, "max_position_embeddings": 40960,
    "torch_dtype": "bfloat16",
    "tie_word_embeddings": False,
}  # fmt: skip
ENVIRONMENT = f"""\
target: aws
name: pre
region: {REGION}
account_id: "{ACCOUNT}"
account: {{execution_role: {{name: {ROLE}}}}}
models:
  chat:
    serving: {{engine: vllm, options: {{max_model_len: 16384}}}}
    source: {{hub: Qwen/Qwen3-8B, revision: b968826d9c46dd6066d109eabc6255188de91218, staged: true}}
    instance_type: {TYPE}
    capacity: {{min: 2, max: 3}}
    vpc: {{subnet_ids: [SUBNET], security_group_ids: [GROUP]}}
    rollout: {{strategy: canary, percent: 50, alarms: {{extra: [preflight-latency]}}}}
    data_capture: {{percent: 1, kms_key_arn: "KEY"}}
api:
  guard: {{bedrock: {{id: GUARDRAIL, version: DRAFT}}}}
  alarms: {{topic_arns: ["TOPIC"]}}
  gateway: {{reserved_concurrency: 100}}
  domain: {{name: llm.preflight.example, certificate_arn: "CERTIFICATE", hosted_zone_id: ZONE}}
cost: {{alarms: {{topic_arn: "TOPIC", monthly: {{amount: 100}}, anomalies: {{minimum_impact: 1}}}}}}
"""


@dataclass
class Site:
    """An environment on AWS whose account is the embedded cloud's.

    Attributes:
        text: its file, with the ids of what exists in the account.
    """

    project: Project
    access: AwsAccess
    text: str = ENVIRONMENT

    def context(self, changes: dict[str, str] | None = None) -> Context:
        """The opened environment, with changes of its file."""
        text = self.text
        for old, new in (changes or {}).items():
            assert old in text
            text = text.replace(old, new)
        self.project.environment_file("prod").write_text(text)
        return Context(self.project, load(self.project, "prod"), self.access, quiet(), None)

    def client(self, service: str) -> Any:
        """A client of the root user."""
        return root_client(self.access, service, REGION)

    def set_log_role(self, arn: str) -> None:
        """Set API Gateway's role for access logs in the region."""
        operation = {"op": "replace", "path": "/cloudwatchRoleArn", "value": arn}
        self.client("apigateway").update_account(patchOperations=[operation])

    def quota(self, name: str, value: float | None, service: str = "sagemaker") -> None:
        """Set a quota, or remove it."""
        quota = {"region": REGION, "service": service, "name": name, "value": value}
        assert call(self.access, "/_toolkit/quotas", quota) == quota

    def set_allocation_tag(self, status: str) -> None:
        """Activate or deactivate the tag `deployment` for cost allocation."""
        tags = [{"TagKey": "deployment", "Status": status}]
        self.client("ce").update_cost_allocation_tags_status(CostAllocationTagsStatus=tags)

    def set_publishers(self, *services: str) -> None:
        """Let services publish to the topic of the cost alarms."""
        topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:alarms"
        policy = document(allow("sns:Publish", topic, Principal={"Service": list(services)}))
        attribute = {"AttributeName": "Policy", "AttributeValue": policy}
        self.client("sns").set_topic_attributes(TopicArn=topic, **attribute)

    def check(self, name: str, changes: dict[str, str] | None = None) -> list[Result]:
        """The results of one check."""
        return deployment.run(self.context(changes), {name: deployment.CHECKS[name]})

    def only(self, name: str, changes: dict[str, str] | None = None, status: str = "failure") -> str:
        """The only result of this status, as a sentence."""
        (result,) = (result for result in self.check(name, changes) if result.status == status)
        assert result.remedy
        return str(result)


@pytest.fixture
def engine() -> Iterator[Engine]:
    """A server that the models of the embedded cloud relay to."""
    engine = Engine()
    yield engine
    engine.stop()


@pytest.fixture(scope="module")
def site(account: AwsAccess, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The account of a healthy environment."""
    project = make_checkout(tmp_path_factory.mktemp("preflight") / "project")
    (project.root / "policies").symlink_to(ROOT / "policies")
    site = Site(project, AwsAccess(REGION, ACCOUNT, account.endpoint_url, account.root_key))
    client = site.client
    for bucket in (STATE, STORE):
        client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    roles = client("iam")
    trusted = document(trust({"Service": "sagemaker.amazonaws.com"}))
    roles.create_role(RoleName=ROLE, AssumeRolePolicyDocument=trusted)
    for service, name in SERVICE_ROLES.items():
        with contextlib.suppress(roles.exceptions.EntityAlreadyExistsException):
            path = f"/aws-service-role/{service}/"
            roles.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=trusted)
    site.set_log_role(f"arn:aws:iam::{ACCOUNT}:role/logs")
    # A test sets its state, which the next evaluation would reset.
    client("cloudwatch").put_metric_alarm(
        AlarmName="preflight-latency", Namespace="Test", MetricName="none", Statistic="Sum", Period=86400,
        EvaluationPeriods=1, Threshold=1, ComparisonOperator="GreaterThanThreshold",
    )  # fmt: skip
    vpc = client("ec2").create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    messages = dict.fromkeys(("blockedInputMessaging", "blockedOutputsMessaging"), "blocked")
    zone = client("route53").create_hosted_zone(Name="preflight.example", CallerReference="preflight")
    ids = {
        "KEY": client("kms").create_key()["KeyMetadata"]["Arn"],
        "SUBNET": client("ec2").create_subnet(VpcId=vpc, CidrBlock="10.1.0.0/24")["Subnet"]["SubnetId"],
        "GROUP": client("ec2").create_security_group(GroupName="g", Description="g", VpcId=vpc)["GroupId"],
        "GUARDRAIL": client("bedrock").create_guardrail(name="g", **messages)["guardrailId"],
        "TOPIC": client("sns").create_topic(Name="alarms")["TopicArn"],
        "CERTIFICATE": _certificate(client("acm"), "*.preflight.example"),
        "ZONE": zone["HostedZone"]["Id"].rpartition("/")[2],
    }
    site.set_publishers("budgets.amazonaws.com", "costalerts.amazonaws.com")
    site.set_allocation_tag("Active")
    for name, identifier in ids.items():
        site.text = site.text.replace(name, identifier)
    _stage(site)
    roles.create_role(RoleName=DEPLOYER, AssumeRolePolicyDocument=document(trust({"AWS": ACCOUNT})))
    _grant(site, DEPLOYER)
    return site


def _certificate(acm: Any, name: str) -> str:
    """An issued certificate: an import needs no validation."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    imported = acm.import_certificate(Certificate=certificate.public_bytes(pem), PrivateKey=private)
    return str(imported["CertificateArn"])


def _stage(site: Site) -> None:
    (model,) = locate(site.project, site.context().environment).values()
    config = json.dumps(CONFIG).encode()
    files = {"config.json": config, "model.safetensors": b"weights"}
    stored = tuple(StoredFile(name, len(content), "0" * 64) for name, content in files.items())
    manifest = Manifest(model.name, model.uri, {}, None, stored, "2026-11-30T00:00:00Z", "test")
    s3 = site.client("s3")
    for name, content in files.items():
        s3.put_object(Bucket=STORE, Key=model.prefix + name, Body=content)
    s3.put_object(Bucket=STORE, Key=model.manifest_key, Body=manifest.to_json().encode())


def _grant(site: Site, role: str, without: str = "") -> None:
    """Give a role the deployer's policies of the environment, without one action."""
    context = site.context()
    for policy in rights.DEPLOYERS:
        for part in iam.document(context.project, context.environment, policy):
            content = part.json().replace(f'"{without}"', '"none:None"') if without else part.json()
            site.client("iam").put_role_policy(RoleName=role, PolicyName=part.name, PolicyDocument=content)


PRINCIPAL = f"arn:aws:iam::{ACCOUNT}:role/{DEPLOYER}"


def test_a_healthy_environment_passes(site: Site) -> None:
    report = deployment.inspect(site.context(), PRINCIPAL)
    assert [str(result) for result in report if result.status != "ok"] == []
    assert {result.check for result in report} == {"account", *deployment.CHECKS}
    results.raise_for_failures("prod", report)
    assert results.as_data("prod", report)["ready"] is True


IMAGE = "serving: {engine: vllm, options: {max_model_len: 16384}}"
OWN = "serving: {engine: vllm, image: URI, options: {max_model_len: 16384}}"
SOURCE = "source: {hub: Qwen/Qwen3-8B, revision: b968826d9c46dd6066d109eabc6255188de91218, staged: true}"
ADAPTER = f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:none:1"
# Check, what is planted in the file, and what is said about it.
CASES = {
    "no state bucket": (
        "state",
        {"account: {": "account: {state: {bucket: pre-none}, "},
        ["pre-none does not exist", "toolkit bootstrap --env prod"],
    ),
    "no execution role": (
        "execution role",
        {f"name: {ROLE}": "name: nobody"},
        ["role nobody does not exist", "toolkit bootstrap --env prod"],
    ),
    "a role that SageMaker may not assume": (
        "execution role",
        {f"name: {ROLE}": f"name: {DEPLOYER}"},
        [f"role {DEPLOYER} does not trust SageMaker", "sts:AssumeRole to sagemaker.amazonaws.com"],
    ),
    "an own image that was not pushed": (
        "image",
        {IMAGE: OWN.replace("URI", f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/own:1")},
        ["/own:1 does not exist", "push it"],
    ),
    "an image that AWS does not publish": (
        "image",
        {IMAGE: OWN.replace("URI", f"763104351884.dkr.ecr.{REGION}.amazonaws.com/vllm:none")},
        ["/vllm:none does not exist", "correct serving.version or serving.image"],
    ),
    "an image that is newer than the driver": (
        "driver",
        {
            "engine: vllm, options: {max_model_len: 16384}": "engine: tei, inference_ami_version: "
            "al2-ami-sagemaker-inference-gpu-2-1, image: 1.dkr/tei:1-cu130".replace(
                "1.dkr/", f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/"
            )
        },
        ["image has CUDA 13.0", "CUDA 12.2", "remove models.chat.serving.inference_ami_version"],
    ),
    "weights that were not staged": (
        "weights",
        {"b968826d9c46dd6066d109eabc6255188de91218": "a" * 40},
        ["chat: not complete in s3://", "toolkit model stage --env prod chat"],
    ),
    "nothing at an address in S3": (
        "weights",
        {SOURCE: f"source: {{s3: 's3://{STORE}/none/'}}"},
        [f"nothing is at s3://{STORE}/none/", "upload the weights"],
    ),
    "a context that does not fit": (
        "memory",
        {"max_model_len: 16384": "max_model_len: 40960, gpu_memory_utilization: 0.2"},
        ["chat on ml.g6.2xlarge"],
    ),
    "no alarm": (
        "alarm",
        {"preflight-latency": "none"},
        ["alarm none does not exist", "rollout.alarms.extra"],
    ),
    "no key": (
        "key",
        {
            "data_capture: {percent: 1, kms_key_arn: ": "kms_key_arn: "
            f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab #"
        },
        ["does not exist", "correct models.chat.kms_key_arn"],
    ),
    "no subnet": (
        "network",
        {"subnet_ids: [": "subnet_ids: [subnet-0a1b2c3d, "},
        ["subnet-0a1b2c3d does not exist", "correct models.chat.vpc"],
    ),
    "no topic": (
        "topic",
        {":alarms": ":none"},
        [":none does not exist", "create it, or correct api.alarms.topic_arns"],
    ),
    "no layer": (
        "layer",
        {"reserved_concurrency: 100": f'web_adapter_layer_arn: "{ADAPTER}"'},
        [f"{ADAPTER} does not exist", "api.gateway.web_adapter_layer_arn"],
    ),
    "no certificate": (
        "domain",
        {"certificate/": "certificate/0"},
        ["does not exist", "correct api.domain.certificate_arn"],
    ),
    "no hosted zone": (
        "domain",
        {"hosted_zone_id: Z": "hosted_zone_id: ZNONE"},
        ["does not exist", "correct api.domain.hosted_zone_id"],
    ),
    "no version of the guardrail": (
        "guardrail",
        {"version: DRAFT": 'version: "7"'},
        ["version 7 does not exist", "correct api.guard.bedrock"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_problem_of_the_file_is_found(site: Site, name: str) -> None:
    check, changes, expected = CASES[name]
    sentence = site.only(check, changes)
    for part in expected:
        assert part in sentence


def test_names_that_the_certificate_and_the_zone_lack(site: Site) -> None:
    changes = {"llm.preflight.example": "llm.other.example"}
    sentences = [str(result) for result in site.check("domain", changes) if result.status == "failure"]
    assert len(sentences) == 2
    assert "the certificate is for *.preflight.example, not for llm.other.example" in sentences[0]
    assert "is preflight.example, without llm.other.example" in sentences[1]


def test_a_certificate_that_is_not_issued(site: Site) -> None:
    acm = site.client("acm")
    arn = acm.request_certificate(DomainName="llm.preflight.example", ValidationMethod="DNS")[
        "CertificateArn"
    ]
    issued = site.context().environment.api.domain
    assert issued is not None
    sentence = site.only("domain", {issued.certificate_arn: arn})
    assert "is PENDING_VALIDATION" in sentence
    assert "create its validation records" in sentence


def test_a_domain_of_another_deployment(site: Site) -> None:
    gateway = site.client("apigateway")
    gateway.create_domain_name(domainName="llm.preflight.example", tags={"deployment": "other-prod"})
    try:
        assert "belongs to another deployment" in site.only("domain")
    finally:
        gateway.delete_domain_name(domainName="llm.preflight.example")


def test_another_account(site: Site) -> None:
    context = site.context()
    other = AwsAccess(REGION, "210987654321", site.access.endpoint_url, site.access.root_key)
    report = deployment.inspect(replace(context, access=other))
    assert report[0].status == "failure"
    assert "for account 123456789012, not for 210987654321" in report[0].detail
    assert "AWS_PROFILE" in report[0].remedy
    assert report[-1].status == "unknown"
    with pytest.raises(PreflightError, match="cannot deploy prod: 1 of 3 checks failed: account"):
        results.raise_for_failures("prod", report)


@pytest.mark.parametrize("action", ["sagemaker:CreateEndpoint", "lambda:CreateFunction", "iam:PassRole"])
def test_a_missing_right(site: Site, action: str) -> None:
    name = f"preflight-without-{action.replace(':', '-')}"
    roles = site.client("iam")
    role = roles.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust({"AWS": ACCOUNT})))[
        "Role"
    ]
    _grant(site, name, without=action)
    denied = [result for result in rights.actions(site.context(), role["Arn"]) if result.status == "failure"]
    assert denied
    for result in denied:
        assert result.detail == f"role/{name} is not allowed: {action}"
        assert "toolkit iam show --env prod" in result.remedy
    # A session has the rights of its role.
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/ci"
    assert [
        str(result) for result in rights.actions(site.context(), session) if result.status == "failure"
    ] == [str(result) for result in denied]


@pytest.mark.parametrize("kind", ["role/nobodys", "assumed-role/nobodys/ci"])
def test_a_principal_that_does_not_exist(site: Site, kind: str) -> None:
    service = "sts" if kind.startswith("assumed") else "iam"
    (result,) = rights.actions(site.context(), f"arn:aws:{service}::{ACCOUNT}:{kind}")
    assert (result.status, result.detail) == ("failure", f"{kind} does not exist")


@pytest.mark.parametrize("principal", ["role/x", "deployer", f"arn:aws:s3:::{ACCOUNT}"])
def test_a_principal_that_is_not_an_arn_of_one(site: Site, principal: str) -> None:
    with pytest.raises(InputError, match="is not the ARN of a user or role"):
        list(rights.actions(site.context(), principal))


def test_a_right_that_a_statement_denies(site: Site) -> None:
    site.client("iam").put_role_policy(
        RoleName=DEPLOYER, PolicyName="deny", PolicyDocument=document(deny("sagemaker:UpdateEndpoint"))
    )
    try:
        failed, _ = rights.actions(site.context(), PRINCIPAL)
        assert "sagemaker:UpdateEndpoint (a Deny statement)" in failed.detail
    finally:
        site.client("iam").delete_role_policy(RoleName=DEPLOYER, PolicyName="deny")


def test_a_service_linked_role_that_does_not_exist_yet(site: Site) -> None:
    (service, name) = next(reversed(SERVICE_ROLES.items()))
    roles = site.client("iam")
    roles.delete_role(RoleName=name)
    try:
        sentence = site.only("service role", status="warning")
        assert f"{name} does not exist yet" in sentence
        assert f"aws iam create-service-linked-role --aws-service-name {service}" in sentence
    finally:
        trusted = document(trust({"Service": service}))
        path = f"/aws-service-role/{service}/"
        roles.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=trusted)


def test_weights_without_one_of_their_files(site: Site) -> None:
    s3 = site.client("s3")
    (model,) = locate(site.project, site.context().environment).values()
    s3.delete_object(Bucket=STORE, Key=f"{model.prefix}model.safetensors")
    try:
        assert "chat: not complete" in site.only("weights")
    finally:
        _stage(site)


def test_an_alarm_that_fires(site: Site) -> None:
    cloudwatch = site.client("cloudwatch")
    cloudwatch.set_alarm_state(AlarmName="preflight-latency", StateValue="ALARM", StateReason="test")
    assert "alarm preflight-latency fires" in site.only("alarm", status="warning")
    cloudwatch.set_alarm_state(AlarmName="preflight-latency", StateValue="OK", StateReason="test")


def test_a_disabled_key(site: Site) -> None:
    kms, model = site.client("kms"), site.context().environment.models["chat"]
    assert model.data_capture is not None
    key = str(model.data_capture.kms_key_arn).rpartition("/")[2]
    kms.disable_key(KeyId=key)
    try:
        assert "is Disabled; enable it" in site.only("key")
    finally:
        kms.enable_key(KeyId=key)


def test_a_signer_that_cannot_sign(site: Site) -> None:
    keys = {"of another type": {}, "that signs": {"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"}}
    arns = [site.client("kms").create_key(**options)["KeyMetadata"]["Arn"] for options in keys.values()]
    symmetric, signer = ({"models:": f"evidence: {{kms_key_arn: '{arn}'}}\nmodels:"} for arn in arns)
    sentence = site.only("key", symmetric)
    assert "is of the type SYMMETRIC_DEFAULT for ENCRYPT_DECRYPT" in sentence
    assert "correct evidence.kms_key_arn" in sentence
    assert {result.status for result in site.check("key", signer)} == {"ok"}


def test_a_security_group_of_another_vpc(site: Site) -> None:
    ec2 = site.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.2.0.0/16")["Vpc"]["VpcId"]
    group = ec2.create_security_group(GroupName="far", Description="far", VpcId=vpc)["GroupId"]
    sentence = site.only("network", {"security_group_ids: [": f"security_group_ids: [{group}, "})
    assert "are in several VPCs" in sentence


def test_lambda_s_concurrency(site: Site) -> None:
    try:
        site.quota(CONCURRENCY, 150, "lambda")
        sentence = site.only("concurrency")
        assert "reserve 100 more, and 100 must stay unreserved" in sentence
        assert "--service-code lambda --quota-code L-B99A9384 --desired-value 1000" in sentence
        site.quota(CONCURRENCY, 10, "lambda")
        warned = site.only("concurrency", {"reserved_concurrency: 100": "memory_mb: 512"}, "warning")
        assert "Lambda's quota is 10 concurrent executions" in warned
    finally:
        site.quota(CONCURRENCY, 1000, "lambda")


def test_an_inactive_cost_allocation_tag(site: Site) -> None:
    site.set_allocation_tag("Inactive")
    try:
        sentence = site.only("cost alarms", status="warning")
    finally:
        site.set_allocation_tag("Active")
    assert "cost allocation tag deployment is not active" in sentence
    assert "TagKey=deployment,Status=Active" in sentence


def test_only_the_payer_knows_cost_allocation_tags(site: Site) -> None:
    """In a member account, AWS refuses as reported in hashicorp/terraform-provider-aws#37636."""

    def refuse(**_: Any) -> tuple[Any, dict[str, Any]]:
        message = "Failed to list Cost Allocation Tags: Linked account doesn't have access to it."
        error = {"Code": "AccessDeniedException", "Message": message}
        return type("Response", (), {"status_code": 400}), {"Error": error, "ResponseMetadata": {}}

    context = site.context()
    with handling(context.access.cost_explorer, "before-call.ce.ListCostAllocationTags", refuse):
        (result,) = deployment.run(context, {"cost alarms": deployment.CHECKS["cost alarms"]})
    assert (result.status, "management account" in result.detail) == ("unknown", True)


def test_a_topic_that_aws_billing_may_not_publish_to(site: Site) -> None:
    site.set_publishers("budgets.amazonaws.com")
    try:
        sentence = site.only("cost alarms", status="warning")
    finally:
        site.set_publishers("budgets.amazonaws.com", "costalerts.amazonaws.com")
    assert "does not let costalerts.amazonaws.com publish" in sentence


def test_no_role_for_access_logs(site: Site) -> None:
    site.set_log_role("")
    try:
        assert "api.access_log: false" in site.only("log role")
    finally:
        site.set_log_role(f"arn:aws:iam::{ACCOUNT}:role/logs")


def test_an_instance_type_that_the_region_lacks(site: Site) -> None:
    site.quota(ENDPOINT_USAGE, None)
    try:
        sentence = site.only("quota")
        assert f"SageMaker does not offer {TYPE} for endpoints there" in sentence
        assert "use another instance type" in sentence
    finally:
        site.quota(ENDPOINT_USAGE, 1000)


def test_the_requested_increase_puts_a_quota_right(site: Site) -> None:
    """The remedy is the exact request: it holds the maximum of the fleet, too."""
    site.quota(ENDPOINT_USAGE, 1)
    try:
        sentence = site.only("quota")
        assert f"{ENDPOINT_USAGE} in {REGION} is 1: 0 run, chat starts 2, so 2 are needed" in sentence
        command = re.search(
            rf"`aws service-quotas request-service-quota-increase --region {REGION} --service-code sagemaker "
            r"--quota-code (\S+) --desired-value (\d+)`",
            sentence,
        )
        assert command is not None
        site.client("service-quotas").request_service_quota_increase(
            ServiceCode="sagemaker", QuotaCode=command[1], DesiredValue=float(command[2])
        )
        assert [result.status for result in site.check("quota")] == ["ok"]
        site.quota(ENDPOINT_USAGE, 2)
        assert "scaling to the maximum needs 3" in site.only("quota", status="warning")
    finally:
        site.quota(ENDPOINT_USAGE, 1000)


def test_what_runs_already_counts(site: Site, engine: Engine) -> None:
    """A blue/green update doubles the fleet, a rolling one adds a batch, and other endpoints count."""
    sagemaker = site.client("sagemaker")
    container = {"Image": LLAMA_IMAGE, **engine.container}
    role = f"arn:aws:iam::{ACCOUNT}:role/{ROLE}"
    sagemaker.create_model(ModelName="pre", ExecutionRoleArn=role, PrimaryContainer=container)
    variant = {"VariantName": "AllTraffic", "ModelName": "pre", "InstanceType": TYPE, **PATIENT}
    variants = [{**variant, "InitialInstanceCount": 2}]
    sagemaker.create_endpoint_config(EndpointConfigName="pre", ProductionVariants=variants)
    sagemaker.create_endpoint(EndpointName="pre-prod-chat", EndpointConfigName="pre")
    try:
        site.quota(ENDPOINT_USAGE, 3)
        assert "2 run, chat doubles by 2, so 4 are needed" in site.only("quota")
        rolling = {"strategy: canary, percent: 50": "strategy: rolling, percent: 50"}
        (result,) = site.check("quota", rolling)
        assert (result.status, "chat replaces batches of 1" in result.detail) == ("ok", True)
        assert "2 run, other starts 2, so 4 are needed" in site.only("quota", {"  chat:": "  other:"})
        sentence = site.only("endpoint")
        assert "pre-prod-chat exists and does not belong to pre-prod" in sentence
        arn = sagemaker.describe_endpoint(EndpointName="pre-prod-chat")["EndpointArn"]
        sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "deployment", "Value": "pre-prod"}])
        wait_for(lambda: site.check("endpoint")[0].status == "ok", "the endpoint")
    finally:
        site.quota(ENDPOINT_USAGE, 1000)
        status = lambda: sagemaker.describe_endpoint(EndpointName="pre-prod-chat")["EndpointStatus"]  # noqa: E731
        wait_for(lambda: status() != "Creating", "the endpoint")
        sagemaker.delete_endpoint(EndpointName="pre-prod-chat")
        wait_for(lambda: not sagemaker.list_endpoints(NameContains="pre-prod-chat")["Endpoints"], "its end")


def test_what_is_denied_is_unknown_and_names_the_action(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    users = site.client("iam")
    users.create_user(UserName="preflight-nobody")
    key = users.create_access_key(UserName="preflight-nobody")["AccessKey"]
    context = site.context()
    monkeypatch.setenv("TOOLKIT_LOCAL_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("TOOLKIT_LOCAL_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    access = AwsAccess(REGION, ACCOUNT, site.access.endpoint_url, site.access.root_key)
    enforce_iam(site.access, True)
    try:
        report = deployment.inspect(replace(context, access=access))
    finally:
        enforce_iam(site.access, False)
    assert {result.check for result in report if result.status == "ok"} == {"account", "driver"}
    assert {result.status for result in report} == {"ok", "unknown"}
    quota = next(result for result in report if result.check == "quota")
    assert quota.remedy == "grant servicequotas:ListServiceQuotas, or ignore this check"


def test_weights_and_disks(site: Site) -> None:
    environment = site.context({"instance_type: ml.g6.2xlarge": "instance_type: ml.p4d.24xlarge"}).environment
    variant = environment.models["chat"].all_resolved("chat")[0]
    small = replace(variant, instance_type="ml.c7i.xlarge")
    assert models.disk(small, None, 31 * 10**9).status == "failure"
    assert "raise models.chat.volume_size_gb" in str(models.disk(small, None, 29 * 10**9))
    assert models.disk(small, 100, 31 * 10**9).status == "ok"
    assert "use a larger instance type" in str(models.disk(variant, None, 8001 * 10**9))


def test_the_layers_are_those_of_the_terraform_module() -> None:
    module = (ROOT / "terraform" / "modules" / "inference_api" / "functions.tf").read_text()
    assert set(re.findall(r"LambdaAdapterLayer\w+:\d+", module)) == set(api.LAYERS.values())
