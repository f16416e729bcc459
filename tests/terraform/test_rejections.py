"""Invalid inputs are rejected with a remedy."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.checkout import ROOT
from tests.support.terraform import Rig
from toolkit.errors import TerraformError

pytestmark = pytest.mark.slow

ROLE = {"region": "us-east-1", "account_id": "123456789012", "model_store_bucket": "b"}
VARIANT = {"image": "i", "instance_type": "ml.c7i.large"}
ENDPOINT = {
    "name": "n",
    "execution_role_arn": "arn:aws:iam::123456789012:role/r",
    "variants": {"AllTraffic": VARIANT},
}
API = {
    "name": "n",
    "region": "us-east-1",
    "account_id": "123456789012",
    "models": {"m": {"endpoint_name": "e"}},
    "gateway": {"package": "p.zip"},
    "authorizer": {"package": "p.zip"},
}
STACK: dict[str, Any] = {
    "region": "us-east-1",
    "account_id": "123456789012",
    "environment": "dev",
    "prefix": "example-dev",
    "execution_role": {"name": "r"},
    "model_store_bucket": "b",
    "models": {"m": {"variants": {"AllTraffic": VARIANT}}},
    "api": {"gateway": {"package": "p.zip"}, "authorizer": {"package": "p.zip"}},
}
ACCOUNT: dict[str, Any] = {**ROLE, "name": "example", "state_bucket": "s", "execution_role": {"name": "r"}}
CI = {"account_id": "123456789012", "policy_arns": {"p": "arn:aws:iam::123456789012:policy/p"}}
STACKS = ("inference", "account")


def variant(**settings: Any) -> dict[str, Any]:
    return {"variants": {"AllTraffic": {**VARIANT, **settings}}}


def capacity(**settings: Any) -> dict[str, Any]:
    return variant(capacity=settings)


def schedule(**settings: Any) -> dict[str, Any]:
    return capacity(max=2, schedules={"s": {"schedule": "at(2030-01-31T08:00:00)", **settings}})


def serverless(**settings: Any) -> dict[str, Any]:
    endpoint = {"memory_mb": 4096, "max_concurrency": 5, **settings}
    return {
        "endpoint": {"type": "serverless", "serverless": endpoint},
        "variants": {"AllTraffic": {"image": "i"}},
    }


def asynchronous(**settings: Any) -> dict[str, Any]:
    return {"endpoint": {"type": "async", "async": {"output_s3_uri": "s3://b/responses/", **settings}}}


def rollout(strategy: str, **settings: Any) -> dict[str, Any]:
    return {"rollout": {"strategy": strategy, "percent": 10, **settings}}


def jwt(**settings: Any) -> dict[str, Any]:
    valid = {"issuer": "https://a.example", "audience": ["a"], "default_usage_plan": "default"}
    return {"jwt": {**valid, **settings}}


def gateway(**settings: Any) -> dict[str, Any]:
    return {"gateway": {"package": "p.zip", **settings}}


def served(**settings: Any) -> dict[str, Any]:
    return {"models": {"m": {"endpoint_name": "e", **settings}}}


def plan(**settings: Any) -> dict[str, Any]:
    return {"usage_plans": {"p": {"rate_per_second": 1, "burst": 1, **settings}}}


def domain(region: str, **settings: Any) -> dict[str, Any]:
    certificate = f"arn:aws:acm:{region}:123456789012:certificate/c"
    return {"domain": {"name": "llm.example.com", "certificate_arn": certificate}, **settings}


def policies(name: str, document: str = "{}") -> dict[str, Any]:
    return {"policies": {name: {"description": "d", "document": document}}}


def ci_role(**settings: Any) -> dict[str, Any]:
    role = {"issuer": "i", "audience": "a", "subjects": ["repo:o/n:ref:refs/heads/main"], "policies": ["p"]}
    return {"roles": {"r": {**role, **settings}}}


def models(*names: str) -> dict[str, Any]:
    return {"models": dict.fromkeys(names, STACK["models"]["m"])}


TWO = {"variants": {"a": VARIANT, "b": VARIANT}}
SHADOW = {**VARIANT, "sampling_percent": 10}
VPC = {"vpc": {"subnet_ids": ["subnet-1"], "security_group_ids": ["sg-1"]}}
CAPTURE = {"data_capture": {"percent": 10, "s3_uri": "s3://b/captured/"}}

# Module or stack, valid inputs, invalid inputs, part of the message.
Case = tuple[str, dict[str, Any], dict[str, Any], str]

INDEPENDENT: list[Case] = [
    ("bucket_baseline", {"bucket": "b"}, {"noncurrent_version_days": 0}, "1 or more"),
    ("model_store", {}, {"bucket": "Has.Capitals"}, "lower-case letters"),
    ("execution_role", ROLE, {"role": {}}, "exactly one of name (create a role) and arn"),
    (
        "execution_role",
        ROLE,
        {"role": {"name": "r", "arn": "arn:aws:iam::123456789012:role/r"}},
        "exactly one",
    ),
    ("execution_role", ROLE, {"role": {"name": "arn:aws:iam::123456789012:role/r"}}, "set role.arn"),
    ("execution_role", ROLE, {"role": {"arn": "OurRole"}}, "set role.name instead"),
    ("execution_role", ROLE, {"account_id": "12345"}, "12 digits; quote it to keep"),
    ("execution_role", ROLE, {"grants": {"write_s3_uris": ["s3://b/"]}}, "could replace weights"),
    ("execution_role", ROLE, {"grants": {"subnet_ids": ["subnet-1"]}}, "list at least one of each"),
    ("sagemaker_endpoint", ENDPOINT, {"name": "n" * 55}, "shorten"),
    ("sagemaker_endpoint", ENDPOINT, {"name": "with.dot"}, "letters, digits and inner hyphens"),
    ("sagemaker_endpoint", ENDPOINT, variant(model_data_s3_uri="s3://b/model"), 'end in "/"'),
    ("sagemaker_endpoint", ENDPOINT, variant(startup_timeout_seconds=30), "from 60 to 3600"),
    ("sagemaker_endpoint", ENDPOINT, variant(instance_type="ml.t2.medium"), "choose ml.c7i.large"),
    ("sagemaker_endpoint", ENDPOINT, variant(weight=0), "at least one must be above 0"),
    ("sagemaker_endpoint", ENDPOINT, capacity(min=2, max=1), "1 <= min <= max"),
    ("sagemaker_endpoint", ENDPOINT, capacity(concurrent_requests=0), "above 0"),
    ("sagemaker_endpoint", ENDPOINT, schedule(min=3), "with min <= max"),
    ("sagemaker_endpoint", ENDPOINT, schedule(), "min, max or both"),
    ("sagemaker_endpoint", ENDPOINT, schedule(min=1, schedule="0 8 * * *"), "cron(0 8 ? * MON-FRI *)"),
    ("sagemaker_endpoint", ENDPOINT, {"variants": {}}, "1 to 10"),
    ("sagemaker_endpoint", ENDPOINT, {"variants": {"a_b": VARIANT}}, "letters, digits and inner hyphens"),
    ("sagemaker_endpoint", ENDPOINT, {"endpoint": {"type": "batch"}}, "realtime, serverless or async"),
    ("sagemaker_endpoint", ENDPOINT, {"endpoint": {"type": "async"}}, "async needs endpoint.async"),
    ("sagemaker_endpoint", ENDPOINT, serverless(memory_mb=5000), "in steps of 1024"),
    ("sagemaker_endpoint", ENDPOINT, serverless(provisioned_concurrency=6), "up to max_concurrency"),
    ("sagemaker_endpoint", ENDPOINT, asynchronous(output_s3_uri="s3://b"), "such as s3://bucket/responses/"),
    ("sagemaker_endpoint", ENDPOINT, {"shadow": {**SHADOW, "sampling_percent": 0}}, "at most 100"),
    ("sagemaker_endpoint", ENDPOINT, rollout("big_bang"), "canary, linear or rolling"),
    ("sagemaker_endpoint", ENDPOINT, rollout("canary", percent=60), "at most half of a fleet"),
    ("sagemaker_endpoint", ENDPOINT, rollout("linear", percent=None), "10 to 50 for linear"),
    ("sagemaker_endpoint", ENDPOINT, rollout("canary", bake_seconds=4000), "from 0 to 3600"),
    ("sagemaker_endpoint", ENDPOINT, {"routing": "round_robin"}, "random or kv_aware"),
    ("inference_api", API, {"name": "n" * 54}, "shorten"),
    ("inference_api", API, served(aliases=["m"]), "rename one of m, m"),
    ("inference_api", API, gateway(architecture="arm"), "arm64 or x86_64"),
    ("inference_api", API, gateway(timeout_seconds=901), "from 1 to 900"),
    ("inference_api", API, gateway(memory_mb=64), "from 128 to 10240"),
    ("inference_api", API, {"stage": "live/1"}, "letters, digits, hyphens and underscores"),
    ("inference_api", API, {"throttle": {"rate_per_second": 0}}, "all requests are rejected"),
    ("inference_api", API, served(dialect="bedrock"), "openai, llama_cpp, lmi, tgi or tei"),
    (
        "inference_api",
        API,
        served(operations=["paint"]),
        "must be of chat, completions, embeddings, rerank and",
    ),
    ("inference_api", API, served(fallback="n"), "must be one of the models: m"),
    ("inference_api", API, gateway(keepalive_seconds=0), "from 1 to 240"),
    ("inference_api", API, {"auth": "none"}, "keys or iam"),
    ("inference_api", API, {"key_header": "cookie"}, "either, authorization or x-api-key"),
    ("inference_api", API, plan(quota={"requests": 1, "per": "year"}), "day, week or month"),
    ("inference_api", API, jwt(audience=[]), "at least one name of this API"),
    ("inference_api", API, {"cors": {"allow_origins": ["https://a.b/c"]}}, "without a path, or *"),
    ("inference_api", API, {"cors": {"allow_origins": []}}, "needs origins"),
    ("inference_api", API, {"guard": {"window": 9}}, "add one of them, or remove guard"),
    ("inference_api", API, {"private": {"vpc_endpoint_ids": ["vpc-1"]}}, "such as vpce-"),
    ("inference_api", API, {"waf": {"requests_per_five_minutes": 9}}, "at least 10"),
    ("deployer_policies", {}, policies("a/b"), "shorten or rename a/b"),
    ("deployer_policies", {}, policies("p", " " * 99 + "x" * 6145), "not counting white space: split p"),
    ("ci_roles", CI, ci_role(subjects=["repo:owner/*:ref:refs/heads/main"]), "must name one repository"),
    ("ci_roles", CI, ci_role(subjects=["repo:owner/name:*"]), "and a ref, tag or environment"),
    ("ci_roles", CI, ci_role(policies=[]), "remove unused roles"),
    ("ci_roles", CI, ci_role(subjects=[], principals=["*"]), "ARNs without wildcards"),
    ("ci_roles", CI, ci_role(principals=["arn:aws:iam::123456789012:root"]), "either principals, or issuer"),
    ("account", ACCOUNT, {"account_id": "12345"}, "12 digits; quote it to keep"),
    ("inference", STACK, {"account_id": "12345"}, "12 digits; quote it to keep"),
    ("inference", STACK, {"prefix": "Example"}, "shorten the project's or the environment's name"),
    ("inference", STACK, {"execution_role": {}}, "exactly one of name and arn"),
    ("inference", STACK, models(), "at least one model"),
    ("inference", STACK, {"models": {"m": {}}}, "each model needs variants"),
    ("inference", STACK, models("a.b", "a-b"), "rename one of a-b, a.b"),
]

# Terraform checks rules across inputs only if each input is valid by itself.
DEPENDENT: list[Case] = [
    ("sagemaker_endpoint", ENDPOINT, variant(instance_type="g6.2xlarge"), "such as ml.g6.2xlarge"),
    ("sagemaker_endpoint", ENDPOINT, capacity(min=0), "to stop charges, pause or disable the endpoint"),
    ("sagemaker_endpoint", ENDPOINT, schedule(min=0), "only asynchronous endpoints scale to zero"),
    ("sagemaker_endpoint", ENDPOINT, {**serverless(), **variant()}, "only serverless endpoints have none"),
    (
        "sagemaker_endpoint",
        ENDPOINT,
        {**serverless(), **variant(instance_type=None, model_data_s3_uri="s3://weights/m/")},
        "must be a .tar.gz",
    ),
    (
        "sagemaker_endpoint",
        ENDPOINT,
        {**serverless(), **variant(instance_type=None, network_isolation=True)},
        "set endpoint.type to realtime",
    ),
    ("sagemaker_endpoint", ENDPOINT, {**serverless(), **VPC}, "not supported on serverless endpoints"),
    ("sagemaker_endpoint", ENDPOINT, {**serverless(), **CAPTURE}, "not supported on serverless endpoints"),
    ("sagemaker_endpoint", ENDPOINT, {**asynchronous(), **TWO}, "has a single queue. Keep one of a, b"),
    ("sagemaker_endpoint", ENDPOINT, {**TWO, "shadow": SHADOW}, "keep one variant"),
    ("sagemaker_endpoint", ENDPOINT, {**rollout("rolling"), **TWO}, "use canary or linear"),
    (
        "sagemaker_endpoint",
        ENDPOINT,
        {**asynchronous(), **rollout("canary", alarms={"model_error_percent": 5})},
        "use server_error_percent",
    ),
    (
        "sagemaker_endpoint",
        ENDPOINT,
        {**asynchronous(), **rollout("canary", quality_namespace="Quality")},
        "needs a real-time endpoint",
    ),
    (
        "sagemaker_endpoint",
        ENDPOINT,
        {**TWO, **rollout("canary", alarms={"latency_ms": 1, "extra": list("abcdefg")})},
        "remove a threshold or some of extra",
    ),
    (
        "sagemaker_endpoint",
        ENDPOINT,
        {"vpc": {"subnet_ids": [], "security_group_ids": ["sg-1"]}},
        "at least one subnet_ids",
    ),
    (
        "sagemaker_endpoint",
        ENDPOINT,
        {"data_capture": {"percent": 0, "s3_uri": "s3://b/c/"}},
        "above 0 and up to 100",
    ),
    ("inference_api", API, plan(models=["n"]), "choose from m"),
    ("inference_api", API, {"guard": {"python": "a:b", "models": ["n"]}}, "guard.models has unknown models"),
    ("inference_api", API, jwt(default_usage_plan="trial"), "choose from default"),
    ("inference_api", API, jwt(audience=["a" * 4096]), "list fewer values in jwt.usage_plans"),
    (
        "inference_api",
        API,
        {"keys": {"k": {"usage_plan": "p"}}},
        "add it to usage_plans, which has default",
    ),
    ("inference_api", API, domain("eu-west-1"), "a certificate in us-east-1"),
    (
        "inference_api",
        API,
        domain("us-east-1", private={"vpc_endpoint_ids": ["vpce-1"]}),
        "remove domain, or private",
    ),
    ("inference_api", API, served(aliases=["a" * 4000]), "spread the models over several environments"),
    (
        "inference",
        STACK,
        {"models": {"m": variant(model_data_s3_uri="s3://elsewhere/m/")}},
        "stage the weights there",
    ),
]


def _source(module: str) -> str:
    return module if module in STACKS else f"../modules/{module}"


@pytest.fixture(scope="module")
def messages(rig: Rig) -> dict[str, list[str]]:
    """Terraform's messages by case."""
    return _messages(rig, "independent", INDEPENDENT) | _messages(rig, "dependent", DEPENDENT)


def _messages(rig: Rig, name: str, cases: list[Case]) -> dict[str, list[str]]:
    """Plan all cases in one root module, because a run takes seconds."""
    for stack in STACKS:
        _copy_without_imports(rig.project.root / "terraform", stack)
    modules = {
        f"case_{number}": {"source": f"../{_source(module)}", **valid, **invalid}
        for number, (module, valid, invalid, _) in enumerate(cases)
    }
    folder = rig.root(f"rejections_{name}", 'provider "aws" {\n  region = "us-east-1"\n}\n')
    (folder / "cases.tf.json").write_text(json.dumps({"module": modules}))
    workspace = rig.workspace(folder, {})
    with pytest.raises(TerraformError):
        workspace.plan()
    messages: dict[str, list[str]] = {}
    for line in (workspace.directory / "plan.log").read_text().splitlines():
        diagnostic = json.loads(line).get("diagnostic")
        if diagnostic:
            for number in _cases_of(diagnostic, cases):
                messages.setdefault(f"{name} {number}", []).append(" ".join(diagnostic["detail"].split()))
    return messages


def _cases_of(diagnostic: dict[str, Any], cases: list[Case]) -> list[int]:
    """The cases a message may belong to: for a resource's rule, Terraform names only the module."""
    case = re.fullmatch(r"module\.case_(\d+)", diagnostic["snippet"]["context"] or "")
    if case:
        return [int(case[1])]
    source = Path(diagnostic["range"]["filename"]).parent.name
    return [number for number, (module, *_) in enumerate(cases) if module == source]


def _copy_without_imports(terraform: Path, stack: str) -> None:
    """Copy a stack without import blocks, which Terraform accepts only in a root module."""
    copy = terraform / "tests" / stack
    copy.mkdir(parents=True, exist_ok=True)
    for file in (terraform / "stacks" / stack).glob("*.tf"):
        text = re.sub(r"^import \{\n(?:  .*\n)*\}\n", "", file.read_text(), flags=re.MULTILINE)
        (copy / file.name).write_text(text)


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        pytest.param(f"{name} {n}", case[3], id=f"{case[0]}: {case[3]}")
        for name, cases in (("independent", INDEPENDENT), ("dependent", DEPENDENT))
        for n, case in enumerate(cases)
    ],
)
def test_the_message_names_the_remedy(messages: dict[str, list[str]], number: str, remedy: str) -> None:
    details = messages.get(number, [])
    assert any(remedy in detail for detail in details), details


def test_every_rule_has_a_case(messages: dict[str, list[str]]) -> None:
    by_module: dict[str, list[str]] = {}
    for name, cases in (("independent", INDEPENDENT), ("dependent", DEPENDENT)):
        for number, (module, *_) in enumerate(cases):
            by_module.setdefault(module, []).extend(messages.get(f"{name} {number}", []))
    missing = [
        f"{module}: {message}"
        for module, message in _rules()
        if not any(re.match(_pattern(message), detail) for detail in by_module.get(module, []))
    ]
    assert not missing, (
        "add a case for each of these to INDEPENDENT, or to DEPENDENT if it needs several inputs"
    )


def _rules() -> Iterator[tuple[str, str]]:
    """Module or stack, and message, of each rule that Terraform checks at plan time."""
    for file in sorted((ROOT / "terraform").glob("*/*/*.tf")):
        for block in re.split(r"^ +(?:validation|precondition) \{$", file.read_text(), flags=re.MULTILINE)[
            1:
        ]:
            message = re.search(r'^ +error_message += "(.*)"$', block, flags=re.MULTILINE)
            assert message is not None, block
            yield file.parent.name, message[1]


def _pattern(message: str) -> str:
    """A regular expression for a message, with wildcards for interpolations."""
    pieces, depth = [""], 0
    for piece in re.split(r"(\$\{|[{}])", message):
        if piece == "${" or (piece == "{" and depth):
            depth += 1
        elif piece == "}" and depth:
            depth -= 1
            if depth == 0:
                pieces.append("")
        elif depth == 0:
            pieces[-1] += piece.replace('\\"', '"')
    return ".*".join(re.escape(piece) for piece in pieces)
