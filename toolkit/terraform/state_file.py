"""Read Terraform's state file directly.

Commands that only read outputs save the start of Terraform and its provider (one to two seconds).
Terraform 1.x and OpenTofu 1.x write the same format.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field

from toolkit import documents
from toolkit.errors import TerraformError


class Attributes(documents.OpenDict, total=False):
    """The attributes of an instance; these are of the AWS provider."""

    id: str | None
    tags_all: dict[str, str] | None
    function_name: str | None


class Instance(documents.OpenDict, total=False):
    """An instance of a resource; those of old providers have no `attributes`."""

    attributes: Attributes | None


class Resource(documents.OpenDict):
    """A resource or data source."""

    mode: str
    type: str
    instances: list[Instance]


class Output(documents.OpenDict):
    """A value of the root module."""

    value: Any


class Document(documents.OpenDict):
    """The content of a state file."""

    version: Literal[4]
    serial: Annotated[int, Field(ge=0, lt=2**64)]
    lineage: str
    outputs: dict[str, Output]
    resources: list[Resource]


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


def document(content: bytes, where: str) -> Document:
    """Parse a state file, without interpreting it.

    Args:
        content: the state file.
        where: its address, for messages.

    Raises:
        TerraformError: it is damaged, or its format is not supported.
    """
    return documents.read(content, Document, damaged(where))


def damaged(where: str) -> TerraformError:
    """The error for a state that cannot be read."""
    return TerraformError(
        "cannot read the state: it is damaged, or its format is not version 4",
        where=where,
        remedy="if it is damaged, restore an earlier version with `toolkit state push` "
        "(docs/how-to/restore.md); encrypted states and those of other programs are not supported",
    )


def parse(content: bytes, where: str) -> State:
    """Parse a state file.

    Args:
        content: the state file.
        where: its address, for messages.

    Raises:
        TerraformError: it is damaged, or its format is not supported.
    """
    state = document(content, where)
    ids: dict[str, set[str]] = {}
    for resource in state["resources"]:
        if resource["mode"] == "managed":
            items = [instance.get("attributes") for instance in resource["instances"]]
            item_ids = [str(item.get("id") if item else None) for item in items]
            ids.setdefault(resource["type"], set()).update(item_ids)
    return State(
        outputs={name: output["value"] for name, output in state["outputs"].items()},
        ids={kind: frozenset(type_ids) for kind, type_ids in ids.items()},
        lineage=state["lineage"],
        serial=state["serial"],
    )
