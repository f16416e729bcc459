"""Start, find, ask and stop the embedded cloud of a checkout.

Standard library only, and not even `asyncio`, as long as all is well: every command of a local environment
passes here.
"""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from toolkit.console import Console
from toolkit.errors import InterruptedByUserError, PreflightError
from toolkit.local import timescale
from toolkit.local.state import Folder, Record, code_version
from toolkit.local.status import CloudStatus
from toolkit.processes import is_alive
from toolkit.project import Project

__all__ = ["CloudStatus", "RunningCloud", "ensure_running", "find", "log_tail", "status", "stop"]

# A start takes a second or two; one that fails ends by itself and is noticed at once.
START_SECONDS = 180.0
# A cloud stops its model servers in less; a hung one is killed.
STOP_SECONDS = 20.0
# A living cloud may be slow to answer while a model has all the processors; a dead one is not asked.
ANSWER_SECONDS = 60.0
_POLL_SECONDS = 0.02
# With less, a start fails at the first file.
LEAST_ROOM_BYTES = 1024 * 1024


@dataclass(frozen=True)
class RunningCloud:
    """An embedded cloud that answers.

    Attributes:
        endpoint_url: its address, for `AWS_ENDPOINT_URL`.
        pid: its process.
        instance_id: random, new at each start; all state of the cloud belongs to one instance.
    """

    endpoint_url: str
    pid: int
    instance_id: str


def ensure_running(project: Project, console: Console) -> RunningCloud:
    """The project's cloud, started now unless it runs.

    Commands that do this at the same time get the same cloud.

    Raises:
        PreflightError: it did not start; the error shows the end of its log. Or it does not answer.
        InterruptedByUserError: Ctrl-C while it started; it is gone.
        InputError: a setting for it has no good value.
    """
    timescale.scale()
    folder = Folder.of(project)
    record = _find(folder)
    if record is None or _is_outdated(record):
        with _locked(folder):
            record = _find(folder)
            if record is not None and _is_outdated(record):
                record = _replace_outdated(record, console)
            if record is None:
                record = _start(folder, console)
    return _running(record)


def find(project: Project) -> RunningCloud | None:
    """The project's cloud if it runs.

    Raises:
        PreflightError: it is there, and does not answer.
    """
    record = _find(Folder.of(project))
    return _running(record) if record else None


def stop(project: Project, console: Console) -> bool:
    """Stop the project's cloud and everything in it; its state is gone.

    Returns:
        Whether it was running.
    """
    folder = Folder.of(project)
    if folder.read() is None:
        return False
    with _locked(folder):
        record = folder.read()
        # Also one that hangs: whoever has it end must not wait for it first.
        if record is None or not _is_process(record):
            return False
        _stop(record, console)
    return True


def status(project: Project) -> CloudStatus | None:
    """What the project's cloud runs; None if it does not run itself.

    Raises:
        PreflightError: it is there, and does not answer.
    """
    record = _find(Folder.of(project))
    return _status(record) if record else None


def log_tail(project: Project, lines: int) -> list[str]:
    """The last lines of the cloud's own log, also of one that has ended."""
    return _log_tail(Folder.of(project), lines)


def _running(record: Record) -> RunningCloud:
    return RunningCloud(record.endpoint_url, record.pid, record.instance_id)


def _find(folder: Folder) -> Record | None:
    record = folder.read()
    return record if record and _answers(record) else None


def _answers(record: Record) -> bool:
    """Whether it is this very cloud that listens at its port, not a program that took the port since."""
    if not is_alive(record.pid):
        # A program that took its port may take its time to answer.
        return False
    try:
        return _get(record, "/_toolkit/health").get("instance_id") == record.instance_id
    except TimeoutError:
        # Another one in its place would be empty, and all that is deployed in this one lost.
        if _is_process(record):
            raise _silent(record) from None
        return False
    except (OSError, http.client.HTTPException, ValueError):
        return False


def _is_process(record: Record) -> bool:
    """Whether the process is the cloud's, whose arguments name it, and not one that got its number since."""
    import psutil

    try:
        return record.instance_id in psutil.Process(record.pid).cmdline()
    except psutil.Error:
        return False


def _silent(record: Record) -> PreflightError:
    return PreflightError(
        f"the embedded cloud (process {record.pid}) does not answer",
        where=record.endpoint_url,
        remedy="try again when this machine has less to do, or end it and what is deployed in it: "
        "`toolkit local down`",
    )


def _get(record: Record, path: str) -> dict[str, object]:
    connection = http.client.HTTPConnection("127.0.0.1", record.port, timeout=ANSWER_SECONDS)
    with contextlib.closing(connection):
        connection.request("GET", path)
        answer = json.loads(connection.getresponse().read())
        return answer if isinstance(answer, dict) else {}


def _status(record: Record) -> CloudStatus:
    try:
        return CloudStatus.from_json(_get(record, "/_toolkit/status"))
    except (OSError, http.client.HTTPException) as error:
        raise _silent(record) from error


def _is_outdated(record: Record) -> bool:
    return record.code_version != code_version() or timescale.asked() not in (None, record.time_scale)


def _replace_outdated(record: Record, console: Console) -> Record | None:
    """Stop a cloud of another kind, unless something is deployed in it: the user decides on that."""
    if record.code_version != code_version():
        difference = "runs older code than this command"
    else:
        difference = f"was started with {timescale.SETTING}={record.time_scale:g}"
    if _status(record).empty:
        console.line(f"the embedded cloud {difference} and is empty: starting it anew")
        _stop(record, console)
        return None
    console.warning(
        f"the embedded cloud {difference}, and restarting it loses what is deployed in it; to have it as "
        "it should be: `toolkit local down`, then apply again"
    )
    return record


@contextlib.contextmanager
def _locked(folder: Folder) -> Iterator[None]:
    folder.path.mkdir(parents=True, exist_ok=True)
    with folder.lock.open("w") as lock:
        # Released by the operating system when this process ends, however it does.
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _start(folder: Folder, console: Console) -> Record:
    instance_id = uuid.uuid4().hex
    command = [sys.executable, "-P", "-m", "toolkit.local.server"]
    command += ["--directory", str(folder.path), "--instance-id", instance_id]
    with console.progress("starting the embedded cloud"), folder.log.open("wb"):
        # Opened anew for appending: see guard._BoundedHandler.
        with folder.log.open("ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder.path,
                env=_environment(),
                # A session of its own: it survives this command, its terminal and Ctrl-C in it.
                start_new_session=True,
            )
        try:
            return _wait_until_ready(folder, process, instance_id)
        except KeyboardInterrupt:
            # The next command would start another one in the same folder.
            process.kill()
            process.wait()
            raise InterruptedByUserError("stopped; the embedded cloud was not started") from None


def _environment() -> dict[str, str]:
    # The user's own AWS settings must reach neither moto nor the functions, nor does a hub's token belong
    # into a process that stays.
    left_out = ("AWS_", "HF_", "HUGGING_FACE_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return environment | {
        "PYTHONUNBUFFERED": "1",
        # Threads handle large bodies: that memory shall go back to the system, not into reserves of each.
        "MALLOC_ARENA_MAX": "2",
        "MALLOC_MMAP_THRESHOLD_": str(256 * 1024),
        "MOTO_DISABLE_GLOBAL_CORS": "true",
        "MOTO_ALLOW_NONEXISTENT_REGION": "true",
    }


def _wait_until_ready(folder: Folder, process: subprocess.Popen[bytes], instance_id: str) -> Record:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise _start_error(folder, f"it ended with exit code {process.returncode}")
        record = folder.read()
        if record is not None and record.instance_id == instance_id and _answers(record):
            return record
        time.sleep(_POLL_SECONDS)
    process.kill()
    raise _start_error(folder, f"it did not answer within {START_SECONDS:.0f} s")


def _start_error(folder: Folder, reason: str) -> PreflightError:
    if shutil.disk_usage(folder.path).free < LEAST_ROOM_BYTES:
        # Its log can't say so: there is no room for that either.
        return PreflightError(
            f"the embedded cloud did not start: no space is left ({reason})",
            where=str(folder.path),
            remedy="make room on that disk: what is deployed is kept there, weights included",
        )
    return PreflightError(
        f"the embedded cloud did not start: {reason}",
        where=str(folder.log),
        details=_log_tail(folder, 15),
        remedy="run `make setup` if a package is missing; the whole log is in the file named above",
    )


def _log_tail(folder: Folder, lines: int) -> list[str]:
    try:
        return folder.log.read_text(errors="replace").splitlines()[-lines:]
    except FileNotFoundError:
        return []


def _stop(record: Record, console: Console) -> None:
    # It may have ended in this moment.
    with console.progress("stopping the embedded cloud"), contextlib.suppress(ProcessLookupError):
        os.kill(record.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while is_alive(record.pid):
            if time.monotonic() > deadline:
                console.warning("the embedded cloud did not stop by itself and was killed")
                # Its children notice and end too.
                os.kill(record.pid, signal.SIGKILL)
                deadline += STOP_SECONDS
            time.sleep(_POLL_SECONDS)
