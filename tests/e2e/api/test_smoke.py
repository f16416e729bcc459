"""The smoke test of a healthy deployment, and of one with a fault, which is found at its layer."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest

from tests.e2e.api.conftest import Api
from tests.e2e.api.faults.access import ACCESS
from tests.e2e.api.faults.api import API
from tests.e2e.api.faults.deployment import Deployment, completes
from tests.e2e.api.faults.endpoint import ENDPOINT
from tests.e2e.api.faults.gateway import GATEWAY
from tests.e2e.api.faults.models import MODELS
from tests.e2e.api.faults.telemetry import TELEMETRY
from tests.support.patience import wait_for
from toolkit.aws.access import AwsAccess
from toolkit.console import Console
from toolkit.deployment import outputs as deployment_outputs
from toolkit.deployment.context import Context
from toolkit.environment import load
from toolkit.project import Project
from toolkit.smoke import Layer, Options

pytestmark = pytest.mark.e2e

DECLARED = (Layer.EXPECTATIONS, Layer.OBJECTIVES)
FAULTS = ENDPOINT | MODELS | GATEWAY | ACCESS | API | TELEMETRY


@pytest.fixture
def deployment(api: Api) -> Iterator[Deployment]:
    project, cloud = Project(api.toolkit.project), api.toolkit.cloud
    environment = load(project, "clients")
    access = AwsAccess(environment.region, environment.account_id, cloud.endpoint_url, cloud.root_key)
    console = Console(io.StringIO(), io.StringIO(), interactive=False)
    context = Context(project, environment, access, console, cloud.instance_id)
    before, api.engine.behaviour = api.engine.behaviour, completes()
    deployment = Deployment(api, context, deployment_outputs.read(context))
    # Failed requests of other tests may have set them off.
    deployment.echo(alarm_names=[])
    yield deployment
    api.engine.behaviour = before


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_at_its_layer_with_its_cause(deployment: Deployment, name: str) -> None:
    fault = FAULTS[name]
    with fault.plant(deployment):
        checks = deployment.run()
    failed = [item for item in checks if item.ok is False]
    assert failed, checks
    assert (failed[0].layer, failed[0].name) == (fault.layer, fault.check), failed[0].line()
    assert fault.cause in (failed[0].cause or ""), failed[0].line()
    assert failed[0].command
    assert len(failed) == 1, [item.line() for item in failed]
    assert deployment.api.key not in "".join(item.line() for item in checks)


def test_a_healthy_deployment_passes(deployment: Deployment) -> None:
    deployment.options = Options(models=["smollm2", "embedder", "echo"])
    deployment.outputs = deployment_outputs.read(deployment.context)
    cloudwatch = deployment.client("cloudwatch")
    # Failed requests of other tests have set some off.
    wait_for(lambda: not cloudwatch.describe_alarms(StateValue="ALARM")["MetricAlarms"], "quiet alarms")
    checks = deployment.run()
    assert [check.line() for check in checks if not check.ok] == []
    layers = {model: [check.layer for check in checks if check.model == model] for model in (None, "echo")}
    inner = [Layer.ENDPOINT, Layer.ENDPOINT, Layer.ENDPOINT, Layer.INVOCATION, Layer.STREAMING]
    assert layers["echo"] == [*inner, Layer.API, Layer.API_STREAMING]
    assert set(layers[None]) == {Layer.GATEWAY, Layer.KEYS, Layer.ERRORS, Layer.LOGS}
    embedder = {check.name: check.detail for check in checks if check.model == "embedder"}
    assert embedder["API call"] == embedder["runtime invocation"] == "576 dimensions"
    assert "runtime streaming" not in embedder
    assert embedder["expectation cats"].startswith('cosine to "a cat!" 0.')
    declared = {check.name: check for check in checks if check.model == "smollm2" and check.layer in DECLARED}
    assert {name.split()[0] for name in declared} == {"expectation", "objective"}
    assert '"fruit"' in declared["expectation fruit"].detail
    assert "of 5 requests" in declared["objective first_token_ms"].detail
    assert deployment.api.key not in "".join(check.line() for check in checks)


def test_a_failed_model_leaves_the_others_and_the_api(deployment: Deployment) -> None:
    deployment.options = Options(models=["gone", "echo"])
    verdicts = {(check.subject, check.name): check.verdict for check in deployment.run()}
    assert verdicts.pop(("gone", "endpoint InService")) == "failed"
    others = {name: verdict for (subject, name), verdict in verdicts.items() if subject == "gone"}
    assert set(others.values()) == {"not run"}
    assert len(others) == 6
    assert {verdict for (subject, _), verdict in verdicts.items() if subject != "gone"} == {"passed"}
