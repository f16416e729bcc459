"""A checkout and its embedded cloud behind the fault proxy, and the commands run on them."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.support import faults
from tests.support.access import root_client
from tests.support.checkout import clean_environment, copy_checkout
from tests.support.cloud import Engine
from tests.support.faults import Proxy
from tests.support.patience import wait_for
from toolkit.local.signature import ROOT_ACCESS_KEY
from toolkit.local.state import Folder
from toolkit.project import cache_dir

ENV = "local"
STAGED = "stage"
REPOSITORY, COMMIT = "Owner/Chaos-Model", "c0ffee" + 34 * "0"
ENVIRONMENT = """\
target: local
name: llm
region: us-east-1
account: {{lifecycle_rules: false}}
models:
  echo:
    serving: {{engine: llama_cpp}}
    source: {source}
    instance_type: ml.c7i.xlarge
"""
# A command that hangs is a finding, not a reason to wait for hours.
COMMAND_SECONDS = 1800.0
# Retries of a command wait for the Terraform that a killed command left running.
WAITING = ("--lock-timeout", "10m")


class HangingError(AssertionError):
    """A command does not end."""


@dataclass
class Result:
    """A finished command.

    Attributes:
        arguments: of the program.
        code: its exit code, negative if a signal killed it.
        output: standard output and error.
        killed: whether this run killed it.
    """

    arguments: Sequence[str]
    code: int
    output: str
    killed: bool = False

    def __str__(self) -> str:
        return f"$ toolkit {shlex.join(self.arguments)}\n{self.output.rstrip()}\n[exit code {self.code}]\n"


@dataclass
class Site:
    """A checkout and its cloud.

    Attributes:
        folder: of everything that the run writes.
        proxy: between the commands and the cloud.
        engine: the model server.
        results: of the commands since `begin`.
        prefix: starts each command, for example in another mount namespace.
        environment: more environment variables of each command.
        remaining: the processes of a killed cloud.
    """

    folder: Path
    proxy: Proxy
    engine: Engine
    results: list[Result] = field(default_factory=list)
    prefix: Sequence[str] = ()
    environment: dict[str, str] = field(default_factory=dict)
    remaining: list[psutil.Process] = field(default_factory=list)
    _clouds: int = 0
    _cloud: subprocess.Popen[bytes] | None = None

    @property
    def project(self) -> Path:
        """The checkout."""
        return self.folder / "project"

    @property
    def build(self) -> Path:
        """The folder of the environment's generated files."""
        return self.project / "build" / ENV

    @property
    def cache(self) -> Path:
        """The user's cache."""
        return self.folder / "cache"

    def declare(self, content: str) -> None:
        """Write the environment file; other content is another version of the model."""
        self.write(ENV, f'{{server: "{self.engine.url}", model: "{content}"}}')

    def write(self, env: str, source: str) -> None:
        """Write the file of an environment with one model."""
        file = self.project / "terraform" / "environments" / f"{env}.yaml"
        file.write_text(ENVIRONMENT.format(source=source))

    def start_cloud(self) -> None:
        """Start an empty cloud behind the proxy."""
        self.stop_cloud()
        self._clouds += 1
        folder = self.folder / f"cloud-{self._clouds}"
        folder.mkdir()
        with (folder / "cloud.log").open("ab") as log:
            self._cloud = subprocess.Popen(
                [
                    *(sys.executable, "-c", _CLOUD),
                    *("--directory", str(folder), "--instance-id", f"chaos{self._clouds}"),
                ],
                cwd=self.project,
                env=clean_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        record, process = folder / "cloud.json", self._cloud
        wait_for(lambda: record.exists() or process.poll() is not None, "the cloud")
        assert process.poll() is None, (folder / "cloud.log").read_text()
        self.proxy.stand_in(folder, self.project)

    def stop_cloud(self) -> None:
        """Stop the cloud, and the one that a command started in its place."""
        with contextlib.suppress(FileNotFoundError):
            pid = self.record["pid"]
            if self._cloud is None or pid != self._cloud.pid:
                self.run("local", "down")
        if self._cloud is not None:
            self._cloud.terminate()
            self._cloud.wait()
            self._cloud = None

    @property
    def record(self) -> dict[str, Any]:
        """The record by which commands find the cloud."""
        return dict(json.loads((self.project / "build" / ".cloud" / "cloud.json").read_text()))

    @property
    def endpoint_url(self) -> str:
        """The address of the running cloud itself, without the proxy."""
        port = self.record["port"]
        return f"http://127.0.0.1:{self.proxy.upstream if port == self.proxy.port else port}"

    @property
    def root_key(self) -> tuple[str, str]:
        """The access key of the running cloud's root user."""
        return ROOT_ACCESS_KEY, Folder(self.project / "build" / ".cloud").read_secret()

    def client(self, service: str) -> Any:
        """Return a boto3 client of the cloud itself."""
        return root_client(self, service)

    def kill_cloud(self) -> None:
        """Kill the cloud's process; its supervisors end the others."""
        process = psutil.Process(self.record["pid"])
        self.remaining = process.children(recursive=True)
        process.kill()
        if self._cloud is not None:
            self._cloud.wait()

    def _start(self, arguments: Sequence[str], stdout: Any, stderr: Any) -> subprocess.Popen[bytes]:
        """Start a command like a shell on a terminal."""
        return subprocess.Popen(
            [*self.prefix, sys.executable, "-c", _PROGRAM, *arguments],
            cwd=self.project,
            env=clean_environment(**{"TOOLKIT_CACHE_DIR": str(self.cache), **self.environment}),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            process_group=0,
        )

    def run(
        self,
        *arguments: str,
        started: Callable[[subprocess.Popen[bytes]], None] = lambda _: None,
        full: str = "",
    ) -> Result:
        """Run a command to its end.

        Args:
            arguments: of the program.
            started: called with its process.
            full: the output that takes nothing: "stdout", "stderr", or "pipe" if the reader is gone.
        """
        log = self.folder / "command.log"
        with log.open("wb") as output, _taking_nothing(full) as broken:
            process = self._start(
                arguments,
                broken if full in ("stdout", "pipe") else output,
                broken if full == "stderr" else output,
            )
            started(process)
            try:
                code = process.wait(COMMAND_SECONDS)
            except subprocess.TimeoutExpired:
                for running in self.processes():
                    running.kill()
                process.kill()
                process.wait()
                raise HangingError(
                    f"toolkit {shlex.join(arguments)} did not end within {COMMAND_SECONDS:.0f} s:\n"
                    + log.read_text(errors="replace")
                ) from None
        result = Result(arguments, code, log.read_text(errors="replace"))
        self.results.append(result)
        return result

    def wait_for_processes(self) -> None:
        """Wait until no command and no Terraform of the checkout runs; the next round would meet them."""
        try:
            wait_for(lambda: not self.processes())
        except AssertionError:
            names = [process.name() for process in self.processes()]
            for process in self.processes():
                process.kill()
            raise HangingError(f"still running after a kill: {', '.join(names)}") from None

    def abort(self) -> None:
        """Kill what runs, and let every further command fail."""
        self.prefix = ("false",)
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                process.kill()

    def processes(self) -> list[psutil.Process]:
        """Return the running commands of the checkout with their children, without the cloud's processes."""
        clouds = {self.record["pid"]} | ({self._cloud.pid} if self._cloud else set())
        processes = [process for process in self.remaining if process.is_running()]
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                # Most processes are elsewhere: the rest costs more to find out.
                if not Path(process.cwd()).is_relative_to(self.project):
                    continue
                family = {process.pid, *(parent.pid for parent in process.parents())}
                # The guards of the cloud's supervisors have no parent.
                of_cloud = family & clouds or any("supervisor.py" in word for word in process.cmdline())
                if not of_cloud and process.status() != psutil.STATUS_ZOMBIE:
                    processes.append(process)
        return processes


@contextlib.contextmanager
def _taking_nothing(full: str) -> Iterator[int]:
    """A descriptor for an output: of a full disk, or of a pipe without a reader."""
    if full == "pipe":
        readable, descriptor = os.pipe()
        os.close(readable)
    else:
        descriptor = os.open("/dev/full", os.O_WRONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


# AWS has no memory of requests: a retry after a lost response is executed again. (The embedded cloud responds
# from memory, because Terraform's provider sometimes retries without a fault.)
_CLOUD = """
import os, sys
sys.path.insert(0, os.getcwd())
from toolkit.local import server
server.RetryCacheMiddleware = lambda app: app
sys.exit(server.main())
"""
# Signals as on a terminal: tests in the background inherit ignored ones.
_PROGRAM = """
import os, runpy, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
sys.path.insert(0, os.getcwd())
runpy.run_module("toolkit", run_name="__main__", alter_sys=True)
"""


def furnish_cache(folder: Path) -> None:
    """Create a cache with the tools of this machine's cache, which take minutes to install."""
    folder.mkdir(exist_ok=True)
    for name in ("tools", "lambda", "terraform"):
        shared = cache_dir() / name
        shared.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(shared)


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[Site]:
    """Yield a site with an empty cloud, and stop it at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    copy_checkout(folder / "project")
    engine = Engine()
    with faults.running() as proxy:
        site = Site(folder, proxy, engine)
        try:
            site.declare("first")
            # Its weights are staged, and it is never deployed.
            site.write(STAGED, f'{{hub: {REPOSITORY}, revision: {COMMIT}, staged: true, files: ["*.gguf"]}}')
            furnish_cache(site.cache)
            site.start_cloud()
            yield site
        finally:
            site.abort()
            site.prefix = ()
            site.stop_cloud()
            engine.stop()
