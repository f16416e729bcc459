"""Results of the proof for each policy: superfluous parts, and the commands that need each statement."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support import proof
from tests.support.checkout import ROOT
from tests.support.deployers import HOLDERS, Deployers
from tests.support.proof import Decision, Document

# Written by `tests.tools.permissions`; the source of docs/reference/permissions.md.
FILE = ROOT / "tests" / "policies" / "iam" / "needed.json"
COMMAND = "run `python -m tests.tools.permissions`"

Needed = dict[str, dict[str, list[str]]]


def superfluous(deployers: Deployers, name: str) -> list[str]:
    """Return the parts of a policy whose removal denies none of its holders' requests."""
    found = proof.superfluous(
        name, deployers.document(name), beside(deployers, name), _asked(deployers, name)
    )
    return [str(part) for part in found]


def beside(deployers: Deployers, name: str) -> list[Document]:
    """Return the policies combined with a policy: an operator is also a viewer."""
    return [deployers.document("viewer")] if name == "operator" else []


def commands_by_statement(deployers: Deployers, name: str) -> dict[str, list[str]]:
    """Return the commands that need each statement of a policy."""
    found: dict[str, list[str]] = {}
    asked = _asked(deployers, name)
    for statement in deployers.document(name)["Statement"]:
        alone = {"Version": "2012-10-17", "Statement": [statement]}
        found[statement["Sid"]] = sorted({each.command for each in asked if proof.allows([alone], each)})
    return found


def stored(file: Path = FILE) -> Needed:
    """Return the stored results that the documentation shows."""
    return dict(json.loads(file.read_text(encoding="utf-8")))


def _asked(deployers: Deployers, name: str) -> list[Decision]:
    holder = next(holder for holder, held in HOLDERS.items() if held[-1] == name or name in held)
    holder = "viewer" if name == "viewer" else holder
    return [
        each
        for each in deployers.decisions
        if each.holder == holder and each.principal.endswith(f":user/{holder}")
    ]
