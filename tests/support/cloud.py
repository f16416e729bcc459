"""Helpers around an embedded cloud: waiting, clients, and endpoints that relay to a server of the test."""

from __future__ import annotations

import contextlib
import http.server
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from tests.support.access import root_client
from tests.support.iam import document, trust
from tests.support.patience import HANG_SECONDS, wait_for
from toolkit.aws.access import AwsAccess
from toolkit.local.client import RunningCloud
from toolkit.project import Project

Aws = Callable[..., Any]


def make_checkout(directory: Path) -> Project:
    (directory / "terraform" / "environments").mkdir(parents=True)
    return Project(directory)


def eventually(condition: Callable[[], bool]) -> None:
    wait_for(condition)


def environment_of(pid: int) -> dict[str, str]:
    """The environment of a running process, which the kernel shows as empty until its program is loaded."""
    process = psutil.Process(pid)
    wait_for(process.environ, f"the environment of process {pid}")
    return process.environ()


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def aws_clients(cloud: RunningCloud | AwsAccess) -> Aws:
    return partial(root_client, cloud, retries={"max_attempts": 0}, read_timeout=HANG_SECONDS)


# For short time scales: on a busy machine, a container can need longer than the scaled default.
PATIENT = {"ContainerStartupHealthCheckTimeoutInSeconds": 3600}
LLAMA_IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/llama-cpp:server-sagemaker-cpu-v1"
MANIFEST = '{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json"}'
# Of no engine that runs here.
UNKNOWN_IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/unknown:1"
ROLE = "arn:aws:iam::123456789012:role/HuggingfaceExecuteRole"
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Alarm:
    """An alarm that a test triggers."""

    cloudwatch: Any
    name: str

    def trigger(self, reason: str = "by hand") -> None:
        self.cloudwatch.set_alarm_state(AlarmName=self.name, StateValue="ALARM", StateReason=reason)


def push_image(ecr: Any, repository: str) -> str:
    """Push an image; returns its URI."""
    uri = ecr.create_repository(repositoryName=repository)["repository"]["repositoryUri"]
    ecr.put_image(repositoryName=repository, imageManifest=MANIFEST, imageTag="own")
    return f"{uri}:own"


def create_role(iam: Any, arn: str = ROLE) -> None:
    """Create an execution role of models, if it does not exist."""
    with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):
        policy = document(trust({"Service": "sagemaker.amazonaws.com"}))
        iam.create_role(RoleName=arn.rpartition("/")[2], AssumeRolePolicyDocument=policy)


@dataclass
class Hosting:
    """Creates models, configurations and endpoints with unique names in the shared cloud."""

    aws: Aws
    sagemaker: Any
    created: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        create_role(self.aws("iam"))

    def configuration(
        self, *, image: str = LLAMA_IMAGE, container: dict[str, Any] | None = None, **variant: Any
    ) -> str:
        name = f"test-{next(_numbers)}"
        self.sagemaker.create_model(
            ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer={"Image": image} | (container or {})
        )
        variants = [
            {
                "VariantName": "AllTraffic",
                "ModelName": name,
                "InstanceType": "ml.c7i.xlarge",
                "InitialInstanceCount": 1,
            }
            | variant
        ]
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=variants)
        return name

    def alarm(self, name: str) -> Alarm:
        """Create an alarm that only a test triggers."""
        cloudwatch = self.aws("cloudwatch")
        cloudwatch.put_metric_alarm(
            AlarmName=name,
            Namespace="Test",
            MetricName="none",
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanThreshold",
            TreatMissingData="ignore",
        )
        return Alarm(cloudwatch, name)

    def error_alarm(self, name: str, endpoint: str, configuration: str) -> str:
        """Create the module's rollout alarm on server errors of a new configuration."""
        dimensions = {
            "EndpointName": endpoint,
            "VariantName": "AllTraffic",
            "EndpointConfigName": configuration,
        }
        self.aws("cloudwatch").put_metric_alarm(
            AlarmName=name,
            Namespace="AWS/SageMaker",
            MetricName="Invocation5XXErrors",
            Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
            Statistic="Average",
            Period=60,
            EvaluationPeriods=1,
            Threshold=0.05,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            TreatMissingData="notBreaching",
        )
        return name

    def endpoint(self, configuration: str, name: str | None = None, **members: Any) -> str:
        name = name or f"endpoint-{next(_numbers)}"
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=configuration, **members)
        self.created.append(name)
        return name

    def settled(self, name: str) -> dict[str, Any]:
        """Wait until the endpoint is stable and return its description."""
        description: dict[str, Any] = {}

        def is_settled() -> bool:
            description.update(self.sagemaker.describe_endpoint(EndpointName=name))
            return description["EndpointStatus"] in ("InService", "Failed", "UpdateRollbackFailed")

        wait_for(is_settled, f"the endpoint {name}")
        return dict(self.sagemaker.describe_endpoint(EndpointName=name))

    def delete(self, name: str) -> None:
        self.sagemaker.delete_endpoint(EndpointName=name)
        wait_for(lambda: not self.exists(name), f"the end of {name}")

    def delete_all(self) -> None:
        """Delete all endpoints; engines must be healthy, since updating endpoints cannot be deleted."""
        for name in [endpoint for endpoint in self.created if self.exists(endpoint)]:
            self.settled(name)
            self.delete(name)

    def exists(self, name: str) -> bool:
        endpoints = self.sagemaker.list_endpoints(NameContains=name)["Endpoints"]
        return name in [endpoint["EndpointName"] for endpoint in endpoints]

    def log(self, endpoint: str) -> list[str]:
        logs, group = self.aws("logs"), f"/aws/sagemaker/Endpoints/{endpoint}"
        return [event["message"] for event in logs.filter_log_events(logGroupName=group)["events"]]


Behaviour = Callable[[http.server.BaseHTTPRequestHandler, dict[str, Any]], None]


class _Server(http.server.ThreadingHTTPServer):
    # Python's default is 5; further connections are dropped and retried after 1, 2, 4, … 32 s.
    request_queue_size = 1024
    daemon_threads = True


class Engine:
    """An OpenAI-compatible server in the test process, whose responses the test controls.

    It represents a program that the user runs, such as Ollama.
    """

    def __init__(self) -> None:
        self.healthy = True
        self.before_health_check: Callable[[], None] = lambda: (
            None
        )  # called before each health check response
        self.behaviour: Behaviour = lambda handler, _: respond(handler, 200, b'{"ok": true}')
        self.requests: list[dict[str, Any]] = []
        engine = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                engine.before_health_check()
                respond(self, 200 if engine.healthy else 503, b"{}")

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                request = {"path": self.path, "headers": dict(self.headers), "body": json.loads(body)}
                engine.requests.append(request)
                engine.behaviour(self, request)

            def log_message(self, *_: object) -> None:
                return

        self._server = _Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def container(self) -> dict[str, Any]:
        return {"Environment": {"OPENAI_BASE_URL": self.url, "OPENAI_MODEL": "served"}}

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def respond(handler: http.server.BaseHTTPRequestHandler, status: int, body: bytes) -> None:
    handler.send_response(status)
    handler.send_header("content-type", "application/json")
    handler.send_header("content-length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def stream(handler: http.server.BaseHTTPRequestHandler, parts: Iterator[bytes]) -> None:
    handler.send_response(200)
    handler.send_header("content-type", "text/event-stream")
    handler.send_header("transfer-encoding", "chunked")
    handler.end_headers()
    for part in parts:
        handler.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        handler.wfile.flush()
    handler.wfile.write(b"0\r\n\r\n")


def paced(parts: list[bytes], seconds: float) -> Iterator[bytes]:
    """Yield the parts of a slow model, one every `seconds`."""
    for part in parts:
        yield part
        time.sleep(seconds)
