"""Terraform's state, read without Terraform."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from toolkit.errors import TerraformError
from toolkit.terraform import Workspace, state_file

MAIN = """\
resource "terraform_data" "a" { input = "kept" }
resource "terraform_data" "many" { for_each = toset(["x", "y"]) }
output "plain" { value = { name = terraform_data.a.output, list = [1, null] } }
output "hidden" {
  value     = "secret"
  sensitive = true
}
"""


def test_outputs_equal_those_of_terraform(stack: Callable[..., Workspace]) -> None:
    workspace = stack(MAIN)
    workspace.init()
    workspace.apply(workspace.plan())
    state = state_file.parse((workspace.stack / "terraform.tfstate").read_bytes(), "here")
    assert state.outputs == workspace.outputs()
    resources = workspace._json("show", kind=dict[str, Any])["values"]["root_module"]["resources"]
    assert state.ids == {"terraform_data": {resource["values"]["id"] for resource in resources}}
    assert len(state.ids["terraform_data"]) == 3


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"version": 4, "serial"', b'{"version": 4}', b'{"version": 5}']
)
def test_an_unknown_format_is_an_error(content: bytes) -> None:
    with pytest.raises(TerraformError, match="not version 4") as caught:
        state_file.parse(content, "s3://bucket/key")
    assert caught.value.where == "s3://bucket/key"
