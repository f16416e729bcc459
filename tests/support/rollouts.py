"""An environment whose model is a server of the test, and commands that are killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.support.checkout import clean_environment
from tests.support.cloud import eventually
from tests.support.interrupts import kill_children
from tests.support.inventory import exist, inventory
from tests.support.toolkit import Toolkit
from toolkit.local import client
from toolkit.project import Project

ENVIRONMENT = """\
target: local
name: llm
region: us-east-1
account: {{lifecycle_rules: false}}
models:
  m:
    serving: {{engine: llama_cpp}}
    source: {{server: "{server}", model: "{content}"}}
    instance_type: ml.c7i.xlarge
    startup_timeout_seconds: {startup}
    capacity: {{min: 2, max: 2}}
    rollout: {rollout}
"""


@dataclass
class Site:
    """An environment with one model, in its own checkout."""

    toolkit: Toolkit
    env: str
    _clients: dict[tuple[str, str | None], Any] = field(default_factory=dict)

    @property
    def endpoint(self) -> str:
        """The name of its endpoint."""
        return f"llm-{self.env}-m"

    def declare(
        self,
        server: str,
        content: str = "first",
        startup: int = 3600,
        rollout: str = "{strategy: all_at_once}",
        more: str = "",
    ) -> None:
        """Write its file; other content is another release. Lines can be added to the model."""
        text = ENVIRONMENT.format(server=server, content=content, startup=startup, rollout=rollout) + more
        folder = self.toolkit.project / "terraform" / "environments"
        (folder / f"{self.env}.yaml").write_text(text)

    def run(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one command on it."""
        return self.toolkit(command, "--env", self.env, *arguments)

    def start(self, command: str, *arguments: str) -> subprocess.Popen[str]:
        """Start one command on it, with standard output and error combined."""
        return subprocess.Popen(
            [sys.executable, "-m", "toolkit", command, "--env", self.env, *arguments],
            cwd=self.toolkit.project,
            env=clean_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
        )

    def client(self, service: str) -> Any:
        """Return a boto3 client of the running embedded cloud."""
        cloud = self._cloud()
        if (service, cloud) not in self._clients:  # creating a client costs more than a request
            self._clients[service, cloud] = self.toolkit.client(service)
        return self._clients[service, cloud]

    def status(self) -> str | None:
        """Return SageMaker's description of the endpoint, or None."""
        if self._cloud() is None:
            return None
        endpoints = self.client("sagemaker").list_endpoints(NameContains=self.endpoint)["Endpoints"]
        return next((str(endpoint["EndpointStatus"]) for endpoint in endpoints), None)

    def _cloud(self) -> str | None:
        """Wait until the cloud responds and return its URL."""
        cloud = client.find(Project(self.toolkit.project))
        return cloud.endpoint_url if cloud else None

    def kill_when(self, condition: Callable[[], bool], command: str = "apply") -> None:
        """Start a command, kill it with its child processes once the condition holds, and clear its lock."""
        process = self.start(command)
        try:
            eventually(lambda: condition() or process.poll() is not None)
            assert process.poll() is None, process.communicate()[0]
        finally:
            _kill(process)
        # Like `terraform force-unlock`, after a check that no command is running.
        self._delete("inference.tfstate.tflock")

    def forget(self) -> None:
        """Delete the state, as if Terraform, which stores it every 20 s, had stored none yet."""
        self._delete("inference.tfstate")

    def _delete(self, name: str) -> None:
        s3 = self.client("s3")
        (bucket,) = [item["Name"] for item in s3.list_buckets()["Buckets"] if "state" in item["Name"]]
        s3.delete_object(Bucket=bucket, Key=f"{self.env}/{name}")

    def has(self, *names: str) -> bool:
        """Whether these resources exist, as `remaining` names them; cheap enough to be asked all the time."""
        return self._cloud() is not None and exist(self.client, names)

    def remaining(self) -> list[str]:
        """Return all resources with the environment's names, each with its kind."""
        return inventory(self.client, f"llm-{self.env}") if self._cloud() else []


def _kill(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        kill_children(process)
        process.kill()
    process.communicate()
