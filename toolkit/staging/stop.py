"""Ending work that goes on in several threads, each at its next step."""

from __future__ import annotations

import threading


class Stopped(BaseException):
    """Raised in a thread that is to end.

    Not an Exception: what is raised while a request's body is read would otherwise count as a failed
    connection, and be repeated.
    """


class Stop:
    """Asked by threads that work, told by the one that waits for them."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        """Have all threads end."""
        self._event.set()

    def check(self) -> None:
        """Raise Stopped if the thread is to end."""
        if self._event.is_set():
            raise Stopped

    def wait(self, seconds: float) -> None:
        """Let time pass, but end at once if the thread is to end."""
        self._event.wait(seconds)
        self.check()
