"""Real Terraform, on stacks without a provider."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.interrupts import wait_for
from toolkit.console import Console
from toolkit.errors import TerraformError
from toolkit.project import Project
from toolkit.terraform import Counts, Workspace, providers

pytestmark = pytest.mark.slow

Stack = Callable[..., Workspace]

TWO = """
variable "word" { default = "one" }
resource "terraform_data" "a" { input = var.word }
resource "terraform_data" "b" {
  input            = terraform_data.a.output
  triggers_replace = var.word
}
output "words" { value = [terraform_data.a.output, terraform_data.b.output] }
"""


def test_a_tainted_resource_can_be_untainted(stack: Stack) -> None:
    workspace = stack('resource "terraform_data" "a" { input = "kept" }')
    workspace.init()
    workspace.apply(workspace.plan())
    state = workspace.stack / "terraform.tfstate"
    marked = json.loads(state.read_text())
    marked["resources"][0]["instances"][0]["status"] = "tainted"
    state.write_text(json.dumps(marked))
    (change,) = workspace.plan().changes
    assert (change.address, change.action, change.reason) == ("terraform_data.a", "replace", "tainted")
    workspace.untaint(change.address)
    assert not workspace.plan().has_changes
    with pytest.raises(TerraformError, match="cannot untaint"):
        workspace.untaint(change.address)


def test_plan_apply_outputs_destroy(stack: Stack, console_output: io.StringIO) -> None:
    workspace = stack(TWO)
    workspace.init()

    plan = workspace.plan()
    assert plan.has_changes and plan.counts == Counts(add=2)
    assert {(change.address, change.action) for change in plan.changes} == {
        ("terraform_data.a", "create"),
        ("terraform_data.b", "create"),
    }
    assert plan.summary() == "2 to add, 0 to change, 0 to destroy"
    assert workspace.show(plan)["applyable"] is True

    assert workspace.apply(plan) == Counts(add=2)
    assert workspace.outputs() == {"words": ["one", "one"]}
    assert re.search(
        r"^terraform_data\.b: created \(\d+ s\) \[2/2\]$", console_output.getvalue(), re.MULTILINE
    )

    second = workspace.plan()
    assert not second.has_changes and second.summary() == "no changes"

    destroy = workspace.plan(destroy=True)
    assert destroy.destroy and destroy.counts == Counts(remove=2)
    workspace.apply(destroy)
    assert workspace.outputs() == {}
    assert "values" not in workspace._json("show", kind=dict[str, object])


def test_apply_unseen_plans_and_applies_in_one_run(
    stack: Stack, console_output: io.StringIO, tmp_path: Path
) -> None:
    words = tmp_path / "words.tfvars"
    words.write_text('word = "two"')
    workspace = stack(TWO, var_file=words)
    workspace.init()
    assert workspace.apply_unseen() == Counts(add=2)
    assert workspace.outputs() == {"words": ["two", "two"]}
    assert "terraform_data.b: created (0 s) [2/2]\n" in console_output.getvalue()
    assert workspace.apply_unseen() == Counts()
    words.write_text("word = [")
    with pytest.raises(TerraformError, match="Missing expression"):
        workspace.apply_unseen()


def test_outputs_of_an_earlier_command(stack: Stack) -> None:
    first = stack(TWO)
    first.init()
    first.apply(first.plan())
    assert stack(TWO).outputs() == {"words": ["one", "one"]}


def test_outputs_after_a_failed_apply_are_current(stack: Stack, tmp_path: Path) -> None:
    variables = tmp_path / "demo.tfvars"
    main = TWO + (
        'resource "terraform_data" "c" {\n  triggers_replace = var.word\n'
        '  provisioner "local-exec" { command = "test ${var.word} = one" }\n}\n'
    )
    workspace = stack(main, var_file=variables)
    workspace.init()
    variables.write_text('word = "one"\n')
    workspace.apply(workspace.plan())
    assert workspace.outputs() == {"words": ["one", "one"]}
    variables.write_text('word = "two"\n')
    with pytest.raises(TerraformError):
        workspace.apply(workspace.plan())
    assert workspace.outputs() == {"words": ["two", "two"]}


def test_data_sources_read_during_apply_are_not_changes(stack: Stack) -> None:
    workspace = stack(
        'resource "terraform_data" "a" { input = "some/path" }\ndata "terraform_remote_state" "b" {\n'
        '  backend = "local"\n  config = { path = terraform_data.a.output }\n}'
    )
    workspace.init()
    assert [change.address for change in workspace.plan().changes] == ["terraform_data.a"]


def test_sensitive_outputs_are_returned_but_not_logged(stack: Stack) -> None:
    workspace = stack('output "key" {\n  value     = "hush-hush"\n  sensitive = true\n}')
    workspace.init()
    workspace.apply(workspace.plan())
    assert workspace.outputs() == {"key": "hush-hush"}
    logs = [file for file in workspace.directory.iterdir() if file.suffix in (".log", ".stderr")]
    assert logs
    assert not any("hush-hush" in file.read_text() for file in logs)


def test_a_replaced_resource_counts_once(stack: Stack, console_output: io.StringIO, tmp_path: Path) -> None:
    variables = tmp_path / "demo.tfvars"
    variables.write_text('word = "one"\n')
    workspace = stack(TWO, var_file=variables)
    workspace.init()
    workspace.apply(workspace.plan())
    variables.write_text('word = "two"\n')

    plan = workspace.plan()
    assert plan.counts == Counts(add=1, change=1, remove=1)
    assert {change.address: change.action for change in plan.changes} == {
        "terraform_data.a": "update",
        "terraform_data.b": "replace",
    }
    workspace.apply(plan)
    assert workspace.outputs() == {"words": ["two", "two"]}
    finished = [
        line for line in console_output.getvalue().splitlines() if line.startswith("terraform_data.")
    ][2:]
    assert [re.sub(r" \(.*?\)", "", line) for line in finished] == [
        "terraform_data.b: destroyed [0/2]",
        "terraform_data.a: updated [1/2]",
        "terraform_data.b: created [2/2]",
    ]


def test_variables_and_arguments_of_the_user_are_ignored(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_VAR_word", "smuggled")
    monkeypatch.setenv("TF_CLI_ARGS_plan", "-var=word=smuggled")
    monkeypatch.setenv("TF_WORKSPACE", "elsewhere")
    workspace = stack(TWO)
    workspace.init()
    workspace.apply(workspace.plan())
    assert workspace.outputs() == {"words": ["one", "one"]}


class TestInit:
    def test_init_is_skipped_without_changes(self, stack: Stack) -> None:
        assert stack(TWO).init() is True
        assert stack(TWO).init() is False
        assert stack(TWO.replace("one", "other")).init() is False

    def test_init_runs_again_for_a_new_module(self, stack: Stack) -> None:
        workspace = stack(TWO)
        workspace.init()
        module = workspace.stack / "part"
        module.mkdir()
        (module / "main.tf").write_text('output "it" { value = "from the module" }')
        extended = stack('module "part" { source = "./part" }\noutput "it" { value = module.part.it }')
        assert extended.init() is True
        extended.apply(extended.plan())
        assert extended.outputs() == {"it": "from the module"}

    def test_init_runs_again_if_its_results_are_deleted(self, stack: Stack) -> None:
        workspace = stack(TWO)
        workspace.init()
        shutil.rmtree(workspace.data_directory)
        assert workspace.init() is True

    def test_a_failed_init_is_repeated(self, stack: Stack) -> None:
        with pytest.raises(TerraformError):
            stack('terraform { required_version = "< 1.0" }').init()
        with pytest.raises(TerraformError, match="Unsupported Terraform Core version"):
            stack('terraform { required_version = "< 1.0" }').init()


class TestErrors:
    def test_an_error_names_file_line_and_resource(self, stack: Stack) -> None:
        workspace = stack('resource "terraform_data" "a" {\n  input = file("missing.txt")\n}')
        workspace.init()
        with pytest.raises(TerraformError) as caught:
            workspace.plan()
        assert caught.value.exit_code == 5
        assert caught.value.where == "terraform/stacks/demo/main.tf:2 (terraform_data.a)"
        assert "Invalid function argument" in caught.value.message
        assert any("missing.txt" in line for line in caught.value.details)

    def test_several_errors_are_all_reported(self, stack: Stack) -> None:
        workspace = stack('output "a" { value = nowhere.one }\noutput "b" { value = nowhere.two }')
        workspace.init()
        with pytest.raises(TerraformError) as caught:
            workspace.plan()
        assert "2 errors" in caught.value.message
        locations = [
            line for line in caught.value.details if line.startswith("terraform/stacks/demo/main.tf:")
        ]
        assert len(locations) == 2

    def test_an_error_of_an_apply_is_reported(self, stack: Stack, console_output: io.StringIO) -> None:
        workspace = stack(
            'resource "terraform_data" "a" {\n'
            '  provisioner "local-exec" {\n    command = "echo so it goes; exit 3"\n  }\n}'
        )
        workspace.init()
        with pytest.raises(TerraformError) as caught:
            workspace.apply(workspace.plan())
        assert "terraform_data.a: failed" in console_output.getvalue()
        assert "so it goes" in str(caught.value)
        assert "exit status 3" in str(caught.value)

    def test_a_read_only_file_system_is_not_taken_for_a_full_one(self, stack: Stack) -> None:
        command = "echo open state: read-only file system; exit 1"
        workspace = stack(
            f'resource "terraform_data" "a" {{\n  provisioner "local-exec" {{ command = "{command}" }}\n}}'
        )
        workspace.init()
        with pytest.raises(TerraformError) as caught:
            workspace.apply(workspace.plan())
        assert f"check permissions and free disk space of {workspace.directory}" in str(caught.value.remedy)

    def test_a_missing_plan_is_explained(self, stack: Stack) -> None:
        workspace = stack(TWO)
        workspace.init()
        plan = workspace.plan()
        plan.path.unlink()
        with pytest.raises(TerraformError, match=re.escape(str(plan.path))):
            workspace.apply(plan)

    def test_validate(self, stack: Stack) -> None:
        valid = stack(TWO)
        valid.init()
        valid.validate()
        with pytest.raises(TerraformError, match="undeclared input variable"):
            stack("output a { value = var.nothing }").validate()


class Terminal(io.StringIO):
    """A terminal that records its output."""

    def isatty(self) -> bool:
        return True


@pytest.mark.slow
def test_a_terminal_shows_seconds_while_terraform_is_silent(stack: Stack, project: Project) -> None:
    # Terraform itself reports progress every ten seconds.
    os.mkfifo(project.root / "pipe")
    terminal = Terminal()
    workspace = stack(
        'resource "terraform_data" "slow" {\n  provisioner "local-exec" { command = "cat ../../../pipe" }\n}',
        console=Console(err=terminal, interactive=True),
    )
    workspace.init()
    plan = workspace.plan()
    seconds: set[int] = set()

    def interpolated_seconds() -> set[int]:
        shown = re.findall(r"creating terraform_data\.slow \((\d+) s\)", terminal.getvalue())
        seconds.update(second for second in map(int, shown) if second % 10)
        return seconds

    def release_when_seen() -> None:
        wait_for(interpolated_seconds, "seconds of the toolkit's own")
        (project.root / "pipe").write_text("go on\n")

    release = threading.Thread(target=release_when_seen)
    release.start()
    workspace.apply(plan)
    release.join()
    assert seconds


def test_a_warning_is_shown_once(stack: Stack, console_output: io.StringIO) -> None:
    workspace = stack(
        'resource "terraform_data" "a" { input = 1 }\ncheck "a" {\n  assert {\n'
        '    condition     = terraform_data.a.input == 2\n    error_message = "odd"\n  }\n}'
    )
    workspace.init()
    plan = workspace.plan()
    workspace.apply(plan)
    assert console_output.getvalue().count("Check block assertion failed") == 1
    assert (
        "warning: terraform/stacks/demo/main.tf:4 (check.a): Check block assertion failed: odd\n"
        in console_output.getvalue()
    )


def test_output_files_are_private(stack: Stack) -> None:
    workspace = stack(TWO)
    workspace.init()
    workspace.plan()
    log = workspace.directory / "plan.log"
    assert json.loads(log.read_text().splitlines()[0])["type"] == "version"
    assert log.stat().st_mode & 0o077 == 0
    names = {file.name for file in workspace.directory.iterdir() if file.is_file()}
    assert names == {"init.log", "init.stderr", "plan.log", "plan.stderr", "plan.tfplan"}
    assert workspace.directory.stat().st_mode & 0o077 == 0


@pytest.mark.slow
def test_an_installed_provider_needs_no_network_next_time(
    stack: Stack, cloud: Any, backend: Path, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = backend.stem + "-objects"
    cloud.client("s3").create_bucket(Bucket=bucket)
    main = (
        'terraform {\n  required_providers {\n    aws = {\n      source = "hashicorp/aws"\n'
        '      version = ">= 5.100, < 7"\n    }\n  }\n  backend "s3" {}\n}\n'
        f'resource "aws_s3_object" "a" {{\n  bucket = "{bucket}"\n  key = "a"\n  content = "provided"\n}}'
    )
    first = stack(main, environment=cloud.environment, backend_file=backend)
    first.init()
    assert first.apply(first.plan()) == Counts(add=1)
    assert cloud.client("s3").get_object(Bucket=bucket, Key="a")["Body"].read() == b"provided"

    monkeypatch.setattr(providers, "ADD_ON_ROOTS", ())
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    other = stack(main, environment=cloud.environment, directory=project.environment_build("b") / "demo")
    assert other.init() is True
