"""The rendered files."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.toolkit.environment.everything import EVERYTHING
from toolkit.environment import Environment, load
from toolkit.project import Project
from toolkit.rendering import RenderInputs, render, render_account, render_backend
from toolkit.rendering.hcl import literal
from toolkit.rendering.models import model_variables

STAGED = ("smollm2", "qwen3-8b", "big", "slow", "embeddings", "canary")
URIS = {name: f"s3://store/{name}/0123/" for name in STAGED}
INPUTS = RenderInputs(URIS, "../gateway.zip", "../authorizer.zip")
# Characters that need escaping in HCL.
DESCRIPTION = 'Say "hello" for ${5}:\n\t%{ if true } 中文 \\ $${x} $$${y} 100%%{z} é'


@pytest.fixture(params=["local", "dev", "everything"])
def environment(request: pytest.FixtureRequest, checkout: Path, tmp_path: Path) -> Environment:
    if request.param != "everything":
        return load(Project(checkout), request.param)
    project = Project(tmp_path / "project")
    project.environments.mkdir(parents=True)
    project.environment_file("everything").write_text(EVERYTHING)
    return load(project, "everything")


def render_all(environment: Environment, inputs: RenderInputs, directory: Path) -> dict[str, Path]:
    """The rendered files by name."""
    files = [render_account([environment], [], directory), render(environment, inputs, directory)]
    files += [render_backend(environment, stack, directory) for stack in ("account", "inference")]
    return {file.name: file for file in files}


def test_the_same_input_gives_the_same_bytes(environment: Environment, tmp_path: Path) -> None:
    first = render_all(environment, INPUTS, tmp_path / "one" / "deeper")
    second = render_all(environment, INPUTS, tmp_path / "two")
    assert sorted(first) == ["account.tfbackend", "account.tfvars", "inference.tfbackend", "inference.tfvars"]
    for name, file in first.items():
        assert file.read_bytes() == second[name].read_bytes()


def test_unchanged_files_are_not_written(environment: Environment, tmp_path: Path) -> None:
    files = render_all(environment, INPUTS, tmp_path).values()
    for file in files:
        os.utime(file, ns=(1, 1))
    (tmp_path / "inference.tfvars").write_text("edited")
    render_all(environment, INPUTS, tmp_path)
    assert [file.name for file in files if file.stat().st_mtime_ns != 1] == ["inference.tfvars"]
    assert "edited" not in (tmp_path / "inference.tfvars").read_text()


def test_the_output_is_formatted_as_by_terraform_fmt(
    environment: Environment, tmp_path: Path, terraform: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    for path in render_all(environment, INPUTS, tmp_path).values():
        text = path.read_text()
        assert terraform("fmt", "-", cwd=tmp_path, stdin=text).stdout == text


def test_any_description_round_trips_through_terraform(
    tmp_path: Path, checkout: Path, arrives: Callable[[str], Any]
) -> None:
    environment = load(Project(checkout), "local").model_copy(update={"description": DESCRIPTION})
    variables = render(environment, INPUTS, tmp_path).read_text()
    line = next(line for line in variables.splitlines() if line.startswith("description"))
    assert arrives(line.replace("description", "value", 1)) == DESCRIPTION


def test_terraform_accepts_the_variables_of_both_stacks(
    environment: Environment,
    tmp_path: Path,
    checkout: Path,
    terraform: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    """Terraform checks declarations and validations of the stacks without their resources."""
    uris = {name: f"s3://{environment.model_store_bucket}/{name}/0123/" for name in environment.models}
    inputs = RenderInputs(uris, "../gateway.zip", "../authorizer.zip")
    for stack in ("account", "inference"):
        directory = tmp_path / stack
        directory.mkdir()
        source = (checkout / "terraform" / "stacks" / stack / "variables.tf").read_text()
        names = [line.split('"')[1] for line in source.splitlines() if line.startswith("variable ")]
        outputs = "".join(f'output "{name}" {{\n  value = var.{name}\n}}\n' for name in names)
        (directory / "main.tf").write_text(source + outputs)
        render_all(environment, inputs, directory)
        applied = terraform("apply", "-auto-approve", "-no-color", f"-var-file={stack}.tfvars", cwd=directory)
        assert applied.returncode == 0, applied.stdout + applied.stderr
        assert "undeclared" not in applied.stdout + applied.stderr


def test_no_module_drops_a_setting_of_a_model(
    environment: Environment,
    tmp_path: Path,
    checkout: Path,
    terraform: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    """The stacks pass settings through: the types of the modules must have every attribute."""
    uris = {name: f"s3://{environment.model_store_bucket}/{name}/0123/" for name in environment.models}
    models = {name: model_variables(environment, name, uris) for name in environment.models}
    served = {name: model for name, model in models.items() if not environment.models[name].asynchronous}
    for_api = ("aliases", "dialect", "capabilities", "operations", "limits", "fallback", "price")
    calls: dict[str, tuple[str, dict[str, Any]]] = {
        name: (
            "sagemaker_endpoint",
            {"name": name, "execution_role_arn": "arn:aws:iam::123456789012:role/r"}
            | {key: value for key, value in model.items() if key not in for_api},
        )
        for name, model in models.items()
    }
    api = {name: {"endpoint_name": name} | {key: served[name][key] for key in for_api} for name in served}
    package = {"package": "function.zip"}
    account = {"name": "api", "region": "us-east-1", "account_id": "123456789012"}
    calls["api"] = ("inference_api", account | {"gateway": package, "authorizer": package, "models": api})
    main = ""
    for name, (module, arguments) in calls.items():
        folder = tmp_path / module
        folder.mkdir(exist_ok=True)
        source = (checkout / "terraform" / "modules" / module / "variables.tf").read_text()
        values = ", ".join(f"{key} = var.{key}" for key in arguments)
        (folder / "main.tf").write_text(f'{source}\noutput "values" {{\n  value = {{ {values} }}\n}}\n')
        settings = "".join(f"  {key} = {literal(value)}\n" for key, value in arguments.items())
        main += f'module "{name}" {{\n  source = "./{module}"\n{settings}}}\n'
        main += f'output "{name}" {{\n  value = module.{name}.values\n}}\n'
    (tmp_path / "main.tf").write_text(main)
    for command in (["init"], ["apply", "-auto-approve"]):
        completed = terraform(*command, "-no-color", cwd=tmp_path)
        assert completed.returncode == 0, completed.stdout + completed.stderr
    outputs = json.loads(terraform("output", "-json", cwd=tmp_path).stdout)
    for name, (_, arguments) in calls.items():
        assert list(differences(arguments, outputs[name]["value"], name)) == []


def differences(sent: object, received: object, path: str) -> Iterator[str]:
    """Settings that Terraform changed, or dropped because a type does not have them."""
    if isinstance(sent, dict) and isinstance(received, dict):
        for key, value in sent.items():
            if key in received:
                yield from differences(value, received[key], f"{path}.{key}")
            else:
                yield f"{path}.{key}"
    elif sent is not None and (list(sent) if isinstance(sent, tuple) else sent) != received:
        yield f"{path}: {sent} became {received}"


def test_the_state_key_contains_the_environment(environment: Environment, tmp_path: Path) -> None:
    keys = {"account": "account/terraform.tfstate", "inference": f"{environment.name}/inference.tfstate"}
    for stack, key in keys.items():
        settings = render_backend(environment, stack, tmp_path).read_text()
        assert f'key          = "{key}"' in settings
        assert f'bucket       = "{environment.state_bucket}"' in settings
        assert "use_lockfile = true" in settings
