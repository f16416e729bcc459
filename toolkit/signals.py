"""Being asked to stop: by Ctrl-C, by a build server, by a terminal that closes."""

from __future__ import annotations

import signal
from types import FrameType

ASKING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Asked:
    """Ends what is at work as Ctrl-C does, so that locks are released and files put away on the way out."""

    def __init__(self) -> None:
        self._seen: set[int] = set()

    def __call__(self, signum: int, _frame: FrameType | None) -> None:
        # A build server that sends SIGINT and soon SIGTERM must not cut off what the first has begun.
        again, self._seen = signum in self._seen, self._seen | {signum}
        if again or len(self._seen) == 1:
            raise KeyboardInterrupt


def listen() -> None:
    """From now on, all of them raise KeyboardInterrupt, but those that whoever started us wants ignored."""
    asked = _Asked()
    for signum in ASKING:
        if signal.getsignal(signum) is not signal.SIG_IGN:
            signal.signal(signum, asked)
