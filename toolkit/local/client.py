"""Start, find, query and stop the embedded cloud of a checkout.

Imports little, and not `asyncio`, because every command of a local environment runs it.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from toolkit import documents
from toolkit.console import Console
from toolkit.errors import InterruptedByUserError, PreflightError
from toolkit.local import timescale
from toolkit.local.signature import ROOT_ACCESS_KEY, sign
from toolkit.local.state import Folder, Record, code_version
from toolkit.local.status import CloudStatus, Metered
from toolkit.processes import environment_without_secrets, is_alive
from toolkit.project import Project

if TYPE_CHECKING:
    from pathlib import Path

    from filelock import BaseFileLock

T = TypeVar("T")

__all__ = [
    "CloudStatus",
    "Metered",
    "RunningCloud",
    "credentials_file",
    "ensure_running",
    "find",
    "log_tail",
    "status",
    "stop",
]

# A start takes a second or two. If it fails, the process exits and the client notices at once.
START_SECONDS = 180.0
# The cloud stops its model servers in less; a hung cloud is killed.
STOP_SECONDS = 20.0
# A running cloud may respond slowly while a model uses all processors.
RESPONSE_SECONDS = 60.0
_POLL_SECONDS = 0.02
# With less, the cloud cannot write its first file.
MIN_FREE_BYTES = 1024 * 1024


@dataclass(frozen=True)
class RunningCloud:
    """A running embedded cloud.

    Attributes:
        endpoint_url: the value for `AWS_ENDPOINT_URL`.
        instance_id: random, new at each start; all state of the cloud belongs to one instance.
        root_key: id and secret of the root user's key; the secret is new at each start.
    """

    endpoint_url: str
    pid: int
    instance_id: str
    root_key: tuple[str, str] = field(repr=False)


@dataclass(frozen=True)
class Decision:
    """A decision of IAM.

    Attributes:
        number: of all decisions, from 1.
        principal: ARN of the caller.
        action: such as `sagemaker:CreateEndpoint`.
        resource: ARN, or `*`.
        allowed: whether the request was allowed.
        reason: the end of AWS's message, if it was denied.
    """

    number: int
    principal: str
    action: str
    resource: str
    allowed: bool
    reason: str = ""


@dataclass(frozen=True)
class _Decisions:
    decisions: list[Decision]


def time_scale() -> float:
    """Seconds in an embedded cloud that starts now per second on AWS, for waits.

    Raises:
        InputError: TOOLKIT_LOCAL_TIME_SCALE is invalid.
    """
    return timescale.scale()


def ensure_running(project: Project, console: Console) -> RunningCloud:
    """Return the project's cloud, starting it if necessary; concurrent commands share one cloud.

    Raises:
        PreflightError: it does not start (the error shows the end of its log), or does not respond.
        InterruptedByUserError: Ctrl-C during the start; the process was killed.
        InputError: TOOLKIT_LOCAL_TIME_SCALE is invalid.
    """
    timescale.scale()
    folder = Folder.of(project)
    record = _find(folder)
    if record is None or _is_outdated(record):
        with _lock(folder):
            record = _find(folder)
            if record is not None and _is_outdated(record):
                record = _replace_outdated(folder, record, console)
            if record is None:
                record = _start(folder, console)
    return _running(folder, record)


def find(project: Project) -> RunningCloud | None:
    """Return the project's cloud if it is running.

    Raises:
        PreflightError: it is running but does not respond.
    """
    folder = Folder.of(project)
    record = _find(folder)
    return _running(folder, record) if record else None


def stop(project: Project, console: Console) -> bool:
    """Stop the project's cloud with everything in it, and discard its state.

    Returns:
        Whether it was running.
    """
    folder = Folder.of(project)
    if folder.read() is None:
        return False
    with _lock(folder):
        record = folder.read()
        # Without a health check: a hung cloud must stop too.
        if record is None or not _is_process(record):
            return False
        _stop(record, console)
    return True


def status(project: Project) -> CloudStatus | None:
    """Return what the project's cloud runs; None if the cloud is not running.

    Raises:
        PreflightError: it is running but does not respond.
    """
    folder = Folder.of(project)
    record = _find(folder)
    return _status(folder, record) if record else None


def decisions(project: Project, after: int) -> list[Decision]:
    """The decisions of IAM with numbers above `after`, while it was enforced.

    Raises:
        PreflightError: the cloud is not running, or does not respond.
    """
    return _read(project, f"/_toolkit/iam/decisions?after={after}", _Decisions).decisions


def metered(project: Project) -> Metered:
    """All instances since the start of the cloud.

    Raises:
        PreflightError: the cloud is not running, or does not respond.
    """
    return _read(project, "/_toolkit/meter", Metered)


def _read(project: Project, path: str, kind: type[T]) -> T:
    folder = Folder.of(project)
    record = _find(folder)
    if record is None:
        raise PreflightError("the embedded cloud is not running", remedy="run the command again")
    try:
        return documents.parse(_get(record, path, _secret(folder)), kind)
    except (OSError, http.client.HTTPException, documents.DamagedError) as error:
        raise _silent(record) from error


def set_quota(cloud: RunningCloud, region: str, name: str, value: float) -> None:
    """Set a quota of SageMaker.

    Args:
        cloud: the cloud.
        region: of the quota.
        name: of the quota, such as "ml.g6.2xlarge for endpoint usage".
        value: of the quota.
    """
    quota = {"region": region, "service": "sagemaker", "name": name, "value": value}
    body = json.dumps(quota).encode()
    url = urlsplit(f"{cloud.endpoint_url}/_toolkit/quotas")
    connection = http.client.HTTPConnection(str(url.hostname), url.port, timeout=RESPONSE_SECONDS)
    with contextlib.closing(connection):
        headers = sign(cloud.root_key[1], "POST", url.geturl(), body)
        connection.request("POST", url.path, body, headers)
        response = connection.getresponse()
        if response.status != http.HTTPStatus.OK:
            content = response.read(1000).decode(errors="replace")
            raise PreflightError(f"cannot set the quota {name}: {content}", remedy="use a number")


def credentials_file(project: Project) -> Path:
    """The file with the running cloud's access key, in the format of AWS's credentials files."""
    return Folder.of(project).credentials


def log_tail(project: Project, lines: int) -> list[str]:
    """Return the last lines of the cloud's own log, even after it stopped."""
    return _log_tail(Folder.of(project), lines)


def _running(folder: Folder, record: Record) -> RunningCloud:
    root_key = (ROOT_ACCESS_KEY, _secret(folder))
    return RunningCloud(record.endpoint_url, record.pid, record.instance_id, root_key)


def _secret(folder: Folder) -> str:
    secret = folder.read_secret()
    if not secret:
        raise PreflightError(
            "cannot read the access key of the embedded cloud: the file is missing or empty",
            where=str(folder.credentials),
            remedy="run `toolkit local down`, then apply again",
        )
    return secret


def _find(folder: Folder) -> Record | None:
    record = folder.read()
    return record if record and _responds(record) else None


def _responds(record: Record) -> bool:
    """Whether this cloud listens at its port, not a program that took the port later."""
    if not is_alive(record.pid):
        return False
    try:
        health = documents.parse(_get(record, "/_toolkit/health"), dict[str, object])
        return health.get("instance_id") == record.instance_id
    except TimeoutError:
        # Starting another cloud would lose everything deployed in this one.
        if _is_process(record):
            raise _silent(record) from None
        return False
    except (OSError, http.client.HTTPException, documents.DamagedError):
        return False


def _is_process(record: Record) -> bool:
    """Whether the process is the cloud, not another one with its process id."""
    import psutil

    try:
        return record.instance_id in psutil.Process(record.pid).cmdline()
    except psutil.Error:
        return False


def _silent(record: Record) -> PreflightError:
    return PreflightError(
        f"the embedded cloud (process {record.pid}) does not respond",
        where=record.endpoint_url,
        remedy="retry when this machine is less busy, or run `toolkit local down`, which discards what is "
        "deployed in it",
    )


def _get(record: Record, path: str, secret: str = "") -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", record.port, timeout=RESPONSE_SECONDS)
    with contextlib.closing(connection):
        headers = sign(secret, "GET", f"{record.endpoint_url}{path}") if secret else {}
        connection.request("GET", path, headers=headers)
        return connection.getresponse().read(documents.MAX_BYTES + 1)


def _status(folder: Folder, record: Record) -> CloudStatus:
    secret = _secret(folder)
    try:
        return documents.parse(_get(record, "/_toolkit/status", secret), CloudStatus)
    except (OSError, http.client.HTTPException, documents.DamagedError) as error:
        raise _silent(record) from error


def _is_outdated(record: Record) -> bool:
    return record.code_version != code_version() or timescale.setting() not in (None, record.time_scale)


def _replace_outdated(folder: Folder, record: Record, console: Console) -> Record | None:
    """Stop an outdated cloud, unless something is deployed in it: then the user decides."""
    if record.code_version != code_version():
        difference = "runs older code than this command"
    else:
        difference = f"was started with {timescale.SETTING}={record.time_scale:g}"
    if _status(folder, record).empty:
        console.line(f"the embedded cloud {difference} and is empty: restarting it")
        _stop(record, console)
        return None
    console.warning(
        f"the embedded cloud {difference}, and a restart would discard what is deployed in it; to "
        "replace it, run `toolkit local down`, then apply again"
    )
    return record


def _lock(folder: Folder) -> BaseFileLock:
    from filelock import FileLock

    folder.make_private()
    return FileLock(folder.lock)


def _start(folder: Folder, console: Console) -> Record:
    instance_id = uuid.uuid4().hex
    command = [sys.executable, "-P", "-m", "toolkit.local.server"]
    command += ["--directory", str(folder.path), "--instance-id", instance_id]
    with console.progress("starting the embedded cloud"), folder.log.open("wb"):
        # For appending: see guard._BoundedHandler.
        with folder.log.open("ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder.path,
                env=_environment(),
                # In its own session it survives this command, its terminal and Ctrl-C.
                start_new_session=True,
            )
        try:
            return _wait_until_ready(folder, process, instance_id)
        except KeyboardInterrupt:
            # The next command would start a second cloud in the same folder.
            process.kill()
            process.wait()
            raise InterruptedByUserError("stopped; the embedded cloud was not started") from None


def _environment() -> dict[str, str]:
    # The user's AWS settings must reach neither moto nor the functions.
    environment = environment_without_secrets()
    return {name: value for name, value in environment.items() if not name.startswith(("AWS_", "HF_"))} | {
        "PYTHONUNBUFFERED": "1",
        # Threads handle large bodies: return that memory to the system instead of one arena per thread.
        "MALLOC_ARENA_MAX": "2",
        "MALLOC_MMAP_THRESHOLD_": str(256 * 1024),
        "MOTO_DISABLE_GLOBAL_CORS": "true",
        "MOTO_ALLOW_NONEXISTENT_REGION": "true",
    }


def _wait_until_ready(folder: Folder, process: subprocess.Popen[bytes], instance_id: str) -> Record:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise _start_error(folder, f"it exited with code {process.returncode}")
        record = folder.read()
        if record is not None and record.instance_id == instance_id and _responds(record):
            return record
        time.sleep(_POLL_SECONDS)
    process.kill()
    raise _start_error(folder, f"no response within {START_SECONDS:.0f} s")


def _start_error(folder: Folder, reason: str) -> PreflightError:
    if shutil.disk_usage(folder.path).free < MIN_FREE_BYTES:
        # The log cannot show this: there is no space for it either.
        return PreflightError(
            f"cannot start the embedded cloud: no space left on the disk ({reason})",
            where=str(folder.path),
            remedy="free disk space: the cloud keeps everything deployed there, weights included",
        )
    return PreflightError(
        f"cannot start the embedded cloud: {reason}",
        where=str(folder.log),
        details=_log_tail(folder, 15),
        remedy="run `make setup` if a package is missing; the file above has the whole log",
    )


def _log_tail(folder: Folder, lines: int) -> list[str]:
    try:
        return folder.log.read_text(errors="replace").splitlines()[-lines:]
    except FileNotFoundError:
        return []


def _stop(record: Record, console: Console) -> None:
    # It may just have exited.
    with console.progress("stopping the embedded cloud"), contextlib.suppress(ProcessLookupError):
        os.kill(record.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while is_alive(record.pid):
            if time.monotonic() > deadline:
                console.warning("the embedded cloud did not stop and was killed")
                # Its children end with it.
                os.kill(record.pid, signal.SIGKILL)
                deadline += STOP_SECONDS
            time.sleep(_POLL_SECONDS)
