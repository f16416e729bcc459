"""Variables that change without a change of the environment file."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from toolkit.rendering import RuntimeVariables

STACK = """
variable "instance_counts" { type = map(map(number)) }
variable "paused" { type = bool }
output "values" { value = [var.instance_counts, var.paused] }
"""
# The end of the variables that a release had before the runtime file existed.
RECORDED = "instance_counts = { m = { AllTraffic = 1 } }\n\npaused = true\n"


def test_the_runtime_file_overrides_an_older_release(
    tmp_path: Path, terraform: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    (tmp_path / "main.tf").write_text(STACK)
    recorded = tmp_path / "recorded.tfvars"
    recorded.write_text(RECORDED)
    runtime = RuntimeVariables({"m": {"AllTraffic": 3}}).write(tmp_path)
    terraform("init", cwd=tmp_path)
    files = [f"-var-file={path}" for path in (recorded, runtime)]
    terraform("apply", "-auto-approve", *files, cwd=tmp_path)
    outputs = json.loads(terraform("output", "-json", cwd=tmp_path).stdout)
    assert outputs["values"]["value"] == [{"m": {"AllTraffic": 3}}, False]


def test_equal_variables_give_equal_bytes(tmp_path: Path) -> None:
    one = RuntimeVariables({"b": {"x": 1}, "a": {}}).write(tmp_path).read_bytes()
    assert RuntimeVariables({"a": {}, "b": {"x": 1}}).write(tmp_path).read_bytes() == one
