"""The embedded cloud as a separate process, for tests of its parts."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.support.access import call, root_client
from tests.support.checkout import ROOT, clean_environment
from tests.support.cloudlog import assert_no_unhandled_exceptions
from tests.support.iam import document, trust
from tests.support.patience import HANG_SECONDS, wait_for
from toolkit.aws.access import AwsAccess
from toolkit.local.signature import ROOT_ACCESS_KEY
from toolkit.local.state import Folder

ROLE = "arn:aws:iam::123456789012:role/function"
# For functions of tests that are not about timeouts: long enough for a busy machine.
TIMEOUT_SECONDS = 60


@dataclass
class CloudProcess:
    """A running cloud.

    Attributes:
        endpoint_url: its address.
        log: its output.
        root_key: id and secret of the root user's access key.
    """

    endpoint_url: str
    log: Path
    root_key: tuple[str, str] = ("", "")

    @property
    def access(self) -> AwsAccess:
        """The program's access as the root user."""
        return AwsAccess("us-east-1", "123456789012", self.endpoint_url, self.root_key)

    def client(self, service: str, region: str = "us-east-1") -> Any:
        """Return a boto3 client without retries."""
        return root_client(
            self, service, region, retries={"total_max_attempts": 1}, read_timeout=HANG_SECONDS
        )

    @cached_property
    def functions(self) -> Any:
        """Return a Lambda client, and create the role of the functions."""
        with contextlib.suppress(Exception):
            trust_policy = document(trust({"Service": "lambda.amazonaws.com"}))
            self.client("iam").create_role(RoleName="function", AssumeRolePolicyDocument=trust_policy)
        return self.client("lambda")

    def create_function(
        self, name: str, files: Mapping[str, str] | bytes, handler: str = "app.handler", **settings: Any
    ) -> str:
        """Create a function from files, or from a whole zip; returns its ARN."""
        code = files if isinstance(files, bytes) else zipped(files)
        created = self.functions.create_function(
            FunctionName=name,
            Runtime="python3.13",
            Handler=handler,
            Code={"ZipFile": code},
            **{"Timeout": TIMEOUT_SECONDS, "Role": ROLE, **settings},
        )
        return str(created["FunctionArn"])

    def status(self) -> dict[str, Any]:
        """Return the status that the cloud reports."""
        return dict(call(self, "/_toolkit/status"))

    def log_lines(self, function: str) -> list[str]:
        """Return all lines of a function's log group, in order within each stream."""
        logs = self.client("logs")
        group = f"/aws/lambda/{function}"
        if not logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]:
            return []
        lines = []
        for stream in logs.describe_log_streams(logGroupName=group)["logStreams"]:
            events = logs.get_log_events(
                logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True
            )
            lines += [event["message"] for event in events["events"]]
        return lines

    def statistic(self, namespace: str, name: str, kind: str, **dimensions: str) -> float | None:
        """Return one statistic of a metric over the last hour, or None without values."""
        response = self.client("cloudwatch").get_metric_statistics(
            Namespace=namespace,
            MetricName=name,
            Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
            StartTime=datetime.now(UTC) - timedelta(hours=1),
            EndTime=datetime.now(UTC) + timedelta(minutes=1),
            Period=7200,
            Statistics=[kind],
        )["Datapoints"]
        return float(response[0][kind]) if response else None


def zipped(files: Mapping[str, str], executable: str = "run.sh") -> bytes:
    """Return a zip file of texts by name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (0o755 if name == executable else 0o644) << 16
            archive.writestr(entry, text)
    return buffer.getvalue()


@contextlib.contextmanager
def running(directory: Path, **environment: str) -> Iterator[CloudProcess]:
    """Run a cloud with its files in `directory` and these environment variables, until the block ends."""
    directory.mkdir(parents=True, exist_ok=True)
    log = directory / "cloud.log"
    command = [sys.executable, "-m", "toolkit.local.server", "--directory", str(directory)]
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*command, "--instance-id", uuid.uuid4().hex],
            cwd=ROOT,
            env=clean_environment(TOOLKIT_PROJECT=str(ROOT), **environment),
            stdout=output,
            stderr=output,
        )
    try:
        address = _address(directory, process, log)
        yield CloudProcess(address, log, (ROOT_ACCESS_KEY, Folder(directory).read_secret()))
    finally:
        process.terminate()
        process.wait(HANG_SECONDS)
        assert_no_unhandled_exceptions(log)


def _address(directory: Path, process: subprocess.Popen[bytes], log: Path) -> str:
    record = directory / "cloud.json"
    wait_for(lambda: record.exists() or process.poll() is not None, "the cloud")
    assert process.poll() is None, log.read_text()
    return f"http://127.0.0.1:{json.loads(record.read_text())['port']}"
