"""Finds the computed attributes of the stacks' resources in the AWS provider's schemas.

The result is toolkit/report/readonly.json.

python -m tests.tools.readonly_attributes
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

FILE = ROOT / "toolkit" / "report" / "readonly.json"
LOCK = ROOT / "terraform" / "stacks" / "inference" / ".terraform.lock.hcl"
COMMAND = f"`.venv/bin/python -m {__name__}`"
# Any environment that uses the provider and has local state.
MODULE = """\
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}
"""


def version() -> str:
    """Return the provider version in the stacks' lock file."""
    return re.findall(r'hashicorp/aws" \{\s+version\s+= "(.+)"', LOCK.read_text())[0]


def types() -> set[str]:
    """Return the types of AWS resources in terraform/."""
    code = "\n".join(file.read_text() for file in ROOT.glob("terraform/*/*/*.tf"))
    return set(re.findall(r'^resource "(aws_\w+)"', code, re.MULTILINE))


def _read_only(schema: dict[str, Any]) -> list[str]:
    """Return the attributes that a schema declares only as computed."""
    attributes = schema["block"]["attributes"].items()
    return sorted(
        name for name, attribute in attributes if attribute.get("computed") and not attribute.get("optional")
    )


def _schemas(rig: Rig) -> dict[str, Any]:
    folder = rig.root("schemas", MODULE)
    shutil.copy(LOCK, folder)
    workspace = rig.workspace(folder, {})
    environment = os.environ | {"TF_DATA_DIR": str(workspace.data_directory)}
    command = [*rig.program.argv, "providers", "schema", "-json"]
    schemas = subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True).stdout
    (provider,) = json.loads(schemas)["provider_schemas"].values()
    return dict(provider["resource_schemas"])


def main() -> int:
    """Write the table; returns the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        project = copy_project(Path(folder) / "project")
        # Reading schemas needs only the provider.
        no_cloud = CloudProcess("http://127.0.0.1:1", Path(os.devnull))
        schemas = _schemas(Rig(project, find_program(project), no_cloud))
    attributes = {kind: _read_only(schemas[kind]) for kind in sorted(types())}
    FILE.write_text(json.dumps({"provider": version(), "attributes": attributes}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
