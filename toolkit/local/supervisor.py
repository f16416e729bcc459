"""Runs one program, which must not outlive the parent process.

`toolkit.local.children` starts it as `python -I -S supervisor.py STATUS_FD PROGRAM ARGUMENT…`. It imports
little of the standard library, because each child process has its own supervisor.

Only the parent holds the other end of standard input. A byte on this pipe sends SIGTERM to the program; end
of file means that the parent is gone and kills the program's process group. No other mechanism works on every
Unix and survives `kill -9` of the parent. A fork of the supervisor, the guard, watches the supervisor in the
same way: if either is killed, even together with the parent, the other one kills the program.

The supervisor writes lines to STATUS_FD: `started PID` or `failed ERRNO`, then `exited CODE`, where a
negative code is a signal, as in `subprocess`.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys

# Python changes the handlers of these signals; the program starts with the defaults.
_DEFAULT_SIGNALS = (signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Run the program to its end, or to the end of standard input."""
    status, argv = int(sys.argv[1]), sys.argv[2:]
    os.set_inheritable(status, False)
    wakeup = _catch_signals()
    try:
        pid = os.posix_spawnp(
            argv[0],
            argv,
            os.environ,
            file_actions=[(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)],
            setpgroup=0,
            setsigdef=_DEFAULT_SIGNALS,
        )
    except OSError as error:
        _report(status, f"failed {error.errno}")
        return 1
    # The output pipe must close when the program exits, not when its supervisor does.
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    guarded = _guard(pid, status)
    _report(status, f"started {pid}")
    code = _supervise(pid, wakeup)
    # Another program may soon get its process id.
    _write(guarded, b"\n")
    _report(status, f"exited {code}")
    return 0


def _guard(pid: int, status: int) -> int:
    """Fork the guard. It kills the program's group if the returned descriptor closes without a byte."""
    readable, writable = os.pipe()
    go_between = os.fork()
    if go_between:
        os.close(readable)
        os.waitpid(go_between, 0)
        return writable
    # Leave the supervisor's group and descendants, which may be killed together, and close the descriptors on
    # which others wait for end of file.
    os.setsid()
    if os.fork():
        os._exit(0)
    signal.set_wakeup_fd(-1)
    for descriptor in (writable, status, 0):
        os.close(descriptor)
    if not os.read(readable, 1):
        _signal_group(pid, signal.SIGKILL)
    os._exit(0)


def _catch_signals() -> int:
    """Return a descriptor that is readable when the program exits or the supervisor gets a signal."""
    readable, writable = os.pipe()
    os.set_blocking(readable, False)
    os.set_blocking(writable, False)
    signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    return readable


def _supervise(pid: int, wakeup: int) -> int:
    while True:
        ready, _, _ = select.select([0, wakeup], [], [])
        if wakeup in ready and set(os.read(wakeup, 64)) - {signal.SIGCHLD}:
            # A signal to the supervisor ends the program too.
            _signal_group(pid, signal.SIGKILL)
        done, code = os.waitpid(pid, os.WNOHANG)
        if not done and 0 in ready:
            if os.read(0, 1):
                _signal_group(pid, signal.SIGTERM)
                continue
            _signal_group(pid, signal.SIGKILL)
            done, code = os.waitpid(pid, 0)
        if done:
            # Kill what is left of its group.
            _signal_group(pid, signal.SIGKILL)
            return os.waitstatus_to_exitcode(code)


def _signal_group(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        # The group is empty; macOS reports "not permitted" if only zombies are left.
        return


def _report(status: int, line: str) -> None:
    _write(status, f"{line}\n".encode())


def _write(descriptor: int, data: bytes) -> None:
    """Write to a pipe whose reader may be gone."""
    with contextlib.suppress(BrokenPipeError):
        os.write(descriptor, data)


if __name__ == "__main__":
    sys.exit(main())
