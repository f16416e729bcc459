"""Locating the block of an address."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from toolkit.gate.sources import Block, PlanSources, Sources

STACK = """\
module "endpoint" {
  source   = "../endpoint"
  for_each = var.models
}

module "external" {
  source = "terraform-aws-modules/lambda/aws"
}

data "aws_iam_role" "this" { name = "x" }

resource "aws_iam_role" "this" {
  name = "a } in a string"
  tags = {
    a = "b"
  }
}
"""
MODULE = """\
# Not the resource "aws_cloudwatch_log_group" "this" {
resource "aws_cloudwatch_log_group" "this" {
  count = 1
}

module "inner" {
  source = "./inner"
}
"""
INNER = """\

resource "aws_cloudwatch_log_group" "this" {}
"""
DOCUMENT: dict[str, Any] = {
    "configuration": {
        "root_module": {
            "module_calls": {
                "endpoint": {
                    "source": "../endpoint",
                    "module": {"module_calls": {"inner": {"source": "./inner", "module": {}}}},
                },
                "external": {"source": "terraform-aws-modules/lambda/aws", "module": {}},
            }
        }
    }
}


@pytest.fixture
def sources(tmp_path: Path) -> PlanSources:
    for name, text in {
        "stack/main.tf": STACK,
        "endpoint/logs.tf": MODULE,
        "endpoint/inner/main.tf": INNER,
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return PlanSources(DOCUMENT, tmp_path / "stack", Sources())


@pytest.mark.parametrize(
    ("address", "location"),
    [
        ("aws_iam_role.this", ("stack/main.tf", 12, 17)),
        ("data.aws_iam_role.this", ("stack/main.tf", 10, 10)),
        ('module.endpoint["llama-3.1"].aws_cloudwatch_log_group.this[0]', ("endpoint/logs.tf", 2, 4)),
        (
            'module.endpoint["a.module.b[0]"].module.inner.aws_cloudwatch_log_group.this["x"]',
            ("endpoint/inner/main.tf", 2, 2),
        ),
        # A module from outside the project: only its call can be changed.
        ("module.external.aws_lambda_function.this", ("stack/main.tf", 6, 8)),
        ("aws_iam_role.elsewhere", None),
    ],
)
def test_an_address_is_resolved_to_its_block(
    sources: PlanSources, tmp_path: Path, address: str, location: tuple[str, int, int] | None
) -> None:
    expected = location and Block((tmp_path / location[0]).resolve(), *location[1:])
    assert sources.block(address) == expected
