"""What a state says of a Lambda function's code, brought up to date when it was changed otherwise.

Without that, the next plan would upload the same code once more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from toolkit.terraform import state_file


@dataclass(frozen=True)
class FunctionCode:
    """The code that a function runs.

    Attributes:
        filename: path of the package, as the configuration names it.
        sha256: of the package, base64.
        size: of the package in bytes.
        last_modified: as Lambda says it.
    """

    filename: str
    sha256: str
    size: int
    last_modified: str

    def attributes(self) -> dict[str, object]:
        """The attributes of `aws_lambda_function` that are about code."""
        return {
            "filename": self.filename,
            "source_code_hash": self.sha256,
            "code_sha256": self.sha256,
            "source_code_size": self.size,
            "last_modified": self.last_modified,
        }


def write(content: bytes, where: str, functions: Mapping[str, FunctionCode]) -> bytes | None:
    """A state in which functions have other code.

    Args:
        content: the state file.
        where: its address, for messages.
        functions: code by function name.

    Returns:
        The new state file; None if the state says all of that already.

    Raises:
        TerraformError: the state is not in the format known here.
    """
    state = state_file.document(content, where)
    changed = False
    for resource in state["resources"]:
        if (resource["mode"], resource["type"]) != ("managed", "aws_lambda_function"):
            continue
        for instance in resource["instances"]:
            attributes = instance["attributes"]
            code = functions.get(attributes["function_name"])
            if code is not None and not code.attributes().items() <= attributes.items():
                attributes.update(code.attributes())
                changed = True
    if not changed:
        return None
    # A plan that was saved before is stale now, as after any other change.
    state["serial"] += 1
    return (json.dumps(state, indent=2, ensure_ascii=False) + "\n").encode()
