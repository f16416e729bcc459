"""Terraform's state as it lies in its bucket, for questions that need neither Terraform nor a provider.

Whoever only reads what was deployed is spared their start (one to two seconds) and the backend's settings.
The format is the one that every Terraform 1.x and OpenTofu 1.x writes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from toolkit.errors import TerraformError

FORMAT = 4
_MEMBERS = {"serial", "lineage", "outputs", "resources"}


@dataclass(frozen=True)
class State:
    """What a stack's last apply left in its state.

    Attributes:
        outputs: values of the stack's outputs, sensitive ones too; empty before the first apply.
        ids: ids of the managed resources, by type.
        lineage: which state it is; empty before the first apply.
        serial: which version of it; each change counts up.
    """

    outputs: Mapping[str, Any] = field(default_factory=dict)
    ids: Mapping[str, frozenset[str]] = field(default_factory=dict)
    lineage: str = ""
    serial: int = 0


def document(content: bytes, where: str) -> dict[str, Any]:
    """A state as it is written.

    Args:
        content: the state file.
        where: its address, for messages.

    Raises:
        TerraformError: it is not in the format known here.
    """
    try:
        state = json.loads(content)
    except ValueError:
        state = None
    if not isinstance(state, dict) or state.get("version") != FORMAT or not state.keys() >= _MEMBERS:
        raise TerraformError(
            f"the state is not in format {FORMAT}, which is the one known here",
            where=where,
            remedy="a state that is encrypted, or written by another program, can't be read; in place of one "
            "that is damaged, restore an earlier version: the bucket keeps them",
        )
    return state


def parse(content: bytes, where: str) -> State:
    """Read a state.

    Args:
        content: the state file.
        where: its address, for messages.

    Raises:
        TerraformError: it is not in the format known here.
    """
    state = document(content, where)
    ids: dict[str, set[str]] = {}
    for resource in state["resources"]:
        if resource["mode"] == "managed":
            known = ids.setdefault(resource["type"], set())
            known |= {str(instance["attributes"].get("id")) for instance in resource["instances"]}
    return State(
        outputs={name: output["value"] for name, output in state["outputs"].items()},
        ids={kind: frozenset(known) for kind, known in ids.items()},
        lineage=state["lineage"],
        serial=state["serial"],
    )
