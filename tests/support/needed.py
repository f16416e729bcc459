"""What the proof says of each policy: what is superfluous, and which commands need which statement."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support import proof
from tests.support.checkout import ROOT
from tests.support.deployers import HOLDERS, Deployers
from tests.support.proof import Decision, Document

# Written by `tests.tools.permissions`, and what docs/reference/permissions.md is made of.
FILE = ROOT / "tests" / "policies" / "iam" / "needed.json"
COMMAND = "run `python -m tests.tools.permissions`"

Needed = dict[str, dict[str, list[str]]]


def superfluous(deployers: Deployers, name: str) -> list[str]:
    """What can be left out of a policy, though its holders can do all that they did."""
    found = proof.superfluous(
        name, deployers.document(name), beside(deployers, name), _asked(deployers, name)
    )
    return [str(part) for part in found]


def beside(deployers: Deployers, name: str) -> list[Document]:
    """What a policy is held together with: an operator is a viewer, too."""
    return [deployers.document("viewer")] if name == "operator" else []


def commands_by_statement(deployers: Deployers, name: str) -> dict[str, list[str]]:
    """The commands that need each statement of a policy."""
    found: dict[str, list[str]] = {}
    asked = _asked(deployers, name)
    for statement in deployers.document(name)["Statement"]:
        alone = {"Version": "2012-10-17", "Statement": [statement]}
        found[statement["Sid"]] = sorted({each.command for each in asked if proof.allows([alone], each)})
    return found


def stored(file: Path = FILE) -> Needed:
    """What was found when the documentation was made."""
    return dict(json.loads(file.read_text(encoding="utf-8")))


def _asked(deployers: Deployers, name: str) -> list[Decision]:
    holder = next(holder for holder, held in HOLDERS.items() if held[-1] == name or name in held)
    holder = "viewer" if name == "viewer" else holder
    return [
        each
        for each in deployers.decisions
        if each.holder == holder and each.principal.endswith(f":user/{holder}")
    ]
