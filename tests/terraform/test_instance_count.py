"""An apply keeps the instance count that autoscaling has chosen."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from tests.support.terraform import Planned, Rig, show
from toolkit.terraform import command

pytestmark = pytest.mark.slow

ROOT = """
variable "fleets" {
  type = map(object({ initial = optional(number), context = string }))
}

provider "aws" {
  region = "us-east-1"
}

module "endpoint" {
  source   = "../../modules/sagemaker_endpoint"
  for_each = var.fleets

  name               = each.key
  execution_role_arn = "arn:aws:iam::123456789012:role/HuggingfaceExecuteRole"
  instances          = { type = "ml.c7i.xlarge", min = 1, max = 4, initial = each.value.initial }

  container = {
    image       = "763104351884.dkr.ecr.us-east-1.amazonaws.com/llama-cpp:server-sagemaker-cpu-v1"
    environment = { SM_LLAMA_CPP_CTX_SIZE = each.value.context, HF_MODEL_ID = "some/model" }
  }
}
"""
CONFIGURATION = 'module.endpoint["{}"].aws_sagemaker_endpoint_configuration.this[0]'
FLEETS = ("quiet", "changed", "shrunk")


@pytest.fixture(scope="module")
def planned(rig: Rig) -> Planned:
    """Configurations made with one instance each; then autoscaling chose another count."""
    folder = rig.root("instance_count", ROOT)
    first: dict[str, Any] = {name: {"context": "4096"} for name in FLEETS}
    workspace = rig.workspace(folder, {"fleets": first})
    # Not the endpoints: this is about configurations, and an endpoint would start a model server.
    targets = [f"-target={CONFIGURATION.format(name)}" for name in FLEETS]
    applied = subprocess.run(
        [*rig.program.argv, "apply", "-auto-approve", f"-var-file={workspace.var_file}", *targets],
        cwd=folder,
        env=command.environment(workspace.environment, {"TF_DATA_DIR": str(workspace.data_directory)}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert applied.returncode == 0, applied.stdout + applied.stderr
    now = {
        "quiet": {"context": "4096", "initial": 3},
        "changed": {"context": "2048", "initial": 3},
        "shrunk": {"context": "2048", "initial": 9},
    }
    return show(rig.workspace(folder, {"fleets": now}))


def test_a_fleet_does_not_roll_because_it_grew(planned: Planned) -> None:
    assert CONFIGURATION.format("quiet") not in planned.changes


def test_a_new_configuration_begins_with_the_count_that_runs(planned: Planned) -> None:
    change = planned.changes[CONFIGURATION.format("changed")]
    assert change["actions"] == ["create", "delete"]  # in this order: nothing is without a configuration
    assert change["before"]["name"] != change["after"]["name"]
    assert change["after"]["production_variants"][0]["initial_instance_count"] == 3


def test_but_stays_within_the_bounds(planned: Planned) -> None:
    change = planned.changes[CONFIGURATION.format("shrunk")]
    assert change["after"]["production_variants"][0]["initial_instance_count"] == 4
