"""What AWS says when something is not allowed, read for people: who, what, and which policy has it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from toolkit.permissions.grants import granted_by
from toolkit.project import Project

_DENIAL = re.compile(
    r"User: (?P<who>\S+) is not authorized to perform: (?P<action>[\w-]+:\w+)"
    r"(?: on resource: \"?(?P<resource>[^\s\"]+)\"?)?(?P<reason>[^\n]*)"
)


@dataclass(frozen=True)
class Denial:
    """Something that was not allowed.

    Attributes:
        who: ARN of the caller.
        action: such as `sagemaker:CreateEndpoint`.
        resource: its ARN, or `*`.
        explicit: whether a statement denies it; then no further policy can allow it.
    """

    who: str
    action: str
    resource: str
    explicit: bool

    def __str__(self) -> str:
        where = "" if self.resource == "*" else f" on {self.resource}"
        return f"{self.who.rpartition(':')[2]} may not {self.action}{where}"


def find(text: str) -> list[Denial]:
    """The denials in a text of AWS's, each once."""
    found = (
        Denial(
            match["who"],
            match["action"],
            match["resource"] or "*",
            "explicit deny" in match["reason"],
        )
        for match in _DENIAL.finditer(text)
    )
    return list(dict.fromkeys(found))


def remedy(project: Project, denials: Iterable[Denial]) -> str:
    """What to ask for."""
    denials = list(denials)
    if any(denial.explicit for denial in denials):
        return "a statement denies it, whatever else allows it: ask an administrator of the account"
    if not all(denial.who.startswith("arn:") for denial in denials):
        return "a role does not trust that service: its trust policy is an administrator's to correct"
    names = [name for denial in denials for name in granted_by(project, denial.action)]
    if not names:
        return "that is for administrators of the account: ask one, or for `toolkit bootstrap`"
    asked = " or ".join(dict.fromkeys(names))
    return (
        f"ask an administrator for the environment's policy {asked}, for what has its name and tags: "
        f"`toolkit policy iam --env ENV {names[0]}` prints it"
    )
