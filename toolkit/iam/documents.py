"""The policies of one environment as JSON documents.

`toolkit iam show` prints them and `stacks/account` creates them: both from here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment as Templates
from jinja2 import FileSystemLoader, StrictUndefined

from toolkit.environment import Environment
from toolkit.errors import InputError
from toolkit.iam.template_variables import template_variables
from toolkit.project import Project

# What each is for, in the order in which people get to know them.
DESCRIPTIONS: Mapping[str, str] = {
    "sagemaker-deployer": "Deploy the SageMaker endpoints of {prefix}, their scaling, alarms and weights",
    "api-deployer": "Deploy the API of {prefix}, its functions, their roles and its keys",
    "viewer": "Plan, look at and test {prefix}, change nothing",
    "operator": "With viewer: keys, code, pause, resume and rollback of {prefix}",
    "function-boundary": "The most that the functions of {prefix} may ever be allowed",
}
BOUNDARY = "function-boundary"
# Those that people and pipelines hold.
NAMES = tuple(name for name in DESCRIPTIONS if name != BOUNDARY)
# IAM counts a managed policy's characters without white space.
MAX_CHARACTERS = 6144


@dataclass(frozen=True)
class Document:
    """A managed policy.

    Attributes:
        name: what the toolkit calls it, such as `viewer`; `viewer-2` is the second part of a large one.
        policy_name: its name in IAM, `<prefix>-<name>`.
        description: what it is for.
        statements: the document's statements.
    """

    name: str
    policy_name: str
    description: str
    statements: tuple[Mapping[str, Any], ...]

    @property
    def content(self) -> dict[str, Any]:
        """The policy document."""
        return {"Version": "2012-10-17", "Statement": [dict(each) for each in self.statements]}

    @property
    def characters(self) -> int:
        """Its size as IAM counts it."""
        return len("".join(json.dumps(self.content).split()))

    def json(self) -> str:
        """The document for people."""
        return json.dumps(self.content, indent=2)


def document(project: Project, environment: Environment, name: str) -> list[Document]:
    """One policy of an environment: one document, or several if it is too large for IAM.

    Args:
        project: the checkout.
        environment: the environment.
        name: one of `NAMES`, or `BOUNDARY`.

    Raises:
        InputError: there is no such policy, or one statement alone is too large.
    """
    if name not in DESCRIPTIONS:
        raise InputError(f"there is no policy {name}", remedy=f"there are: {', '.join(DESCRIPTIONS)}")
    template = _templates(project.root / "policies" / "iam").get_template(f"{name}.json.jinja")
    content = json.loads(template.render(template_variables(environment)))
    description = DESCRIPTIONS[name].format(prefix=environment.prefix)
    parts: list[Document] = []
    for statement in content["Statement"]:
        grown = replace(parts[-1], statements=(*parts[-1].statements, statement)) if parts else None
        if grown is not None and grown.characters <= MAX_CHARACTERS:
            parts[-1] = grown
            continue
        part = f"{name}-{len(parts) + 1}" if parts else name
        parts.append(Document(part, f"{environment.prefix}-{part}", description, (statement,)))
        if parts[-1].characters > MAX_CHARACTERS:
            raise InputError(
                f"the statement {statement['Sid']} of the policy {name} alone has more than the "
                f"{MAX_CHARACTERS} characters that IAM allows",
                where=environment.file,
                remedy="use fewer keys, or split the models over several environments",
            )
    return parts


def documents(project: Project, environments: Iterable[Environment]) -> list[Document]:
    """All policies of these environments, the functions' boundaries too.

    Raises:
        InputError: a statement is too large for IAM.
    """
    return [
        part
        for environment in environments
        for name in DESCRIPTIONS
        for part in document(project, environment, name)
    ]


@cache
def _templates(directory: Path) -> Templates:
    return Templates(
        loader=FileSystemLoader(directory),
        undefined=StrictUndefined,
        # Every value becomes a JSON literal: nobody can forget to escape one.
        finalize=json.dumps,
        autoescape=False,  # noqa: S701 - that would escape for HTML
        trim_blocks=True,
        lstrip_blocks=True,
    )
