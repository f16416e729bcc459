"""Terraform's command lines and their environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from toolkit.processes import environment_without_secrets
from toolkit.terraform.program import Program

# Variables of the user that would change a run without a trace in the project's files.
_NOT_INHERITED = ("TF_CLI_ARGS", "TF_VAR_")
_NOT_INHERITED_EXACTLY = {"TF_WORKSPACE", "TF_DATA_DIR", "TF_INPUT", "TF_CLI_CONFIG_FILE", "TERRAFORM_CONFIG"}


def build(
    program: Program, command: str, *arguments: str, flags: tuple[str, ...] = (), **options: Any
) -> list[str]:
    """Build a command line.

    Args:
        program: the Terraform program.
        command: "plan", "apply", …
        arguments: positional arguments, after the options.
        flags: options without a value, without the leading dash.
        options: options with a value, with underscores for dashes; None omits one.
    """
    from python_terraform import IsFlagged, Terraform

    # The constructor reads a state file in its working directory; /dev/null contains none.
    builder = Terraform(working_dir=os.devnull, terraform_bin_path=program.argv[0])
    line = builder.generate_cmd_string(command, *arguments, **dict.fromkeys(flags, IsFlagged), **options)
    return [*program.argv, *line[1:]]


def environment(*overlays: Mapping[str, str | None]) -> dict[str, str]:
    """The environment of a Terraform process.

    The user's environment without hidden inputs (TF_CLI_ARGS, TF_VAR_…, TF_WORKSPACE) and without secrets,
    except those for AWS and Terraform, then `overlays` in order; None removes a variable.
    """
    inherited: dict[str, str | None] = {
        name: value
        for name, value in environment_without_secrets("AWS_", "TF_TOKEN_").items()
        if not name.startswith(_NOT_INHERITED) and name not in _NOT_INHERITED_EXACTLY
    }
    # Without CHECKPOINT_DISABLE, each command asks HashiCorp for new versions.
    own = {"TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "CHECKPOINT_DISABLE": "1"}
    # Terraform and the AWS provider spend much of a short run on garbage collection of provider schemas.
    # A quarter as many collections save a sixth of the time and cost some 120 MB.
    merged: dict[str, str | None] = {"GOGC": "400", **inherited, **own}
    for overlay in overlays:
        merged.update(overlay)
    return {name: value for name, value in merged.items() if value is not None}
