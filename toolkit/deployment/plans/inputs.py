"""What a plan was made of, part by part, so that what has changed since can be named."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path

from toolkit.deployment.context import Context
from toolkit.deployment.releases import recording
from toolkit.staging import StagedModel

# What differs between the places where Python has run.
_NOT_SOURCE = ("__pycache__",)


def parts(context: Context, staged: Mapping[str, StagedModel]) -> dict[str, str]:
    """The parts of what a plan is made of now: versions as they are, contents as SHA-256.

    Args:
        context: the environment; its variables lie rendered in the build folder, and `init` was run.
        staged: the weights that the variables refer to.
    """
    project, environment = context.project, context.environment
    stack = project.stack("inference")
    variables = project.environment_build(environment.name) / "inference.tfvars"
    commit, _ = recording.checkout_commit(project.root)
    return {
        "environment file": _digest([project.environment_file(environment.name)], project.root),
        "variables": _digest([variables], project.root),
        "Terraform code": _digest(
            _terraform_files(stack, project.root / "terraform" / "modules"), project.root
        ),
        "provider lock": _digest([stack / ".terraform.lock.hcl"], project.root),
        "Lambda code": _digest(_source_files(project.root / "lambda_src"), project.root),
        "model weights": json.dumps({name: model.uri for name, model in sorted(staged.items())}),
        "commit": commit or "none",
        "toolkit": version("sagemaker-llm-toolkit"),
        "Terraform": f"{context.program.product} {context.program.version}",
    }


def changed(planned: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """A line for each part that is not what it was."""
    return [
        f"{name}: {_difference(planned.get(name), now.get(name))}"
        for name in dict.fromkeys([*planned, *now])
        if planned.get(name) != now.get(name)
    ]


def _difference(planned: str | None, now: str | None) -> str:
    if planned is None or now is None or len(planned) == len(now) == hashlib.sha256().digest_size * 2:
        return "not what it was"
    return f"{planned} when it was planned, {now} now"


def _terraform_files(stack: Path, modules: Path) -> list[Path]:
    files = [path for folder in (stack, modules) for path in folder.rglob("*") if path.is_file()]
    return [path for path in files if path.suffix in (".tf", ".tftpl", ".json", ".yaml", ".py")]


def _source_files(folder: Path) -> list[Path]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return [path for path in files if not any(part in _NOT_SOURCE for part in path.parts)]


def _digest(files: Iterable[Path], root: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(files):
        content = path.read_bytes() if path.is_file() else b""
        name = path.relative_to(root).as_posix()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()
