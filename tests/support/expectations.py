"""What plans of whole environments are expected to be: addresses and the values that matter."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tests.support.checkout import ROOT
from tests.support.environments import ROLE, table
from tests.support.terraform import Planned, Rig, show
from toolkit import rendering, staging
from toolkit.environment import Environment, load

DIRECTORY = ROOT / "tests" / "terraform" / "expected"
Digest = dict[str, dict[str, Any]]

_MODULE = re.compile(r'module\.endpoint\["([^"]+)"\]\.(.+)')
# Terraform's own bookkeeping.
_IGNORED_RESOURCES = "terraform_data"
# Words for people, and what is the same everywhere.
_IGNORED = {
    "tags",
    "tags_all",
    "alarm_description",
    "actions_enabled",
    "enable_ssm_access",
    "disable_scale_in",
    "mode",
    "namespace",
    "policy_type",
    "scalable_dimension",
    "service_namespace",
    "skip_destroy",
}


def expected(name: str) -> Digest:
    """The stored expectation for an environment; empty if there is none yet."""
    file = DIRECTORY / f"{name}.json"
    return dict(json.loads(file.read_text())) if file.exists() else {}


def write(name: str, digest: Digest) -> Path:
    """Store an expectation, a resource a line, so that a change of one shows as one."""
    models = []
    for model, resources in digest.items():
        lines = [f"    {json.dumps(address)}: {json.dumps(values)}" for address, values in resources.items()]
        models.append(f"  {json.dumps(model)}: {{\n" + ",\n".join(lines) + "\n  }")
    file = DIRECTORY / f"{name}.json"
    file.write_text("{\n" + ",\n".join(models) + "\n}\n")
    return file


def ensure_role(rig: Rig) -> None:
    """The role that the stack looks up, where the account stack was not applied."""
    iam = rig.cloud.client("iam")
    if not any(role["RoleName"] == ROLE for role in iam.list_roles()["Roles"]):
        iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument="{}")


def digest_of(rig: Rig, name: str, packages: dict[str, str]) -> Digest:
    """Read the environment's file as a user's, render it, plan it, and keep what matters.

    Args:
        rig: Terraform and a cloud.
        name: the environment's, of `environments.table`.
        packages: files in place of the Lambda packages.
    """
    environment = _environment(rig, name)
    directory = rig.project.environment_build(name)
    staged = {place: weights.uri for place, weights in staging.locate(rig.project, environment).items()}
    inputs = rendering.RenderInputs(staged, packages["gateway"], packages["authorizer"])
    rendering.render(environment, inputs, directory)
    for bucket in (environment.state_bucket, environment.model_store_bucket):
        rig.cloud.client("s3").create_bucket(Bucket=bucket)
    stack = rig.project.stack("inference")
    var_file, backend_file = directory / "inference.tfvars", directory / "inference.tfbackend"
    return digest(show(rig.open(stack, directory / "inference", var_file, backend_file)))


def _environment(rig: Rig, name: str) -> Environment:
    rig.project.environment_file(name).write_text(table()[name])
    return load(rig.project, name)


def digest(planned: Planned) -> Digest:
    """What matters of a plan's endpoints, by model and address."""
    found: Digest = {}
    for address, change in sorted(planned.changes.items()):
        matched = _MODULE.fullmatch(address)
        if matched and not matched[2].startswith(_IGNORED_RESOURCES):
            found.setdefault(matched[1], {})[matched[2]] = _pruned(change["after"])
    return {model: _named(resources) for model, resources in found.items()}


def _pruned(value: Any) -> Any:
    """Without what is not set, and without the lists around blocks that stand alone."""
    if isinstance(value, dict):
        pruned = {key: _pruned(each) for key, each in value.items() if key not in _IGNORED}
        return {key: each for key, each in pruned.items() if each not in (None, "", [], {})}
    if isinstance(value, list):
        blocks = [_pruned(each) for each in value]
        return blocks[0] if len(blocks) == 1 and isinstance(blocks[0], dict) else blocks
    return value


def _named(resources: dict[str, Any]) -> dict[str, Any]:
    """With short words for names: it matters which are the same, not what hashes they end in."""
    name = resources["aws_sagemaker_endpoint.this[0]"]["name"]
    (configuration,) = (
        values for address, values in resources.items() if "endpoint_configuration" in address
    )
    text = json.dumps(resources)
    # A configuration ends in a hash, and names its models, which end in theirs.
    hashes = dict.fromkeys(re.findall(rf'"{name}-([0-9a-f]{{8}})"', json.dumps(configuration)))
    for number, digits in enumerate(hashes, 1):
        text = text.replace(digits, f"HASH{number}")
    return dict(json.loads(text.replace(name, "NAME")))
