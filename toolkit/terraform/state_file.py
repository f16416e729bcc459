"""Read Terraform's state file directly.

Commands that only read outputs save the start of Terraform and its provider (one to two seconds).
Terraform 1.x and OpenTofu 1.x write the same format.
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
    """The state of a stack.

    Attributes:
        outputs: values of the stack's outputs, including sensitive ones; empty before the first apply.
        ids: IDs of the managed resources, by type.
        lineage: identity of the state; empty before the first apply.
        serial: version of the state, incremented by each change.
    """

    outputs: Mapping[str, Any] = field(default_factory=dict)
    ids: Mapping[str, frozenset[str]] = field(default_factory=dict)
    lineage: str = ""
    serial: int = 0


def document(content: bytes, where: str) -> dict[str, Any]:
    """Parse a state file, without interpreting it.

    Args:
        content: the state file.
        where: its address, for messages.

    Raises:
        TerraformError: its format is not supported.
    """
    try:
        state = json.loads(content)
    except ValueError:
        state = None
    if not isinstance(state, dict) or state.get("version") != FORMAT or not state.keys() >= _MEMBERS:
        raise TerraformError(
            f"cannot read the state: its format is not version {FORMAT}",
            where=where,
            remedy="if it is damaged, restore an earlier version from the bucket; encrypted states "
            "and those of other programs are not supported",
        )
    return state


def parse(content: bytes, where: str) -> State:
    """Parse a state file.

    Args:
        content: the state file.
        where: its address, for messages.

    Raises:
        TerraformError: its format is not supported.
    """
    state = document(content, where)
    ids: dict[str, set[str]] = {}
    for resource in state["resources"]:
        if resource["mode"] == "managed":
            type_ids = ids.setdefault(resource["type"], set())
            type_ids |= {str(instance["attributes"].get("id")) for instance in resource["instances"]}
    return State(
        outputs={name: output["value"] for name, output in state["outputs"].items()},
        ids={kind: frozenset(type_ids) for kind, type_ids in ids.items()},
        lineage=state["lineage"],
        serial=state["serial"],
    )
