"""Parses AWS's "not authorized" messages and names the policy that grants the missing action."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from toolkit.iam.documents import NAMES
from toolkit.project import Project

_DENIAL = re.compile(
    r"User: (?P<who>\S+) is not authorized to perform: (?P<action>[\w-]+:\w+)"
    r"(?: on resource: \"?(?P<resource>[^\s\"]+)\"?)?(?P<reason>[^\n]*)"
)
_INCLUDE = re.compile(r'{% include "([^"]+)" %}')
_ACTION = re.compile(r'"([a-z0-9-]+:[A-Za-z*]+)"')


@dataclass(frozen=True)
class Denial:
    """A denied request.

    Attributes:
        principal: ARN of the caller.
        action: such as `sagemaker:CreateEndpoint`.
        resource: its ARN, or `*`.
        explicit: whether a Deny statement matched, which no further Allow overrides.
    """

    principal: str
    action: str
    resource: str
    explicit: bool

    def __str__(self) -> str:
        target = "" if self.resource == "*" else f" on {self.resource}"
        return f"{self.principal.rpartition(':')[2]} is not allowed to call {self.action}{target}"


def find(message: str) -> list[Denial]:
    """The distinct denials in an error message from AWS."""
    denials = (
        Denial(
            match["who"],
            match["action"],
            match["resource"] or "*",
            "explicit deny" in match["reason"],
        )
        for match in _DENIAL.finditer(message)
    )
    return list(dict.fromkeys(denials))


def remedy(project: Project, denials: Iterable[Denial]) -> str:
    """Return the permission to ask an administrator for."""
    denials = list(denials)
    if any(denial.explicit for denial in denials):
        return (
            "ask an administrator of the account to change the Deny statement: no other policy overrides it"
        )
    if not all(denial.principal.startswith("arn:") for denial in denials):
        return "ask an administrator of the account to add the service to the role's trust policy"
    policies = list(dict.fromkeys(name for denial in denials for name in granted_by(project, denial.action)))
    if not policies:
        return "ask an administrator of the account to do this, or to run `toolkit bootstrap`"
    return (
        f"ask an administrator for the environment's policy {' or '.join(policies)}, which covers resources "
        f"with its name prefix and tags; `toolkit iam show --env ENV {policies[0]}` prints it"
    )


def granted_by(project: Project, action: str) -> list[str]:
    """Names of the deployers' policies that grant an action in any environment.

    Args:
        project: the checkout.
        action: such as `sagemaker:CreateEndpoint`.
    """
    return [
        name
        for name, patterns in _granted_actions(project).items()
        if any(fnmatch.fnmatchcase(action.lower(), pattern.lower()) for pattern in patterns)
    ]


def _granted_actions(project: Project) -> Mapping[str, list[str]]:
    templates = project.code / "policies" / "iam"

    def source(file: str) -> str:
        text = (templates / file).read_text(encoding="utf-8")
        return _INCLUDE.sub(lambda match: source(match[1]), text)

    return {name: _ACTION.findall(source(f"{name}.json.jinja")) for name in NAMES}
