"""Files of expectations: JSON Lines, one expectation a line, with the keys of its entry as defaults."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from toolkit import documents
from toolkit.environment import validation_errors
from toolkit.environment.checks import expectations
from toolkit.environment.document import Document
from toolkit.environment.environment import Environment
from toolkit.environment.expectations import Expectation
from toolkit.environment.model import Model
from toolkit.environment.problems import EnvironmentFileError, KeyPath, Problem
from toolkit.project import Project

_MAX_BYTES = 2**20


def expand(environment: Environment, project: Project, document: Document) -> None:
    """Replace the expectations that refer to a file by those in it.

    Raises:
        EnvironmentFileError: a file does not exist, or has problems.
    """
    for name, model in environment.models.items():
        if not any(expectation.prompts for expectation in model.expectations):
            continue
        expanded: list[Expectation] = []
        for index, entry in enumerate(model.expectations):
            path = ("models", name, "expectations", index, "prompts")
            expanded += (
                [entry] if entry.prompts is None else _read(environment, project, document, path, entry)
            )
        environment.models[name] = _checked(environment, document, name, expanded)


def _checked(environment: Environment, document: Document, name: str, expanded: list[Expectation]) -> Model:
    """The model with all of its expectations, which the checks have seen in part."""
    model = environment.models[name].model_copy(update={"expectations": tuple(expanded)})
    line = document.line(("models", name, "expectations"))
    # Their indexes are not those of the file.
    problems = [
        (
            line,
            Problem(
                ("models", name, "expectations"),
                f"{expanded[_index(problem)].name}: {problem.reason}",
                problem.remedy,
            ),
        )
        for problem in expectations.check(name, model)
    ]
    if problems:
        raise EnvironmentFileError(environment.file, problems)
    return model


def _index(problem: Problem) -> int:
    return int(problem.path[3])


def _read(
    environment: Environment, project: Project, document: Document, path: KeyPath, entry: Expectation
) -> list[Expectation]:
    file = project.root / str(entry.prompts)
    try:
        # `splitlines` would also split texts, at U+2028 for example.
        lines = documents.decode(documents.load(file), _MAX_BYTES).split("\n")
    except (OSError, documents.DamagedError) as error:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else error.reason
        problem = Problem(
            path, f"cannot read {entry.prompts}: {reason}", "correct the path, relative to the project"
        )
        raise EnvironmentFileError(environment.file, [(document.line(path), problem)]) from None
    defaults = entry.model_dump(exclude_unset=True, exclude={"prompts"})
    read, problems = [], list[tuple[int, Problem]]()
    for number, text in enumerate(lines, start=1):
        if text.strip():
            result = _expectation(text, {**defaults, "name": f"{entry.name} {number}"})
            if isinstance(result, Expectation):
                read.append(result)
            else:
                problems += [(number, problem) for problem in result]
    if not read and not problems:
        # The smoke test would pass without having asked anything.
        problem = Problem(
            path, f"{entry.prompts} has no expectation", "add a line to it, or remove the entry"
        )
        raise EnvironmentFileError(environment.file, [(document.line(path), problem)])
    if problems:
        raise EnvironmentFileError(project.relative(file), problems)
    return read


def _expectation(text: str, defaults: Mapping[str, Any]) -> Expectation | list[Problem]:
    """The expectation in a line, or its problems."""
    try:
        members = documents.parse(text, dict[str, Any])
    except documents.DamagedError as damage:
        return [Problem((), damage.reason, "write one JSON object a line")]
    members = _tuples(members)
    try:
        return Expectation.model_validate({**defaults, **members})
    except ValidationError as error:
        prefix: KeyPath = ("models", "", "expectations", 0)
        details = error.errors(include_url=False)
        for detail in details:
            detail["loc"] = (*prefix, *detail["loc"])
        sources = {(*prefix, *path): source for path, source in _sources((), members)}
        problems = validation_errors.problems(details, Document(sources=sources))
        return [Problem(problem.path[4:], problem.reason, problem.remedy) for problem in problems]


def _tuples(value: Any) -> Any:
    """As in a parsed environment file, lists are tuples."""
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _sources(path: KeyPath, value: Any) -> Iterator[tuple[KeyPath, str]]:
    """The text of each scalar, by key path."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, tuple) else ()
    for key, item in items:
        yield from _sources((*path, key), item)
    if not isinstance(value, dict | tuple):
        yield path, json.dumps(value, ensure_ascii=False)
