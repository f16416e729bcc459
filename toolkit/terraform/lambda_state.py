"""Update the Lambda code recorded in a state after `sync` uploaded code without Terraform.

Otherwise the next plan would upload the same code again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
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
    for resource in state["resources"]:
        if (resource["mode"], resource["type"]) != ("managed", "aws_lambda_function"):
            continue
        for instance in resource["instances"]:
            attributes: Any = instance.get("attributes") or {}
            code = functions.get(attributes.get("function_name"))
            if code is not None and not code.attributes().items() <= attributes.items():
                attributes.update(code.attributes())
                changed = True
    if not changed:
        return None
    # This makes saved plans stale, as any other change does.
    state["serial"] += 1
    return (json.dumps(state, indent=2, ensure_ascii=False) + "\n").encode()
