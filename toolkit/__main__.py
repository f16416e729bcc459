"""The program `toolkit`: runs a command, and turns what goes wrong into an exit code and a message."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

from toolkit import signals
from toolkit.errors import InterruptedByUserError, ToolkitError


def main() -> None:
    """Run the command line and exit."""
    signals.listen()
    _see_to_streams()
    try:
        from toolkit.cli.app import app

        app()
    except KeyboardInterrupt:
        sys.exit(InterruptedByUserError.exit_code)
    except Exception as error:  # noqa: BLE001 - the last place; what is not ours is raised again
        _finish(error)


def _see_to_streams() -> None:
    """Have something to write to, and have no character stop a command that is at work."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # it was closed by whoever started us
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 - until the end
    # As Python does for standard error: a terminal that has no arrows gets their numbers.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _finish(error: Exception) -> None:
    known = error if isinstance(error, ToolkitError) else _explain(error)
    if known is None:
        # A defect of ours: the traceback is what a report needs, so it is shown whole.
        raise error
    print(f"error: {known}", file=sys.stderr)  # noqa: T201 - no console may be left to print it
    if os.environ.get("TOOLKIT_TRACEBACK"):
        raise error
    sys.exit(known.exit_code)


def _explain(error: Exception) -> ToolkitError | None:
    if isinstance(error, OSError):
        from toolkit import os_errors

        explained = os_errors.explain(error)
        if explained is not None:
            return explained
    # Where boto3 was never imported, it raised nothing.
    if "botocore.exceptions" not in sys.modules:
        return None
    from toolkit.aws.errors import explain

    return explain(error)


if __name__ == "__main__":
    main()
