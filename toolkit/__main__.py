"""The program `toolkit`: runs a command, and turns errors into a message and an exit code."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from toolkit import processes, signals
from toolkit.console import printable
from toolkit.errors import InterruptedByUserError, ToolkitError


def main() -> None:
    """Run the command line and exit."""
    # Imports and documents create hardly any garbage, and searching it takes a sixth of a command's own time.
    gc.set_threshold(100_000)
    signals.listen()
    _configure_stdio()
    try:
        from toolkit.cli.app import app

        app()
    except KeyboardInterrupt:
        sys.exit(InterruptedByUserError.exit_code)
    except SystemExit as stop:
        # Typer exits with 1 if the reader of a pipe is gone; shells report 128 + SIGPIPE.
        sys.exit(128 + signal.SIGPIPE if isinstance(stop.__context__, BrokenPipeError) else stop.code)
    except Exception as error:  # noqa: BLE001 - the top level; unknown errors are raised again
        _exit_with_error(error)


class _StandardOutput(io.TextIOWrapper):
    """Names itself in errors, so that a full disk is not sought among the folders of the toolkit.

    The layers below are Python's own: a signal between two steps of theirs would write data twice.
    """

    failed = False

    def write(self, text: str, /) -> int:
        with self._naming():
            return len(text) if self.failed else super().write(text)

    def flush(self) -> None:
        # Python flushes at exit, too, and would replace the exit code.
        if not self.failed:
            with self._naming():
                super().flush()

    @contextmanager
    def _naming(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.failed = True
            error.filename = "standard output"
            raise


def _configure_stdio() -> None:
    """Make sure that there are streams, and that no character fails a command in progress."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # the parent process closed it
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 - until the end
    # As Python does for standard error: escape characters that the terminal cannot show.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout = _StandardOutput(
            io.BufferedWriter(io.FileIO(sys.stdout.fileno(), "w", closefd=False)),
            encoding=sys.stdout.encoding,
            errors="backslashreplace",
            line_buffering=sys.stdout.line_buffering,
        )


def _print_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print the traceback of a bug; like any message, it must not control the terminal."""
    import traceback

    sys.stderr.write(printable("".join(traceback.format_exception(kind, error, trace))))


def _exit_with_error(error: Exception) -> None:
    sys.excepthook = _print_traceback
    explained = error if isinstance(error, ToolkitError) else _explain(error)
    if explained is None:
        # A bug: a report needs the whole traceback.
        raise error
    # On a full disk, the exit code is all that is left.
    with contextlib.suppress(OSError):
        print(printable(f"error: {explained}"), file=sys.stderr)  # noqa: T201 - there may be no console
    if processes.is_set("TOOLKIT_TRACEBACK"):
        raise error
    sys.exit(explained.exit_code)


def _explain(error: Exception) -> ToolkitError | None:
    if isinstance(error, OSError):
        from toolkit import os_errors

        explained = os_errors.explain(error)
        if explained is not None:
            return explained
    # If boto3 is not imported, it raised nothing.
    if "botocore.exceptions" not in sys.modules:
        return None
    from toolkit.aws.errors import explain

    return explain(error)


if __name__ == "__main__":
    main()
