"""Runs one program and makes sure that it does not outlive whoever asked for it.

Started by `toolkit.local.children` as `python -I -S supervisor.py STATUS_FD PROGRAM ARGUMENT…`; the
standard library only, and little of it, because there is one of these beside every child process.

Standard input is a pipe that only the parent holds open. A byte on it passes on a polite request to
end (SIGTERM); its end means that the parent is gone, however it died, and kills the program's whole
process group. Nothing else than such a pipe works on every Unix and survives `kill -9` of the parent.
A fork of the supervisor waits in the same way for the supervisor's own end: whichever is killed, also
together with the parent, the other one sees to the program.

On STATUS_FD the parent reads, one line each: `started PID`, or `failed ERRNO`; then `exited CODE`,
where a negative code is a signal, as in `subprocess`.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys

# Python ignores or catches these; the program must start with the defaults.
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
    # The program's output must end when the program does, not when its supervisor does.
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    guarded = _guard(pid, status)
    _report(status, f"started {pid}")
    code = _supervise(pid, wakeup)
    # Its process id may soon be another program's.
    _write(guarded, b"\n")
    _report(status, f"exited {code}")
    return 0


def _guard(pid: int, status: int) -> int:
    """Fork a guard, which kills the program's group if what this returns is closed before it gets a byte."""
    readable, writable = os.pipe()
    go_between = os.fork()
    if go_between:
        os.close(readable)
        os.waitpid(go_between, 0)
        return writable
    # Neither in the group nor among the descendants of the supervisor, for whoever kills it with those, and
    # with nothing open that others wait for the end of.
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
    """A file descriptor that becomes readable when the program ends or someone signals the supervisor."""
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
            # Somebody ends the supervisor by hand: the program ends with it.
            _signal_group(pid, signal.SIGKILL)
        done, code = os.waitpid(pid, os.WNOHANG)
        if not done and 0 in ready:
            if os.read(0, 1):
                _signal_group(pid, signal.SIGTERM)
                continue
            _signal_group(pid, signal.SIGKILL)
            done, code = os.waitpid(pid, 0)
        if done:
            # What the program left behind in its group ends with it.
            _signal_group(pid, signal.SIGKILL)
            return os.waitstatus_to_exitcode(code)


def _signal_group(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        # No one is left in the group; macOS says "not permitted" when only the dead are.
        return


def _report(status: int, line: str) -> None:
    # If the parent is gone, the end of standard input says so too.
    _write(status, f"{line}\n".encode())


def _write(descriptor: int, data: bytes) -> None:
    """Write to a pipe that perhaps nobody reads any more."""
    with contextlib.suppress(BrokenPipeError):
        os.write(descriptor, data)


if __name__ == "__main__":
    sys.exit(main())
