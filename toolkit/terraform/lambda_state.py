"""Update the Lambda code recorded in a state after `sync` uploaded code without Terraform.

Otherwise the next plan would upload the same code again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from toolkit.terraform import state_file


@dataclass(frozen=True)
class FunctionCode:
    """The code of a function.

    Attributes:
        filename: path of the package in the configuration.
        sha256: of the package, base64.
        size: of the package, bytes.
        last_modified: timestamp from Lambda.
    """

    filename: str
    sha256: str
    size: int
    last_modified: str

    def attributes(self) -> dict[str, object]:
        """The attributes of `aws_lambda_function` that describe code."""
        return {
            "filename": self.filename,
            "source_code_hash": self.sha256,
            "code_sha256": self.sha256,
            "source_code_size": self.size,
            "last_modified": self.last_modified,
        }


def digests(content: bytes, where: str) -> dict[str, str]:
    """The recorded code of each function by its name, SHA-256 in base64.

    Args:
        content: the state file.
        where: its address, for messages.

    Raises:
        TerraformError: the state's format is not supported.
    """
    return {
        str(attributes["function_name"]): str(attributes["code_sha256"])
        for attributes in _functions(state_file.document(content, where))
        if attributes.get("function_name") and attributes.get("code_sha256")
    }


def write(content: bytes, where: str, functions: Mapping[str, FunctionCode]) -> bytes | None:
    """Replace the code of functions in a state.

    Args:
        content: the state file.
        where: its address, for messages.
        functions: code by function name.

    Returns:
        The new state file; None if the state is up to date.

    Raises:
        TerraformError: the state's format is not supported.
    """
    state = state_file.document(content, where)
    changed = False
    for attributes in _functions(state):
        code = functions.get(attributes.get("function_name"))
        if code is not None and not code.attributes().items() <= attributes.items():
            attributes.update(code.attributes())
            changed = True
    if not changed:
        return None
    # This makes saved plans stale, as any other change does.
    state["serial"] += 1
    return (json.dumps(state, indent=2, ensure_ascii=False) + "\n").encode()


def _functions(state: state_file.Document) -> Iterator[Any]:
    """The attributes of each function; changes of them change the state."""
    for resource in state["resources"]:
        if (resource["mode"], resource["type"]) == ("managed", "aws_lambda_function"):
            for instance in resource["instances"]:
                yield instance.get("attributes") or {}
