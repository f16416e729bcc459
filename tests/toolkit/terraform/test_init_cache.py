"""Changes that make `init` run again, and changes that do not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from toolkit.terraform import Program, init_cache

PROGRAM = Program(("/usr/bin/terraform",), "Terraform", "1.11.4", "linux_amd64", "PATH")
MAIN = """
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}
module "part" {
  source = "../../modules/part"
  size   = 1
}
resource "aws_s3_bucket" "a" { bucket = "one" }
"""


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    folder, module = tmp_path / "stacks" / "demo", tmp_path / "modules" / "part"
    folder.mkdir(parents=True)
    module.mkdir(parents=True)
    (folder / "main.tf").write_text(MAIN)
    (folder / ".terraform.lock.hcl").write_text("# locked\n")
    (folder / "demo.tfbackend").write_text('bucket = "one"\n')
    (module / "main.tf").write_text('resource "aws_iam_role" "a" { name = "one" }\n')
    return folder


def fingerprint(stack: Path, program: Program = PROGRAM, **environment: str) -> str:
    return init_cache.fingerprint(program, stack, stack / "demo.tfbackend", environment)


def edit(file: str, old: str, new: str) -> Callable[[Path], None]:
    def change(stack: Path) -> None:
        text = (stack / file).read_text()
        assert old in text
        (stack / file).write_text(text.replace(old, new))

    return change


@pytest.mark.parametrize(
    "change",
    [
        edit("main.tf", "hashicorp/aws", "hashicorp/awscc"),
        edit("main.tf", "terraform {", 'terraform {\n  backend "s3" {}'),
        edit("main.tf", "../../modules/part", "../../modules/../modules/part"),
        edit("main.tf", 'resource "aws_s3', 'data "random_id" "new" {}\nresource "aws_s3'),
        edit("main.tf", "module", 'module "other" {\n  source = "../../modules/part"\n}\nmodule'),
        edit(".terraform.lock.hcl", "locked", "locked otherwise"),
        edit("demo.tfbackend", "one", "two"),
        edit("../../modules/part/main.tf", "resource", 'resource "time_sleep" "b" {}\nresource'),
        lambda stack: (stack / "more.tf").write_text('terraform {\n  required_version = ">= 1"\n}'),
        lambda stack: (stack / "more.tf.json").write_text("{}"),
    ],
)
def test_init_depends_on(stack: Path, change: Callable[[Path], None]) -> None:
    before = fingerprint(stack)
    change(stack)
    assert fingerprint(stack) != before


@pytest.mark.parametrize(
    "change",
    [
        edit("main.tf", "size   = 1", "size   = 2"),
        edit("main.tf", '"one"', '"two"'),
        edit("main.tf", 'resource "aws_s3', 'output "x" { value = 1 }\nresource "aws_s3'),
        edit("../../modules/part/main.tf", '"one"', '"two"'),
        lambda stack: (stack / "README.md").write_text("terraform {}"),
    ],
)
def test_init_does_not_depend_on(stack: Path, change: Callable[[Path], None]) -> None:
    before = fingerprint(stack)
    change(stack)
    assert fingerprint(stack) == before


def test_init_depends_on_program_backend_and_providers(stack: Path) -> None:
    fingerprints = {
        fingerprint(stack),
        fingerprint(stack, replace(PROGRAM, version="1.12.0")),
        fingerprint(stack, replace(PROGRAM, argv=("/opt/terraform",))),
        fingerprint(stack, AWS_ENDPOINT_URL="http://127.0.0.1:1"),
        fingerprint(stack, AWS_ENDPOINT_URL="http://127.0.0.1:2"),
    }
    assert len(fingerprints) == 5


def test_a_provider_deleted_from_the_cache_is_noticed(tmp_path: Path) -> None:
    data, cache = tmp_path / "data", tmp_path / "cache"
    package = data / "providers" / "registry.terraform.io" / "hashicorp" / "aws" / "5.100.0"
    package.mkdir(parents=True)
    cache.mkdir()
    (package / "linux_amd64").symlink_to(cache)
    init_cache.remember(data, "this")
    assert init_cache.is_current(data, "this")
    assert not init_cache.is_current(data, "that")
    cache.rmdir()
    assert not init_cache.is_current(data, "this")
