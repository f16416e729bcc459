"""Work in several threads that can be cancelled, and that never delays the end of the program."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Cancelled(BaseException):
    """Raised in a worker thread after cancellation.

    Not an Exception: botocore takes exceptions raised while it reads a request's body for connection errors
    and retries the request.
    """


class CancelToken:
    """Shared by the main thread, which cancels, and its workers, which check."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Cancel the work of all threads that share this token."""
        self._event.set()

    def check(self) -> None:
        """Raise Cancelled after cancellation."""
        if self._event.is_set():
            raise Cancelled

    def wait(self, seconds: float) -> None:
        """Sleep, and raise Cancelled at once on cancellation."""
        self._event.wait(seconds)
        self.check()


class DaemonThreads(Executor):
    """An executor with daemon threads, which end with the program.

    A program with a ThreadPoolExecutor exits only after all its threads, and a thread that waits for a dead
    connection does so for minutes after Ctrl-C. Leaving the `with` block does not wait either: ask the
    futures for their results.

    Args:
        count: number of threads.
        name: prefix of their names.
    """

    def __init__(self, count: int, name: str) -> None:
        self._tasks: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._count = count
        for number in range(count):
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True).start()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        self._tasks.put((future, partial(fn, *args, **kwargs)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002
        for _ in range(self._count):
            self._tasks.put(None)

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            future, call = task
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = call()
            except BaseException as error:  # noqa: BLE001 - re-raised by Future.result
                future.set_exception(error)
            else:
                future.set_result(result)
