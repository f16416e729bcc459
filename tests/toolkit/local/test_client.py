from __future__ import annotations

import dataclasses
import http.client
import http.server
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from tests.support import interrupts
from tests.support.cloud import aws_clients, environment_of, eventually, is_gone
from tests.support.patience import HANG_SECONDS
from toolkit.console import Console
from toolkit.errors import InputError, PreflightError
from toolkit.local import client, timescale
from toolkit.local.state import Folder
from toolkit.project import Project

pytestmark = pytest.mark.slow


def silent() -> Console:
    return Console(io.StringIO(), io.StringIO(), interactive=False)


def in_new_process(code: str, project: Project) -> subprocess.Popen[str]:
    preamble = (
        "import sys; from pathlib import Path; from toolkit.local import client; from toolkit.project import "
        "Project; from toolkit.console import Console; project = Project(Path(sys.argv[1])); "
    )
    return subprocess.Popen(
        [sys.executable, "-c", preamble + code, str(project.root)], stdout=subprocess.PIPE, text=True
    )


def test_start_find_and_stop(project: Project) -> None:
    assert client.find(project) is None
    assert client.status(project) is None
    assert not client.stop(project, silent())
    cloud = client.ensure_running(project, silent())
    assert client.ensure_running(project, silent()) == client.find(project) == cloud
    assert client.stop(project, silent())
    assert is_gone(cloud.pid)
    assert client.find(project) is None


def test_status_reports_running_resources(project: Project) -> None:
    before = time.time()
    cloud = client.ensure_running(project, silent())
    status = client.status(project)
    assert status is not None
    assert (status.endpoint_url, status.pid, status.instance_id) == (
        cloud.endpoint_url,
        cloud.pid,
        cloud.instance_id,
    )
    assert 20_000_000 < status.memory_bytes < 1_000_000_000
    assert 0 < status.uptime_seconds <= time.time() - before
    assert status.empty
    assert status.endpoints == status.functions == status.apis == status.processes == ()
    aws_clients(cloud)("s3").create_bucket(Bucket="state")
    status = client.status(project)
    assert status is not None
    assert not status.empty


def test_a_restart_reuses_the_port(project: Project) -> None:
    first = client.ensure_running(project, silent())
    client.stop(project, silent())
    second = client.ensure_running(project, silent())
    # Another program may have taken the port.
    assert second.endpoint_url == first.endpoint_url or "cannot listen" in Folder.of(project).log.read_text()
    assert second.instance_id != first.instance_id


def test_concurrent_commands_share_one_cloud(project: Project) -> None:
    code = "print(client.ensure_running(project, Console()).instance_id)"
    processes = [in_new_process(code, project) for _ in range(4)]
    instances = {process.communicate(timeout=HANG_SECONDS)[0] for process in processes}
    assert len(instances) == 1
    # It outlives the command that started it.
    running = client.find(project)
    assert running is not None
    assert running.instance_id in instances.pop()


def test_another_program_on_the_port_is_not_the_cloud(project: Project) -> None:
    first = client.ensure_running(project, silent())
    client.stop(project, silent())

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"instance_id": "another checkout's"}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    other = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    folder = Folder.of(project)
    record = folder.read()
    assert record is not None
    folder.write(dataclasses.replace(record, port=other.server_port))
    threading.Thread(target=other.serve_forever, daemon=True).start()
    try:
        assert client.find(project) is None
        second = client.ensure_running(project, silent())
        assert second.endpoint_url != f"http://127.0.0.1:{other.server_port}"
        assert second.instance_id != first.instance_id
        assert client.find(project) == second
    finally:
        other.shutdown()


def test_a_dead_clouds_port_is_not_queried(project: Project) -> None:
    cloud = client.ensure_running(project, silent())
    client.stop(project, silent())
    port = int(cloud.endpoint_url.rpartition(":")[2])
    with socket.create_server(("127.0.0.1", port)) as other:
        other.setblocking(False)
        assert client.find(project) is None
        # It received no request.
        with pytest.raises(BlockingIOError):
            other.accept()


def test_a_reused_process_id_is_not_the_cloud(project: Project) -> None:
    cloud = client.ensure_running(project, silent())
    psutil.Process(cloud.pid).kill()
    eventually(lambda: is_gone(cloud.pid))
    # Another program may have its process id.
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
    folder = Folder.of(project)
    record = folder.read()
    assert record is not None
    folder.write(dataclasses.replace(record, pid=bystander.pid))
    try:
        assert client.find(project) is None
        assert not client.stop(project, silent())
        assert client.ensure_running(project, silent()).instance_id != cloud.instance_id
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_an_unresponsive_cloud_is_not_replaced(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = client.ensure_running(project, silent())
    monkeypatch.setattr(client, "RESPONSE_SECONDS", 0.5)
    os.kill(cloud.pid, signal.SIGSTOP)
    try:
        for ask in (client.find, client.status, lambda project: client.ensure_running(project, silent())):
            with pytest.raises(PreflightError, match=f"process {cloud.pid}.* does not respond") as silence:
                ask(project)
            assert "toolkit local down" in (silence.value.remedy or "")
    finally:
        os.kill(cloud.pid, signal.SIGCONT)
    monkeypatch.undo()
    assert client.ensure_running(project, silent()) == cloud


def test_an_unresponsive_cloud_can_be_stopped(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = client.ensure_running(project, silent())
    monkeypatch.setattr(client, "STOP_SECONDS", 0.5)
    os.kill(cloud.pid, signal.SIGSTOP)
    assert client.stop(project, silent())
    assert is_gone(cloud.pid)


def test_a_failed_start_shows_the_end_of_the_log(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    program = project.root / "python"
    program.write_text("#!/bin/sh\necho no module named moto >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    with pytest.raises(PreflightError) as failure:
        client.ensure_running(project, silent())
    assert "exited with code 3" in failure.value.message
    assert failure.value.details == ("no module named moto",)
    assert client.log_tail(project, 5) == ["no module named moto"]
    # On a full disk there is no log.
    monkeypatch.setattr(client, "MIN_FREE_BYTES", 1 << 62)
    with pytest.raises(PreflightError, match="no space left") as full:
        client.ensure_running(project, silent())
    assert full.value.where == str(project.local_cloud)


def test_an_interrupted_start_leaves_no_cloud(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Python runs this first: the cloud writes its process id, and never listens.
    script = f"""
import os, sys, threading
if "toolkit.local.server" in sys.orig_argv:
    open({str(tmp_path / "pid")!r}, "w").write(f"{{os.getpid()}}.")
    threading.Event().wait()
"""
    (tmp_path / "sitecustomize.py").write_text(script)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    command = interrupts.start(
        "import sys; from pathlib import Path; from toolkit.local import client; from toolkit.console import "
        "Console; from toolkit.project import Project; from toolkit.errors import InterruptedByUserError\n"
        "try: client.ensure_running(Project(Path(sys.argv[1])), Console())\n"
        "except InterruptedByUserError as error: print(error)",
        str(project.root),
    )
    eventually(interrupts.has(tmp_path / "pid", "."))
    pid = int((tmp_path / "pid").read_text().rstrip("."))
    command.send_signal(signal.SIGINT)
    output, _ = command.communicate(timeout=HANG_SECONDS)
    assert "the embedded cloud was not started" in output
    assert is_gone(pid)


def test_an_empty_cloud_with_older_code_is_replaced(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = client.ensure_running(project, silent())
    monkeypatch.setattr(client, "code_version", lambda: "newer")
    assert client.ensure_running(project, silent()).pid != old.pid
    assert is_gone(old.pid)


def test_an_outdated_cloud_in_use_is_kept_with_a_warning(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = client.ensure_running(project, silent())
    aws_clients(old)("s3").create_bucket(Bucket="state")
    monkeypatch.setattr(client, "code_version", lambda: "newer")
    stderr = io.StringIO()
    assert client.ensure_running(project, Console(io.StringIO(), stderr, interactive=False)) == old
    assert "older code" in stderr.getvalue()
    assert "toolkit local down" in stderr.getvalue()


def test_it_listens_on_loopback_only(project: Project) -> None:
    cloud = client.ensure_running(project, silent())
    listening = [
        connection.laddr.ip
        for connection in psutil.Process(cloud.pid).net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening == ["127.0.0.1"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Host": "evil.example"},
    ],
)
def test_requests_from_web_pages_are_refused(cloud: client.RunningCloud, headers: dict[str, str]) -> None:
    connection = http.client.HTTPConnection(cloud.endpoint_url.removeprefix("http://"))
    connection.request("POST", "/2015-03-31/functions", body="{}", headers=headers)
    assert connection.getresponse().status == 403


@pytest.mark.parametrize("path", ["/", "/_aws/execute-api/", "/_aws/execute-api/a/b/c"])
@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}])
def test_web_pages_cannot_call_json_rpc_operations(
    cloud: client.RunningCloud, path: str, headers: dict[str, str]
) -> None:
    connection = http.client.HTTPConnection(cloud.endpoint_url.removeprefix("http://"))
    target = {"X-Amz-Target": "SageMaker.ListModels", "Content-Type": "application/x-amz-json-1.1"}
    connection.request("POST", path, body="{}", headers={**target, **headers})
    assert connection.getresponse().status == 403


def test_it_stops_when_its_directory_is_removed(project: Project) -> None:
    cloud = client.ensure_running(project, silent())
    shutil.rmtree(project.build)
    eventually(lambda: is_gone(cloud.pid))


def test_finding_a_running_cloud_imports_little(project: Project) -> None:
    client.ensure_running(project, silent())
    code = (
        "client.ensure_running(project, Console()); "
        "print([name for name in ('asyncio', 'boto3', 'moto', 'starlette', 'psutil') if name in sys.modules])"
    )
    assert in_new_process(code, project).communicate(timeout=HANG_SECONDS)[0].strip() == "[]"


def test_the_users_aws_settings_do_not_reach_it(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    cloud = client.ensure_running(project, silent())
    assert "AWS_PROFILE" not in environment_of(cloud.pid)


def test_modules_are_not_imported_from_its_folder(project: Project) -> None:
    project.local_cloud.mkdir(parents=True)
    (project.local_cloud / "uvicorn.py").write_text("raise SystemExit('taken from the working directory')")
    assert client.ensure_running(project, silent())


def test_a_changed_time_scale_restarts_an_empty_cloud(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def time_scale() -> float | None:
        status = client.status(project)
        return status.time_scale if status else None

    monkeypatch.delenv(timescale.SETTING, raising=False)
    usual = client.ensure_running(project, silent())
    assert time_scale() == timescale.DEFAULT
    monkeypatch.setenv(timescale.SETTING, "0.5")
    other = client.ensure_running(project, silent())
    assert (other.pid != usual.pid, time_scale()) == (True, 0.5)
    monkeypatch.delenv(timescale.SETTING)
    assert client.ensure_running(project, silent()) == other
    aws_clients(other)("s3").create_bucket(Bucket="state")
    monkeypatch.setenv(timescale.SETTING, "1")
    stderr = io.StringIO()
    assert client.ensure_running(project, Console(io.StringIO(), stderr, interactive=False)) == other
    assert "TOOLKIT_LOCAL_TIME_SCALE=0.5" in stderr.getvalue()


def test_an_invalid_time_scale_prevents_the_start(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(timescale.SETTING, "fast")
    with pytest.raises(InputError, match="'fast'"):
        client.ensure_running(project, silent())
    assert client.log_tail(project, 5) == []
