"""Verified rollouts: the effect of good and bad releases on clients and on the deployer."""

from __future__ import annotations

import http.server
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import apiclients
from tests.support.checkout import copy_checkout
from tests.support.cloud import Engine, Hosting, respond
from tests.support.rollouts import Site
from tests.support.stuck import Stuck
from tests.support.toolkit import Toolkit

pytestmark = pytest.mark.e2e

CANARY = "{strategy: canary, percent: 50, wait_seconds: 240, bake_seconds: 240, quality: true}"
# An hour, of which the rollback needs the first minutes.
LONG_CANARY = "{strategy: canary, percent: 50, wait_seconds: 3600, bake_seconds: 240, quality: true}"
EXPECTATIONS = """\
    expectations:
      - {name: english, prompt: "Where is the Eiffel Tower?", language: en}
      - {name: in Paris, prompt: "Where is the Eiffel Tower?", contains: [Paris]}
"""
NOT_HEALTHY = "did not pass the ping health check"


def respond_to_all(handler: http.server.BaseHTTPRequestHandler, request: dict[str, Any]) -> None:
    """Stream the model's name to clients, and answer expectations: in German if it is called so."""
    name = str(request["body"]["model"])
    if request["body"].get("stream"):
        apiclients.echo_model_name(handler, request)
        return
    text = "The Eiffel Tower is in Paris, the capital of France."
    if name == "german":
        text = "Der Eiffelturm steht in Paris, der Hauptstadt von Frankreich."
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    respond(handler, 200, json.dumps({"model": name, "choices": [choice]}).encode())


@pytest.fixture(scope="module")
def healthy_engine() -> Iterator[Engine]:
    """The server of healthy releases."""
    engine = Engine()
    engine.behaviour = respond_to_all
    yield engine
    engine.stop()


@pytest.fixture
def failing_engine() -> Iterator[Engine]:
    """The server of an unhealthy release."""
    engine = Engine()
    yield engine
    engine.stop()


@pytest.fixture(scope="module")
def site(healthy_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A serving environment whose rollouts start with half of the fleet."""
    toolkit = Toolkit(copy_checkout(tmp_path_factory.mktemp("rollouts") / "project"))
    site = Site(toolkit, "roll")
    site.declare(healthy_engine.url, rollout=CANARY, more=EXPECTATIONS)
    applied = site.run("apply")
    assert applied.returncode == 0, applied.stderr
    yield site
    toolkit.stop_cloud()


@pytest.fixture(scope="module")
def api(site: Site) -> tuple[str, str]:
    """The API's base URL and a key."""
    outputs = json.loads(site.run("outputs", "--json").stdout)
    key = site.toolkit.succeed("keys", "show", "default", "--env", site.env).strip()
    return outputs["api_base_url"], key


def serving(site: Site) -> str:
    endpoint = site.client("sagemaker").describe_endpoint(EndpointName=site.endpoint)
    assert endpoint["EndpointStatus"] == "InService"
    return str(endpoint["EndpointConfigName"])


def declared(site: Site) -> str:
    """The declaration of the serving release."""
    sagemaker = site.client("sagemaker")
    configuration = sagemaker.describe_endpoint_config(EndpointConfigName=serving(site))
    (variant,) = configuration["ProductionVariants"]
    container = sagemaker.describe_model(ModelName=variant["ModelName"])["PrimaryContainer"]
    return str(container["Environment"]["OPENAI_MODEL"])


def releases(site: Site) -> list[Any]:
    return list(json.loads(site.run("releases", "--json").stdout))


@pytest.mark.timeout(900)
def test_a_canary_loses_no_request(site: Site, healthy_engine: Engine, api: tuple[str, str]) -> None:
    site.declare(healthy_engine.url, "second", rollout=CANARY, more=EXPECTATIONS)
    before = serving(site)
    with apiclients.clients(8, *api) as traffic:
        applied = site.run("apply", "--html", "build/rollout.html")
    assert applied.returncode == 0, applied.stderr
    page = (site.toolkit.project / "build" / "rollout.html").read_text()
    assert "the planned configuration is serving" in page
    assert all(event in page for event in ("baking", f"old fleet ({before})", "2 instances, 50 %"))
    assert traffic.failures == []
    assert traffic.responses["first"] > 0
    assert traffic.responses["second"] > 0
    assert serving(site) != before
    assert "m: 2 expectations met" in applied.stderr
    # The phases, with the new fleet's share of the traffic.
    shares = [int(share) for share in re.findall(r"m: Updating.* (\d+) % of the traffic", applied.stderr)]
    assert shares == sorted(shares)
    assert {50, 100} <= set(shares)
    assert "baking" in applied.stderr


@pytest.mark.timeout(900)
def test_a_model_that_fails_under_traffic_is_rolled_back(
    site: Site, failing_engine: Engine, healthy_engine: Engine, api: tuple[str, str]
) -> None:
    failing_engine.behaviour = apiclients.broken
    site.declare(failing_engine.url, "broken", rollout=CANARY, more=EXPECTATIONS)
    before, recorded = serving(site), releases(site)
    with apiclients.clients(8, *api) as traffic:
        applied = site.run("apply", "--html", "build/rollout.html")
    assert applied.returncode == 6, applied.stderr
    page = (site.toolkit.project / "build" / "rollout.html").read_text()
    assert "was rolled back by SageMaker" in page
    assert "Alarms that fired: llm-roll-m-AllTraffic-server-errors" in page
    assert traffic.failures  # the canary's share of the traffic
    assert serving(site) == before
    assert "rolled back by SageMaker" in applied.stderr
    assert (
        "alarm llm-roll-m-AllTraffic-server-errors (Invocation5XXErrors, threshold 0.05) fired"
        in applied.stderr
    )
    assert f"serves now: {before}" in applied.stderr
    assert releases(site) == recorded

    # The next plan shows that the declared release is not serving; declaring the serving one changes nothing.
    assert ".aws_sagemaker_endpoint.this[0]" in site.run("plan").stdout
    site.declare(healthy_engine.url, declared(site), rollout=CANARY, more=EXPECTATIONS)
    repaired = site.run("apply")
    assert repaired.returncode == 0, repaired.stderr
    assert serving(site) == before


@pytest.mark.timeout(900)
def test_a_model_with_the_wrong_language_is_rolled_back(site: Site, healthy_engine: Engine) -> None:
    site.declare(healthy_engine.url, "german", rollout=LONG_CANARY, more=EXPECTATIONS)
    before, recorded = serving(site), releases(site)
    applied = site.run("apply")
    assert applied.returncode == 6, applied.stderr
    assert serving(site) == before
    assert releases(site) == recorded
    assert "rolled back by SageMaker" in applied.stderr
    assert "the new fleet did not meet the expectation english: 4 of 4 answers failed: " in applied.stderr
    assert "the new fleet did not meet the expectation in Paris" not in applied.stderr
    assert "alarm llm-roll-m-quality (FailedExpectations, threshold 1.0) fired" in applied.stderr
    # While the canary baked, before the new fleet got all of the traffic.
    assert "baking, 50 % of the traffic on the new fleet, 1 of 2 expectations met, 1 failed" in applied.stderr
    assert "100 % of the traffic" not in applied.stderr


@pytest.mark.timeout(900)
@pytest.mark.parametrize("failure", ["never answers", "ends at once"])
def test_an_unhealthy_release_does_not_affect_clients(
    site: Site, failing_engine: Engine, api: tuple[str, str], failure: str
) -> None:
    failing_engine.healthy = False
    server = failing_engine.url if failure == "never answers" else "http://192.0.2.1/v1"
    site.declare(server, failure, startup=60, rollout=CANARY, more=EXPECTATIONS)
    before, recorded, name = serving(site), releases(site), declared(site)
    with apiclients.clients(2, *api) as traffic:
        applied = site.run("apply")
    assert applied.returncode == 6, applied.stderr
    assert traffic.failures == []
    assert set(traffic.responses) == {name}
    assert serving(site) == before
    assert NOT_HEALTHY in applied.stderr
    if failure == "never answers":
        assert "did not answer /ping with 200 within 60 seconds" in applied.stderr
        assert f"relaying to {failing_engine.url}" in applied.stderr
    else:
        assert "ended with exit code 1" in applied.stderr
        assert "invalid OPENAI_BASE_URL: 192.0.2.1 is not this machine" in applied.stderr
    # The old fleet's log lines are not shown.
    assert "relaying to" not in applied.stderr.replace(f"relaying to {failing_engine.url}", "")
    assert releases(site) == recorded


def test_an_endpoint_with_mixed_configurations_is_repaired(
    site: Site, failing_engine: Engine, healthy_engine: Engine
) -> None:
    site.declare(healthy_engine.url, declared(site), rollout=CANARY, more=EXPECTATIONS)
    before = serving(site)
    # Two manual updates; the second can neither finish nor roll back.
    Stuck(Hosting(site.client, site.client("sagemaker")), (healthy_engine, failing_engine), site.endpoint)
    applied = site.run("apply")
    assert applied.returncode == 0, applied.stderr
    assert f"warning: endpoint {site.endpoint} is UpdateRollbackFailed" in applied.stderr
    assert serving(site) == before


def test_read_only_commands_write_nothing_to_stderr(site: Site) -> None:
    for command in ("outputs", "status", "releases"):
        assert site.run(command).stderr == ""
