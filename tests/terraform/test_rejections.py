"""Wrong inputs are refused with a word on what to do instead."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.terraform import Rig
from toolkit.errors import TerraformError

pytestmark = pytest.mark.slow

ROLE = {"region": "us-east-1", "account_id": "123456789012", "model_store_bucket": "b"}
ENDPOINT = {
    "name": "n",
    "execution_role_arn": "arn:aws:iam::123456789012:role/r",
    "container": {"image": "i"},
    "instances": {"type": "ml.c7i.large"},
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
    "models": {"m": {"image": "i", "instance_type": "ml.c7i.large", "capacity": {"min": 1, "max": 1}}},
    "api": {"gateway": {"package": "p.zip"}, "authorizer": {"package": "p.zip"}},
}


def container(**settings: Any) -> dict[str, Any]:
    return {"container": {"image": "i", **settings}}


def instances(**settings: Any) -> dict[str, Any]:
    return {"instances": {"type": "ml.c7i.large", **settings}}


def gateway(**settings: Any) -> dict[str, Any]:
    return {"gateway": {"package": "p.zip", **settings}}


def models(*names: str) -> dict[str, Any]:
    return {"models": dict.fromkeys(names, STACK["models"]["m"])}


# module or stack, its good inputs, what is wrong with them, part of the message
CASES: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("bucket_baseline", {"bucket": "b"}, {"noncurrent_version_days": 0}, "1 or more"),
    ("model_store", {}, {"bucket": "Has.Capitals"}, "lower-case letters"),
    ("execution_role", ROLE, {"role": {}}, "exactly one of name (create a role) and arn"),
    (
        "execution_role",
        ROLE,
        {"role": {"name": "r", "arn": "arn:aws:iam::123456789012:role/r"}},
        "exactly one",
    ),
    ("execution_role", ROLE, {"role": {"name": "arn:aws:iam::123456789012:role/r"}}, "as role.arn"),
    ("execution_role", ROLE, {"role": {"arn": "OurRole"}}, "give role.name instead"),
    ("execution_role", ROLE, {"account_id": "12345"}, "12 digits; quote it"),
    ("sagemaker_endpoint", ENDPOINT, {"name": "n" * 55}, "shorten"),
    ("sagemaker_endpoint", ENDPOINT, {"name": "with.dot"}, "letters, digits and inner hyphens"),
    ("sagemaker_endpoint", ENDPOINT, container(model_data_s3_uri="s3://b/model"), 'end in "/"'),
    ("sagemaker_endpoint", ENDPOINT, container(startup_timeout_seconds=30), "from 60 to 3600"),
    ("sagemaker_endpoint", ENDPOINT, instances(min=2, max=1), "1 <= min <= max"),
    ("sagemaker_endpoint", ENDPOINT, instances(min=0), "to stop paying, disable the endpoint"),
    ("sagemaker_endpoint", ENDPOINT, instances(type="g6.2xlarge"), "like ml.g6.2xlarge"),
    ("sagemaker_endpoint", ENDPOINT, instances(type="ml.t2.medium"), "choose ml.c7i.large"),
    ("sagemaker_endpoint", ENDPOINT, instances(concurrent_requests=0), "above 0"),
    ("inference_api", API, {"name": "n" * 54}, "shorten"),
    ("inference_api", API, {"models": {"m": {"endpoint_name": "e", "aliases": ["m"]}}}, "rename one of m, m"),
    ("inference_api", API, gateway(architecture="arm"), "arm64 or x86_64"),
    ("inference_api", API, gateway(timeout_seconds=901), "from 1 to 900"),
    ("inference_api", API, gateway(memory_mb=64), "from 128 to 10240"),
    ("inference_api", API, {"stage": "live/1"}, "letters, digits, hyphens and underscores"),
    ("inference_api", API, {"throttle": {"rate_per_second": 0}}, "no request gets through"),
    ("inference", STACK, {"account_id": "12345"}, "12 digits; quote it"),
    ("inference", STACK, {"prefix": "Example"}, "shorten the project's or the environment's name"),
    ("inference", STACK, {"execution_role": {}}, "exactly one of name and arn"),
    ("inference", STACK, models(), "at least one model"),
    ("inference", STACK, models("a.b", "a-b"), "rename one of a-b, a.b"),
]


def _kind(module: str) -> str:
    return "stacks" if module == "inference" else "modules"


@pytest.fixture(scope="module")
def refusals(rig: Rig) -> dict[str, list[str]]:
    """What Terraform says of each case; all of them are in one root, as one run takes seconds."""
    modules = {
        f"case_{number}": {"source": f"../../{_kind(module)}/{module}", **good, **wrong}
        for number, (module, good, wrong, _) in enumerate(CASES)
    }
    folder = rig.root("rejections", 'provider "aws" {\n  region = "us-east-1"\n}\n')
    (folder / "cases.tf.json").write_text(json.dumps({"module": modules}))
    workspace = rig.workspace(folder, {})
    with pytest.raises(TerraformError):
        workspace.plan()
    said: dict[str, list[str]] = {}
    for line in (workspace.directory / "plan.log").read_text().splitlines():
        diagnostic = json.loads(line).get("diagnostic")
        if diagnostic:
            context = diagnostic["snippet"]["context"] or ""
            case = context.removeprefix("module.")
            said.setdefault(case, []).append(" ".join(diagnostic["detail"].split()))
    return said


@pytest.mark.parametrize(
    ("number", "remedy"),
    [pytest.param(n, case[3], id=f"{case[0]}: {case[3]}") for n, case in enumerate(CASES)],
)
def test_the_message_names_the_remedy(refusals: dict[str, list[str]], number: int, remedy: str) -> None:
    assert any(remedy in detail for detail in refusals.get(f"case_{number}", [])), refusals
