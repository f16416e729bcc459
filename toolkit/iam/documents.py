"""The IAM policies of an environment, as JSON documents.

`toolkit iam show` prints them and `stacks/account` creates them.
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

# A change of a description makes Terraform replace the policy.
DESCRIPTIONS: Mapping[str, str] = {
    "sagemaker-deployer": "Deploy the SageMaker endpoints of {prefix}, their scaling, alarms and weights",
    "api-deployer": "Deploy the API of {prefix}, its functions, their roles and its keys",
    "planner": "Plan {prefix} without reading its API keys and logs, change nothing",
    "smoke-tester": "Test {prefix} with a given API key, reading no other, change nothing",
    "viewer": "Plan, look at and test {prefix}, change nothing",
    "operator": "With viewer: keys, code, pause, resume and rollback of {prefix}",
    "function-boundary": "The most that the functions of {prefix} may ever be allowed",
}
BOUNDARY = "function-boundary"
# The policies of people and pipelines.
NAMES = tuple(name for name in DESCRIPTIONS if name != BOUNDARY)
# IAM's limit for a managed policy, not counting white space.
MAX_CHARACTERS = 6144


@dataclass(frozen=True)
class Document:
    """A managed policy.

    Attributes:
        name: name in the toolkit, such as `viewer`; `viewer-2` is the second part of a large policy.
        policy_name: name in IAM, `<prefix>-<name>`.
        description: its purpose.
        statements: the document's statements.
    """

    name: str
    policy_name: str
    description: str
    statements: tuple[Mapping[str, Any], ...]

    @property
    def content(self) -> dict[str, Any]:
        """The policy document."""
        return {"Version": "2012-10-17", "Statement": [dict(statement) for statement in self.statements]}

    @property
    def characters(self) -> int:
        """Number of characters, as IAM counts them."""
        return len("".join(json.dumps(self.content).split()))

    def json(self) -> str:
        """The document as indented JSON."""
        return json.dumps(self.content, indent=2)


def document(project: Project, environment: Environment, name: str) -> list[Document]:
    """Render one policy of an environment: one document, or several if it exceeds IAM's limit.

    Args:
        project: the checkout.
        environment: the environment.
        name: one of `NAMES`, or `BOUNDARY`.

    Raises:
        InputError: there is no such policy, or a single statement exceeds the limit.
    """
    if name not in DESCRIPTIONS:
        raise InputError(f"no such policy: {name}", remedy=f"choose one of {', '.join(DESCRIPTIONS)}")
    template = _templates(project.code / "policies" / "iam").get_template(f"{name}.json.jinja")
    content = json.loads(template.render(template_variables(environment)))
    description = DESCRIPTIONS[name].format(prefix=environment.prefix)
    parts: list[Document] = []
    for statement in content["Statement"]:
        extended = replace(parts[-1], statements=(*parts[-1].statements, statement)) if parts else None
        if extended is not None and extended.characters <= MAX_CHARACTERS:
            parts[-1] = extended
            continue
        part = f"{name}-{len(parts) + 1}" if parts else name
        parts.append(Document(part, f"{environment.prefix}-{part}", description, (statement,)))
        if parts[-1].characters > MAX_CHARACTERS:
            raise InputError(
                f"cannot render policy {name}: statement {statement['Sid']} exceeds IAM's limit of "
                f"{MAX_CHARACTERS} characters",
                where=environment.file,
                remedy="use fewer keys, or split the models over several environments",
            )
    return parts


def documents(project: Project, environments: Iterable[Environment]) -> list[Document]:
    """Render all policies of these environments, including the functions' permissions boundaries.

    Raises:
        InputError: a single statement exceeds IAM's limit.
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
        # Renders every value as a JSON literal, so that none has to be escaped.
        finalize=json.dumps,
        autoescape=False,  # noqa: S701 - that would escape for HTML
        trim_blocks=True,
        lstrip_blocks=True,
    )
