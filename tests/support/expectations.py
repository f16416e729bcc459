"""What plans of whole environments are expected to be: addresses and the values that matter."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.support.checkout import ROOT
from tests.support.environments import ROLE, table
from tests.support.terraform import Planned, Rig, show
from toolkit import rendering, staging
from toolkit.environment import load

DIRECTORY = ROOT / "tests" / "terraform" / "expected"
Digest = dict[str, dict[str, Any]]

PROVIDER = 'provider "aws" {\n  region = "us-east-1"\n}\n'
_MODULE = re.compile(r'module\.([\w-]+)\.module\.endpoint\["([^"]+)"\]\.(.+)')
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


def digests_of(rig: Rig, names: Iterable[str], packages: dict[str, str]) -> dict[str, Digest]:
    """Read environments' files as a user's, render them, plan them, and keep what matters, by environment.

    They are planned in one run, each the stack as a module: most of a run's time is the provider's start.

    Args:
        rig: Terraform and a cloud.
        names: the environments', of `environments.table`.
        packages: files in place of the Lambda packages.
    """
    _copy_stack(rig)
    modules = [_module(name, _rendered(rig, name, packages)) for name in names]
    return digests(show(rig.workspace(rig.root("environments", PROVIDER + "".join(modules)), {})))


def _copy_stack(rig: Rig) -> None:
    """The stack without what Terraform takes in a root module only, and without a provider of its own."""
    shutil.copytree(
        rig.project.stack("inference"),
        rig.project.root / "terraform" / "tests" / "environment",
        ignore=shutil.ignore_patterns("adoption.tf", "provider.tf"),
    )


def _rendered(rig: Rig, name: str, packages: dict[str, str]) -> str:
    """The variables of an environment, as Terraform is given them."""
    rig.project.environment_file(name).write_text(table()[name])
    environment, directory = load(rig.project, name), rig.project.environment_build(name)
    staged = {place: weights.uri for place, weights in staging.locate(rig.project, environment).items()}
    inputs = rendering.RenderInputs(staged, packages["gateway"], packages["authorizer"])
    rendering.render(environment, inputs, directory)
    return (directory / "inference.tfvars").read_text()


def _module(name: str, variables: str) -> str:
    return f'module "{name}" {{\nsource = "../environment"\n{variables}\n}}\n'


def digests(planned: Planned) -> dict[str, Digest]:
    """What matters of a plan's endpoints, by environment, model and address."""
    found: dict[str, Digest] = {}
    for address, change in sorted(planned.changes.items()):
        matched = _MODULE.fullmatch(address)
        if matched and not matched[3].startswith(_IGNORED_RESOURCES):
            resources = found.setdefault(matched[1], {}).setdefault(matched[2], {})
            resources[matched[3]] = _pruned(change["after"])
    return {
        name: {model: _named(resources) for model, resources in models.items()}
        for name, models in found.items()
    }


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
