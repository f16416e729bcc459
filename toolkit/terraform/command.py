"""Terraform's command lines and the environment they run in."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from toolkit.terraform.program import Program

# The user's variables that would change what a run does without a trace in the project's files.
_NOT_INHERITED = ("TF_CLI_ARGS", "TF_VAR_")
_NOT_INHERITED_EXACTLY = {"TF_WORKSPACE", "TF_DATA_DIR", "TF_INPUT", "TF_CLI_CONFIG_FILE", "TERRAFORM_CONFIG"}


def build(
    program: Program, command: str, *arguments: str, flags: tuple[str, ...] = (), **options: Any
) -> list[str]:
    """A command line.

    Args:
        program: what to run.
        command: "plan", "apply", …
        arguments: what follows the options.
        flags: options without a value, without their dash.
        options: options with a value, underscores for dashes; None leaves one out.
    """
    from python_terraform import IsFlagged, Terraform

    # Its constructor reads a state file in the folder it is given; this name cannot be one.
    builder = Terraform(working_dir=os.devnull, terraform_bin_path=program.argv[0])
    line = builder.generate_cmd_string(command, *arguments, **dict.fromkeys(flags, IsFlagged), **options)
    return [*program.argv, *line[1:]]


def environment(*overlays: Mapping[str, str | None]) -> dict[str, str]:
    """The environment of a Terraform process.

    The user's own, without what would secretly change the outcome (arguments, variables and workspace from
    the environment); then `overlays` in order, where None takes a variable away.
    """
    inherited: dict[str, str | None] = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_NOT_INHERITED) and name not in _NOT_INHERITED_EXACTLY
    }
    # Terraform would ask its makers for news of itself and of security, on every command.
    own = {"TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "CHECKPOINT_DISABLE": "1"}
    # Terraform and the AWS provider spend a good part of a short run collecting garbage from their own
    # schemas; doing it half as often saves about an eighth of it and costs some 120 MB.
    merged: dict[str, str | None] = {"GOGC": "200", **inherited, **own}
    for overlay in overlays:
        merged.update(overlay)
    return {name: value for name, value in merged.items() if value is not None}
