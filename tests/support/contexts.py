"""The context of a small environment in an embedded cloud, and its requests to SageMaker."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.support.cloud import make_checkout
from toolkit.aws import state_bucket
from toolkit.aws.access import AwsAccess
from toolkit.console import Console
from toolkit.deployment.context import Context
from toolkit.deployment.outputs import DeployedModel, Outputs
from toolkit.deployment.prepare import STACK, Prepared
from toolkit.environment import load
from toolkit.terraform import Counts, Plan

ENVIRONMENT = """\
target: local
name: llm
region: us-east-1
models:
"""
MODEL = """\
  {name}:
    serving: {{engine: llama_cpp}}
    source: {{server: "http://127.0.0.1:11434/v1"}}
    instance_type: ml.c7i.xlarge
"""


@dataclass
class Opened:
    """An opened environment, and the output for its user.

    Attributes:
        context: its context.
    """

    context: Context
    _stderr: io.StringIO

    @property
    def stderr_lines(self) -> list[str]:
        """The lines of standard error."""
        return self._stderr.getvalue().splitlines()


def opened(
    directory: Path, access: AwsAccess, models: Sequence[str] = ("m",), env: str = "x", further: str = ""
) -> Opened:
    """Open an environment with these models and further text in its file; nothing is deployed."""
    project = make_checkout(directory)
    text = ENVIRONMENT + "".join(MODEL.format(name=name) for name in models)
    project.environment_file(env).write_text(text + further)
    stderr = io.StringIO()
    console = Console(err=stderr, interactive=False)
    return Opened(Context(project, load(project, env), access, console, cloud_instance=None), stderr)


def deployed(
    endpoint: str, configuration: str, variants: Sequence[str] = ("AllTraffic",), alarms: Sequence[str] = ()
) -> DeployedModel:
    """A model as an apply would leave it in the state."""
    return DeployedModel(
        endpoint_name=endpoint,
        endpoint_type="realtime",
        endpoint_config_name=configuration,
        variant_names=list(variants),
        model_names=dict.fromkeys(variants, "model"),
        instance_types=dict.fromkeys(variants, "ml.c7i.xlarge"),
        alarm_names=list(alarms),
    )


def outputs(models: Mapping[str, DeployedModel], *, paused: bool = False) -> Outputs:
    """Return the outputs of an environment with these models."""
    values: dict[str, Any] = dict.fromkeys(Outputs.__dataclass_fields__, "")
    return Outputs(**values | {"models": dict(models), "paused": paused})


def unchanged(environment: Opened, models: Mapping[str, DeployedModel]) -> Prepared:
    """Return a plan without changes, for a stored state with these models."""
    context = environment.context
    access, file = context.access, context.environment
    plan = access.apigateway.create_usage_plan(name=file.prefix)["id"]
    values = {
        "models": {name: asdict(model) for name, model in models.items()},
        "usage_plan_ids": {"default": plan},
        "region": access.region,
        "paused": False,
        "functions": {},
        "log_groups": {},
        "api_id": "none",
        "api_invoke_url": "none",
        "api_stage": file.api.stage,
    }
    state = {
        "version": 4,
        "lineage": "test",
        "serial": 1,
        "outputs": {name: {"value": value} for name, value in values.items()},
        "resources": [],
    }
    state_bucket.ensure(access, file.state_bucket)
    state_bucket.write(access, file.state_bucket, file.state_key, json.dumps(state).encode())
    build = context.project.environment_build(file.name)
    build.mkdir(parents=True)
    for name in ("inference.tfvars", "plan.tfplan"):
        (build / name).touch()
    plan_file = build / "plan.tfplan"
    empty_plan = Plan(plan_file, has_changes=False, destroy=False, counts=Counts(), changes=(), drift=())
    return Prepared(context.workspace(STACK), empty_plan, "apply", staged={}, packages={})


@dataclass
class DescribeRequests:
    """The DescribeEndpoint requests of a client.

    Attributes:
        names: the endpoints, in order.
        on_response: called with each response before the client receives it.
    """

    names: list[str] = field(default_factory=list)
    on_response: Callable[[Mapping[str, Any]], None] = lambda _: None

    def record(self, params: Mapping[str, Any], **_: Any) -> None:
        """Record a request."""
        self.names.append(params["EndpointName"])

    def respond(self, parsed: Mapping[str, Any], **_: Any) -> None:
        """Pass a response on."""
        self.on_response(parsed)


@contextmanager
def recorded_requests(access: AwsAccess) -> Iterator[DescribeRequests]:
    """Record each DescribeEndpoint of a client, until the block ends."""
    events, requests = access.sagemaker.meta.events, DescribeRequests()
    hooks = {
        "before-parameter-build.sagemaker.DescribeEndpoint": requests.record,
        "after-call.sagemaker.DescribeEndpoint": requests.respond,
    }
    for event, hook in hooks.items():
        events.register(event, hook)
    try:
        yield requests
    finally:
        for event, hook in hooks.items():
            events.unregister(event, hook)
