"""Work that is done again with each change of a file, and survives mistakes in between."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError
from watchfiles import watch

from toolkit import os_errors
from toolkit.aws.errors import explain
from toolkit.console import Console
from toolkit.errors import ToolkitError
from toolkit.packaging.sources import fingerprint

# An editor writes several files, or one in several steps: they count as one change.
_QUIET_MILLISECONDS = 50
# Where the system tells no changes (some network file systems), looking is all there is.
_LOOK_MILLISECONDS = 1000


def changes(directory: Path) -> Iterator[None]:
    """Yield at once, and then whenever a file of a folder has changed; ends never.

    Raises:
        KeyboardInterrupt: Ctrl-C.
    """
    known = fingerprint(directory)
    yield
    for _ in watch(
        directory, step=_QUIET_MILLISECONDS, rust_timeout=_LOOK_MILLISECONDS, yield_on_timeout=True
    ):
        # Compared, not believed: what changed before the watcher began is told by nobody.
        present = fingerprint(directory)
        if present != known:
            known = present
            yield


@contextmanager
def surviving(console: Console) -> Iterator[None]:
    """Say what goes wrong in the block, in place of ending the program."""
    try:
        yield
    except ToolkitError as error:
        console.line(f"error: {error}")
    except (BotoCoreError, ClientError) as error:
        console.line(f"error: {explain(error) or error}")
    except FileNotFoundError as error:
        # An editor's own file, seen and gone; that is a change, too, so the next look follows.
        console.line(f"error: {error.filename} was there a moment ago")
    except OSError as error:
        known = os_errors.explain(error)
        if known is None:
            raise
        console.line(f"error: {known}")
