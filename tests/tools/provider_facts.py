"""Records facts about the AWS provider that the lock files select.

- toolkit/report/readonly.json: the computed attributes of the stacks' resources, from the provider's schemas.
- toolkit/serving/provider.json: the values that it accepts, from the errors with which it refuses others.

python -m tests.tools.provider_facts             # after a change of the lock files or of resource types
python -m tests.tools.provider_facts --upgrade   # first move the lock files to the newest provider allowed
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.support.checkout import ROOT
from tests.support.cloudprocess import CloudProcess
from tests.support.terraform import Rig, copy_project, find_program
from toolkit.project import Project
from toolkit.terraform import Program

READ_ONLY = ROOT / "toolkit" / "report" / "readonly.json"
ACCEPTED = ROOT / "toolkit" / "serving" / "provider.json"
STACKS = ("account", "inference")
LOCK = Path("terraform") / "stacks" / "inference" / ".terraform.lock.hcl"
COMMAND = f"`.venv/bin/python -m {__name__}`"
PLATFORMS = ("linux_amd64", "linux_arm64", "darwin_amd64", "darwin_arm64", "windows_amd64")
# Arguments whose values the provider validates against a list.
ENUMERATED = ("inference_ami_version", "instance_type", "routing_strategy")
# The provider lists the values that it accepts when it refuses one.
MODULE = """\
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

resource "aws_sagemaker_endpoint_configuration" "this" {
  production_variants {
    model_name            = "model"
    instance_type         = "?"
    inference_ami_version = "?"
    routing_config {
      routing_strategy = "?"
    }
  }
}
"""


def version() -> str:
    """Return the provider version in the stacks' lock file."""
    return re.findall(r'hashicorp/aws" \{\s+version\s+= "(.+)"', (ROOT / LOCK).read_text())[0]


def types() -> set[str]:
    """Return the types of AWS resources in terraform/."""
    code = "\n".join(file.read_text() for file in ROOT.glob("terraform/*/*/*.tf"))
    return set(re.findall(r'^resource "(aws_\w+)"', code, re.MULTILINE))


def accepted(diagnostics: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Return the values that refusals of the provider list, by argument."""
    lists = (re.match(r"expected (\w+) to be one of \[(.*)\]", refusal["summary"]) for refusal in diagnostics)
    return {match[1]: sorted(re.findall(r'"([^"]+)"', match[2])) for match in lists if match}


def _read_only(schema: dict[str, Any]) -> list[str]:
    """Return the attributes that a schema declares only as computed."""
    attributes = schema["block"]["attributes"].items()
    return sorted(
        name for name, attribute in attributes if attribute.get("computed") and not attribute.get("optional")
    )


def run_json(rig: Rig, *command: str) -> dict[str, Any]:
    """Run a command that prints JSON on a module that uses the provider."""
    folder = rig.root("facts", MODULE)
    shutil.copy(ROOT / LOCK, folder)
    workspace = rig.workspace(folder, {})
    environment = os.environ | {"TF_DATA_DIR": str(workspace.data_directory)}
    run = subprocess.run(
        [*rig.program.argv, *command], cwd=folder, env=environment, check=False, capture_output=True
    )
    content: dict[str, Any] = json.loads(run.stdout)
    return content


def upgrade(program: Program, root: Path) -> None:
    """Move the stacks' lock files to the newest provider that their constraints allow, for all platforms."""
    for stack in STACKS:
        for command in (
            ["init", "-backend=false", "-upgrade", "-input=false"],
            ["providers", "lock", *(f"-platform={platform}" for platform in PLATFORMS)],
        ):
            subprocess.run([*program.argv, *command], cwd=Project(root).stack(stack), check=True)


def main(arguments: list[str]) -> int:
    """Write both tables; returns the exit code."""
    if "--upgrade" in arguments:
        upgrade(find_program(Project(ROOT)), ROOT)
    with tempfile.TemporaryDirectory() as folder:
        project = copy_project(Path(folder) / "project")
        # Reading schemas and validating need only the provider.
        no_cloud = CloudProcess("http://127.0.0.1:1", Path(os.devnull))
        rig = Rig(project, find_program(project), no_cloud)
        (schemas,) = run_json(rig, "providers", "schema", "-json")["provider_schemas"].values()
        values = accepted(run_json(rig, "validate", "-json")["diagnostics"])
    attributes = {kind: _read_only(schemas["resource_schemas"][kind]) for kind in sorted(types())}
    READ_ONLY.write_text(json.dumps({"provider": version(), "attributes": attributes}, indent=2) + "\n")
    assert set(values) == set(ENUMERATED)
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(values[name])}" for name in ENUMERATED)
    ACCEPTED.write_text(f'{{\n "version": "{version()}",\n "accepted": {{\n{lines}\n }}\n}}\n')
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
