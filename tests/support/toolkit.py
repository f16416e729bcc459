"""The program under test, run as by a user, and its deployment."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.access import root_client
from tests.support.checkout import clean_environment
from tests.support.cloudlog import assert_no_unhandled_exceptions
from toolkit.local import client
from toolkit.local.client import RunningCloud
from toolkit.project import Project


@dataclass(frozen=True)
class Toolkit:
    """Runs `toolkit` in its own checkout, like a user in a pipe."""

    project: Path

    def __call__(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run one command and return its result, whatever its exit code."""
        return subprocess.run(
            [sys.executable, "-m", "toolkit", *arguments],
            cwd=self.project,
            env=clean_environment(**environment),
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def succeed(self, *arguments: str) -> str:
        """Run one command that must exit 0, and return its standard output."""
        result = self(*arguments)
        assert result.returncode == 0, f"toolkit {' '.join(arguments)}:\n{result.stdout}\n{result.stderr}"
        return result.stdout

    @property
    def cloud(self) -> RunningCloud:
        """The checkout's embedded cloud."""
        cloud = client.find(Project(self.project))
        assert cloud is not None
        return cloud

    def client(self, service: str) -> Any:
        """Return a boto3 client of the checkout's embedded cloud."""
        return root_client(self.cloud, service)

    def stop_cloud(self) -> None:
        """Stop the embedded cloud, whose log must not have an unhandled exception."""
        self.succeed("local", "down")
        assert_no_unhandled_exceptions(self.project / "build" / ".cloud" / "cloud.log")

    def state(self, stack: str) -> str:
        """Return Terraform's stored state of one of the local environment's stacks."""
        key = {"account": "account/terraform.tfstate", "inference": "local/inference.tfstate"}[stack]
        s3 = self.client("s3")
        (bucket,) = [item["Name"] for item in s3.list_buckets()["Buckets"] if "state" in item["Name"]]
        return str(s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode())


@dataclass(frozen=True)
class Deployed:
    """The local environment, applied."""

    toolkit: Toolkit
    first_apply: subprocess.CompletedProcess[str]
    outputs: dict[str, Any]
    api_key: str
