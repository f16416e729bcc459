"""Autoscaling, an asynchronous endpoint, and an API without keys, in a separate deployment."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.checkout import copy_checkout
from tests.support.cloud import Engine, eventually, respond
from tests.support.commands import failures
from tests.support.deployers import complete
from tests.support.patience import HANG_SECONDS
from tests.support.toolkit import Toolkit

pytestmark = pytest.mark.e2e

# A server of the test serves both models, so that instances start immediately.
ENVIRONMENT = """\
target: local
name: llm
region: us-east-1
account:
  lifecycle_rules: false
models:
  chat:
    serving: {{engine: llama_cpp, environment: {{MODEL_GREETING: hello}}}}
    source: {{server: "{url}"}}
    instance_type: ml.c7i.xlarge
    startup_timeout_seconds: 3600
    capacity: {{min: 1, max: 3, concurrent_requests: 2}}
  jobs:
    serving: {{engine: llama_cpp}}
    source: {{server: "{url}"}}
    instance_type: ml.c7i.xlarge
    startup_timeout_seconds: 3600
    endpoint: {{async: {{}}}}
    capacity: {{max: 2}}
  small:
    serving: {{engine: llama_cpp}}
    source: {{server: "{url}"}}
    endpoint: {{serverless: {{memory_mb: 3072}}}}
# Without API keys, and so without an authorizer: all other tests have them.
api: {{auth: iam}}
"""
# A minute of waiting in 0.3 s.
TIME_SCALE = "0.005"


@dataclass
class Deployment:
    """The environment, deployed, and clients of its cloud."""

    toolkit: Toolkit
    outputs: dict[str, Any]
    clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        if service not in self.clients:
            self.clients[service] = self.toolkit.client(service)
        return self.clients[service]

    def endpoint(self, model: str) -> dict[str, Any]:
        name = self.outputs["models"][model]["endpoint_name"]
        return dict(self.client("sagemaker").describe_endpoint(EndpointName=name))

    def count(self, model: str) -> int:
        """Return the number of running instances, or -1 during an update."""
        endpoint = self.endpoint(model)
        [variant] = endpoint["ProductionVariants"]
        counts = {variant["DesiredInstanceCount"], variant["CurrentInstanceCount"]}
        return int(counts.pop()) if endpoint["EndpointStatus"] == "InService" and len(counts) == 1 else -1


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = Engine()
    yield engine
    engine.stop()


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Iterator[Deployment]:
    program = Toolkit(copy_checkout(tmp_path_factory.mktemp("capacity") / "project"))
    write(program.project, ENVIRONMENT.format(url=engine.url))
    applied = program("apply", "--env", "local", TOOLKIT_LOCAL_TIME_SCALE=TIME_SCALE)
    assert applied.returncode == 0, applied.stdout + applied.stderr
    yield Deployment(program, json.loads(program.succeed("outputs", "--env", "local", "--json")))
    program.stop_cloud()


def write(project: Path, text: str) -> None:
    (project / "terraform" / "environments" / "local.yaml").write_text(text)


@pytest.fixture
def load(deployment: Deployment, engine: Engine) -> Iterator[None]:
    """Keep eight requests for the model `chat` in progress."""
    over = threading.Event()

    def take_time(handler: Any, _: dict[str, Any]) -> None:
        time.sleep(0.3)  # a busy model
        respond(handler, 200, b"{}")

    engine.behaviour = take_time
    runtime = deployment.client("sagemaker-runtime")
    name, body = deployment.outputs["models"]["chat"]["endpoint_name"], b'{"prompt": "p"}'

    def ask() -> None:
        while not over.is_set():
            runtime.invoke_endpoint(EndpointName=name, Body=body, ContentType="application/json")

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    yield
    over.set()
    for thread in threads:
        thread.join(HANG_SECONDS)


@pytest.mark.timeout(900)
@pytest.mark.usefixtures("load")
def test_an_apply_keeps_a_fleet_that_grew(deployment: Deployment, engine: Engine) -> None:
    eventually(lambda: deployment.count("chat") == 3)
    before = deployment.endpoint("chat")

    unchanged = deployment.toolkit("apply", "--env", "local")
    assert unchanged.returncode == 0, unchanged.stderr
    after = deployment.endpoint("chat")
    assert after["EndpointConfigName"] == before["EndpointConfigName"]
    assert after["LastModifiedTime"] == before["LastModifiedTime"]

    text = ENVIRONMENT.format(url=engine.url).replace("MODEL_GREETING: hello", "MODEL_GREETING: goodbye")
    write(deployment.toolkit.project, text)
    changed = deployment.toolkit("apply", "--env", "local")
    assert changed.returncode == 0, changed.stderr
    assert deployment.endpoint("chat")["EndpointConfigName"] != before["EndpointConfigName"]
    assert deployment.count("chat") == 3


@pytest.mark.timeout(900)
def test_asynchronous_requests_and_responses_are_in_s3(deployment: Deployment, engine: Engine) -> None:
    s3, runtime = deployment.client("s3"), deployment.client("sagemaker-runtime")
    outputs = deployment.outputs["models"]["jobs"]
    bucket, _, prefix = outputs["async_output_s3_uri"].removeprefix("s3://").partition("/")

    def invoke(body: bytes) -> dict[str, Any]:
        key = f"{prefix}requests/{time.monotonic_ns()}.json"
        s3.put_object(Bucket=bucket, Key=key, Body=body)
        location = f"s3://{bucket}/{key}"
        response: dict[str, Any] = runtime.invoke_endpoint_async(
            EndpointName=outputs["endpoint_name"], InputLocation=location, ContentType="application/json"
        )
        return response

    def read(uri: str) -> bytes:
        key = uri.removeprefix(f"s3://{bucket}/")
        eventually(lambda: s3.list_objects_v2(Bucket=bucket, Prefix=key)["KeyCount"] == 1)
        return bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read())

    engine.behaviour = lambda handler, request: respond(handler, 200, json.dumps(request["body"]).encode())
    response = invoke(b'{"prompt": "one"}')
    assert response["OutputLocation"].startswith(outputs["async_output_s3_uri"])
    assert json.loads(read(response["OutputLocation"]))["prompt"] == "one"
    assert b"neither `messages` nor `prompt`" in read(invoke(b'{"question": "two"}')["FailureLocation"])

    # The queue is empty: the instances stop. A request starts one again.
    eventually(lambda: deployment.count("jobs") == 0)
    assert json.loads(read(invoke(b'{"prompt": "three"}')["OutputLocation"]))["prompt"] == "three"


@pytest.mark.timeout(900)
def test_commands_work_without_keys_and_while_paused(deployment: Deployment, engine: Engine) -> None:
    """With endpoints of each type. The deployment is paused afterwards."""
    engine.behaviour = complete
    assert failures(deployment.toolkit, auth="iam") == []
    checks = json.loads(deployment.toolkit.succeed("smoke-test", "--env", "local", "--json", "--wake"))
    verdicts = {(check["model"], check["name"]): check["verdict"] for check in checks}
    assert set(verdicts.values()) == {"passed"}
    assert verdicts["jobs", "asynchronous invocation"] == "passed"
    assert (None, "request without signature refused") in verdicts
    assert not {("small", "runtime streaming"), ("jobs", "API call")} & verdicts.keys()
    bench = _benchmark_of_one_request(deployment.toolkit)
    measured = deployment.toolkit.succeed(*bench)
    assert [line.split()[:5] for line in measured.splitlines() if line.startswith(("api", "runtime"))] == [
        [target, "1", "client", "1", "0"] for target in ("api", "runtime")
    ]
    deployment.toolkit.succeed("pause", "--env", "local", "--allow-destroy", "local")
    assert failures(deployment.toolkit, auth="iam", paused=True) == []
    assert deployment.toolkit(*bench).returncode == 4


def _benchmark_of_one_request(toolkit: Toolkit) -> list[str]:
    """The command, for the API and the runtime; both requests are signed."""
    prompts = toolkit.project / "prompts.jsonl"
    prompts.write_text('{"prompt": "Hello!"}')
    options = ["--target", "both", "--concurrency", "1", "--requests", "1", "--no-save"]
    return ["bench", "--env", "local", "--model", "chat", "--dataset", str(prompts), *options]
