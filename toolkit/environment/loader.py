"""Loads and checks environment files."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from toolkit import documents
from toolkit.environment import prompts, validation_errors
from toolkit.environment.account import Account
from toolkit.environment.api import Api
from toolkit.environment.checks import check
from toolkit.environment.cost import Cost
from toolkit.environment.document import Document, parse
from toolkit.environment.environment import LOCAL_ACCOUNT_ID, Environment, ValidParts, state_bucket
from toolkit.environment.model import Model
from toolkit.environment.problems import MISSING, EnvironmentFileError, KeyPath, Problem, did_you_mean
from toolkit.errors import InputError
from toolkit.project import Project
from toolkit.serving import catalogue

# Of an environment file; that of a hundred models has 100 kB.
MAX_BYTES = 2**19
# Part of resource names, build folders and state keys, which also include `account` and `lambda`.
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,14}[a-z0-9])?")
_LOCKED = re.compile(r'^provider "[^"]+/hashicorp/aws" \{\s+version\s*=\s*"([^"]+)"', re.MULTILINE)
RESERVED_NAMES = ("account", "lambda")


def load(project: Project, name: str) -> Environment:
    """Read and check `terraform/environments/<name>.yaml`.

    Raises:
        InputError: the environment does not exist, or its file cannot be read.
        EnvironmentFileError: the file has problems, each with line and key.
    """
    check_name(name)
    _check_provider(project)
    return _load(project, name, read(project, name))


def check_text(project: Project, name: str, text: str) -> Environment:
    """Check a text that is to become the file of an environment.

    Raises:
        EnvironmentFileError: it has problems.
    """
    return _load(project, name, parse(text))


def recorded(name: str, file: str, text: str) -> Environment:
    """An environment from the text of its file as it was recorded; files that it refers to may be gone.

    Raises:
        EnvironmentFileError: it has problems.
    """
    check_name(name)
    return validate(parse(text), name, file)


def _load(project: Project, name: str, document: Document) -> Environment:
    file = project.relative(project.environment_file(name))
    if document.data is None and not document.problems:
        raise InputError(
            "the file is empty",
            where=f"{file}:1",
            remedy=f"remove {file}, then create it with `toolkit init NAME`",
        )
    environment = validate(document, name, file)
    prompts.expand(environment, project, document)
    return environment


def validate(document: Document, name: str, file: str) -> Environment:
    """Check the content of an environment file.

    Raises:
        EnvironmentFileError: it has problems.
    """
    environment, problems = _validate(document, name, file)
    if problems or environment is None:
        raise EnvironmentFileError(file, problems)
    return environment


def check_name(name: str) -> None:
    """Check the name of an environment.

    Raises:
        InputError: it is not valid.
    """
    if not NAME.fullmatch(name):
        raise InputError(
            f"{name!r} is not a valid environment name",
            remedy="use up to 16 lower-case letters, digits and inner hyphens",
        )
    if name in RESERVED_NAMES:
        raise InputError(f"the name {name} is reserved", remedy="use another name")


def names(project: Project) -> list[str]:
    """The environments of a project."""
    return sorted(path.stem for path in project.environments.glob("*.yaml"))


def _check_provider(project: Project) -> None:
    """Check that the catalogue records which values the locked AWS provider accepts."""
    lock = project.code / "terraform" / "stacks" / "inference" / ".terraform.lock.hcl"
    content = lock.read_text(encoding="utf-8", errors="replace") if lock.is_file() else ""
    locked = _LOCKED.search(content)
    recorded = catalogue.provider_version()
    if locked is not None and locked[1] != recorded:
        raise InputError(
            f"the catalogue describes AWS provider {recorded}, but the lock file selects {locked[1]}",
            where=project.relative(lock),
            remedy="run `.venv/bin/python -m tests.tools.provider_facts`, and commit the result",
        )


def read(project: Project, name: str) -> Document:
    """Read and parse an environment file, without checking it.

    Raises:
        InputError: it does not exist, or cannot be read.
    """
    return parse(read_text(project, name))


def read_text(project: Project, name: str) -> str:
    """The text of an environment file.

    Raises:
        InputError: it does not exist, or cannot be read.
    """
    path = project.environment_file(name)
    file = project.relative(path)
    try:
        content = documents.load(path)
    except FileNotFoundError:
        existing = names(project)
        hint = did_you_mean(name, existing)
        summary = f"environments: {', '.join(existing)}" if existing else "no environment exists yet"
        raise InputError(
            f"environment {name} does not exist",
            where=file,
            remedy=f"{hint + ' ' if hint else ''}{summary}; create it with `toolkit init {name}`",
        ) from None
    except OSError as error:
        raise InputError(
            f"cannot read the environment file: {error.strerror}",
            where=file,
            remedy="make it a readable file",
        ) from error
    try:
        return documents.decode(content, MAX_BYTES)
    except documents.DamagedError as damage:
        raise InputError(
            f"cannot read the environment file: {damage.reason}",
            where=f"{file}:{damage.line or 1}",
            remedy="save the file as UTF-8" if damage.line else "use several environments",
        ) from None


def _validate(
    document: Document, name: str, file: str
) -> tuple[Environment | None, list[tuple[int, Problem]]]:
    """The environment and every problem with its line; the environment is None if it does not validate."""
    located = list(document.problems)
    if document.data is None or (located and not document.lines):
        return None, located
    environment = None
    problems: list[Problem] = []
    try:
        environment = Environment.model_validate(document.data, context={"name": name, "file": file})
    except ValidationError as error:
        problems = validation_errors.problems(error.errors(include_url=False), document)
    # Values with YAML errors cannot be validated.
    invalid_paths = {problem.path for _, problem in document.problems}
    # A misspelt key is not missing.
    misspelt = {(*problem.path[:-1], key) for problem in problems for key in problem.similar}
    problems = [
        problem
        for problem in problems
        if problem.path not in invalid_paths and not (problem.reason == MISSING and problem.path in misspelt)
    ]
    if isinstance(document.data, dict):
        broken = [problem.path for problem in problems] + list(invalid_paths)
        problems += check(_parts(document.data, name, broken))
        problems += _account_id_needed(document.data)
    located += [(document.line(problem.path), problem) for problem in problems]
    return environment, located


def _parts(data: dict[str, Any], name: str, broken: Iterable[KeyPath]) -> ValidParts:
    """The parts of a file that are valid, together with their parents."""
    broken = list(broken)

    def intact(*path: str) -> bool:
        return not any(other[: len(path)] == path for other in broken)

    def text(key: str) -> str | None:
        return data[key] if intact(key) and key in data else None

    models = data.get("models")
    return ValidParts(
        name=name,
        target=text("target"),
        project=text("name"),
        region=text("region"),
        account_id=LOCAL_ACCOUNT_ID if "account_id" not in data else text("account_id"),
        account=Account.model_validate(data.get("account", {})) if intact("account") else None,
        models={
            key: Model.model_validate(model)
            for key, model in (models.items() if isinstance(models, dict) else ())
            if intact("models", key)
        },
        api=Api.model_validate(data.get("api", {})) if intact("api") else None,
        cost=Cost.model_validate(data.get("cost", {})) if intact("cost") else None,
    )


def _account_id_needed(data: dict[str, Any]) -> Iterable[Problem]:
    if data.get("target") == "aws" and "account_id" not in data:
        remedy = 'add it for target: aws, with 12 digits in quotes: account_id: "123456789012"'
        yield Problem(("account_id",), MISSING, remedy)


def neighbours(project: Project, environment: Environment) -> list[Environment]:
    """The other environments with the same account stack as `environment`: they share its state bucket.

    Raises:
        EnvironmentFileError: one of them has problems.
    """
    documents = {name: read(project, name) for name in names(project) if name != environment.name}
    shared = {name: document for name, document in documents.items() if _shares(document.data, environment)}
    for name in shared:
        check_name(name)
    return [_load(project, name, document) for name, document in shared.items()]


def _shares(data: Any, environment: Environment) -> bool:
    """Whether a file, which may have problems if it is for another account, has the same state bucket."""
    account_id, region = _at(data, "account_id") or LOCAL_ACCOUNT_ID, _at(data, "region")
    bucket = _at(data, "account", "state", "bucket")
    return _at(data, "target") == environment.target and environment.state_bucket == (
        bucket or state_bucket(str(_at(data, "name")), str(account_id), str(region))
    )


def _at(data: Any, *keys: str) -> Any:
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data
