"""Creates a new environment file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TextIO

from jinja2 import Environment as Templates
from jinja2 import FileSystemLoader, StrictUndefined

from toolkit.environment.environment import LOCAL_ACCOUNT_ID
from toolkit.environment.loader import check_name
from toolkit.errors import InputError
from toolkit.files import naming
from toolkit.project import Project

TEMPLATES = Path(__file__).parent.parent / "templates"


def text(
    env: str,
    target: str,
    *,
    name: str = "llm",
    region: str = "us-east-1",
    account_id: str = LOCAL_ACCOUNT_ID,
) -> str:
    """The text of a valid new environment file.

    Args:
        env: name of the environment.
        target: `local` or `aws`.
        name: prefix of resource names.
        region: the AWS region.
        account_id: the AWS account; the default is a placeholder.
    """
    templates = Templates(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        # Every value becomes a quoted YAML string: JSON strings are valid YAML.
        finalize=lambda value: json.dumps(value, ensure_ascii=False),
        autoescape=False,  # noqa: S701 - the result is YAML, and `finalize` escapes it
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    return templates.get_template("environment.yaml.jinja").render(
        env=env,
        target=target,
        name=name,
        region=region,
        account_id=account_id,
        description=f"Environment {env}",
    )


def create(project: Project, env: str, target: str) -> Path:
    """Write a new environment file and return its path.

    Raises:
        InputError: the name is not valid, or the environment exists.
    """
    check_name(env)
    path = project.environment_file(env)
    content = text(env, target)
    try:
        with naming(path), path.open("x", encoding="utf-8") as file:
            _write(file, content, path)
    except FileExistsError:
        raise InputError(
            f"environment {env} already exists",
            where=project.relative(path),
            remedy="use another name, or edit the file",
        ) from None
    return path


def _write(file: TextIO, content: str, path: Path) -> None:
    try:
        file.write(content)
        file.flush()
    except OSError:
        # An empty or truncated file would count as an environment.
        path.unlink()
        raise
