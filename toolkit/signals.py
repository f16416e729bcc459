"""Stop on Ctrl-C, on a build server's signals, and when the terminal closes."""

from __future__ import annotations

import signal
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _SignalHandler:
    """Raises KeyboardInterrupt, so that locks are released and files are cleaned up.

    Its argument is the signal: a chat continues after Ctrl-C, but not after a build server's signal.
    """

    def __init__(self) -> None:
        self._seen: set[int] = set()

    def __call__(self, signum: int, _frame: FrameType | None) -> None:
        # Build servers send SIGINT and soon SIGTERM, which must not interrupt the clean-up of the first.
        again, self._seen = signum in self._seen, self._seen | {signum}
        if again or len(self._seen) == 1:
            raise KeyboardInterrupt(signum)


def listen() -> None:
    """Install the handler, except for signals that the parent process ignores."""
    handler = _SignalHandler()
    for signum in SIGNALS:
        if signal.getsignal(signum) is not signal.SIG_IGN:
            signal.signal(signum, handler)
