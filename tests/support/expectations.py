"""Expected plans of whole environments: addresses and relevant values."""

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
# Terraform's bookkeeping.
_IGNORED_RESOURCES = "terraform_data"
# Descriptions, and values common to all environments.
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
    """Return the stored expectation for an environment, or an empty one."""
    file = DIRECTORY / f"{name}.json"
    return dict(json.loads(file.read_text())) if file.exists() else {}


def write(name: str, digest: Digest) -> Path:
    """Store an expectation with one resource per line, so that diffs are small."""
    models = []
    for model, resources in digest.items():
        lines = [f"    {json.dumps(address)}: {json.dumps(values)}" for address, values in resources.items()]
        models.append(f"  {json.dumps(model)}: {{\n" + ",\n".join(lines) + "\n  }")
    file = DIRECTORY / f"{name}.json"
    file.write_text("{\n" + ",\n".join(models) + "\n}\n")
    return file


def ensure_role(rig: Rig) -> None:
    """Create the role that the stack looks up, without the account stack."""
    iam = rig.cloud.client("iam")
    if not any(role["RoleName"] == ROLE for role in iam.list_roles()["Roles"]):
        iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument="{}")


def planned(rig: Rig, names: Iterable[str], packages: dict[str, str]) -> Planned:
    """Load, render and plan environments.

    One run plans all of them, each with the stack as a module, since the provider's start takes longest.

    Args:
        rig: Terraform and a cloud.
        names: names of environments in `environments.table`.
        packages: placeholders for the Lambda packages.
    """
    _copy_stack(rig)
    modules = [_module(name, _rendered(rig, name, packages)) for name in names]
    return show(rig.workspace(rig.root("environments", PROVIDER + "".join(modules)), {}))


def _copy_stack(rig: Rig) -> None:
    """Copy the stack without its provider and other blocks that only root modules may contain."""
    shutil.copytree(
        rig.project.stack("inference"),
        rig.project.root / "terraform" / "tests" / "environment",
        ignore=shutil.ignore_patterns("imports.tf", "provider.tf"),
    )


def _rendered(rig: Rig, name: str, packages: dict[str, str]) -> str:
    """Return the variables of an environment for Terraform."""
    rig.project.environment_file(name).write_text(table()[name])
    environment, directory = load(rig.project, name), rig.project.environment_build(name)
    staged = {location: weights.uri for location, weights in staging.locate(rig.project, environment).items()}
    inputs = rendering.RenderInputs(staged, packages["gateway"], packages["authorizer"])
    rendering.render(environment, inputs, directory)
    return (directory / "inference.tfvars").read_text()


def _module(name: str, variables: str) -> str:
    return f'module "{name}" {{\nsource = "../environment"\n{variables}\n}}\n'


def digests(planned: Planned) -> dict[str, Digest]:
    """Return the relevant values of a plan's endpoints by environment, model and address."""
    digests: dict[str, Digest] = {}
    for address, change in sorted(planned.changes.items()):
        matched = _MODULE.fullmatch(address)
        if matched and not matched[3].startswith(_IGNORED_RESOURCES):
            resources = digests.setdefault(matched[1], {}).setdefault(matched[2], {})
            resources[matched[3]] = _pruned(change["after"])
    return {
        name: {model: _named(resources) for model, resources in models.items()}
        for name, models in digests.items()
    }


def _pruned(value: Any) -> Any:
    """Remove unset values, and lists around single blocks."""
    if isinstance(value, dict):
        pruned = {key: _pruned(item) for key, item in value.items() if key not in _IGNORED}
        return {key: item for key, item in pruned.items() if item not in (None, "", [], {})}
    if isinstance(value, list):
        blocks = [_pruned(item) for item in value]
        return blocks[0] if len(blocks) == 1 and isinstance(blocks[0], dict) else blocks
    return value


def _named(resources: dict[str, Any]) -> dict[str, Any]:
    """Replace names by short labels: only their equality matters, not their hashes."""
    name = resources["aws_sagemaker_endpoint.this[0]"]["name"]
    (configuration,) = (
        values for address, values in resources.items() if "endpoint_configuration" in address
    )
    text = json.dumps(resources)
    # Names of configurations and models end in a hash.
    hashes = dict.fromkeys(re.findall(rf'"{name}-([0-9a-f]{{8}})"', json.dumps(configuration)))
    for number, digits in enumerate(hashes, 1):
        text = text.replace(digits, f"HASH{number}")
    return dict(json.loads(text.replace(name, "NAME")))
