"""Killed applies and failed endpoints: the next apply recovers, and destroy leaves nothing."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator

import pytest

from tests.support.checkout import copy_checkout
from tests.support.cloud import Engine
from tests.support.rollouts import Site
from tests.support.toolkit import Toolkit

pytestmark = pytest.mark.e2e
BUCKET = "llm-state-123456789012-us-east-1"


@pytest.fixture(scope="module")
def toolkit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Toolkit]:
    """A separate checkout and cloud, because the tests kill commands there."""
    program = Toolkit(copy_checkout(tmp_path_factory.mktemp("cut") / "project"))
    yield program
    program.stop_cloud()


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine()
    yield engine
    engine.stop()


@pytest.mark.timeout(900)
def test_killed_while_creating_and_while_updating(toolkit: Toolkit, engine: Engine) -> None:
    site = Site(toolkit, "killed")
    engine.healthy = False
    site.declare(engine.url)
    site.kill_when(lambda: site.status() == "Creating" and site.has(f"get_deployments: llm-{site.env}"))
    assert f"list_endpoints: {site.endpoint}" in site.remaining()

    engine.healthy = True
    applied = site.run("apply")
    assert applied.returncode == 0, applied.stderr
    assert f"importing sagemaker endpoint {site.endpoint}" in applied.stderr
    assert sorted(set(site.remaining())) == sorted(site.remaining())  # nothing was created twice
    assert "no changes" in site.run("apply").stderr

    engine.healthy = False
    site.declare(engine.url, "second", startup=600)
    site.kill_when(lambda: site.status() == "Updating")
    destroyed = site.run("destroy", "--yes")
    assert destroyed.returncode == 0, destroyed.stderr
    assert f"{site.endpoint}: Updating" in destroyed.stderr  # destroy waited for it
    assert site.remaining() == []


@pytest.mark.timeout(900)
def test_killed_while_creating_and_destroyed(toolkit: Toolkit, engine: Engine) -> None:
    site = Site(toolkit, "halfway")
    engine.healthy = False
    site.declare(engine.url)
    created = (
        f"list_dashboards: llm-{site.env}",
        f"get_deployments: llm-{site.env}",
        f"list_endpoints: {site.endpoint}",
        f"describe_alarms: {site.endpoint}-AllTraffic-server-errors",
    )
    site.kill_when(lambda: site.has(*created))
    site.forget()

    engine.healthy = True
    destroyed = site.run("destroy", "--yes")
    assert destroyed.returncode == 0, destroyed.stderr
    assert f"to delete, although missing in the state: dashboard llm-{site.env}" in destroyed.stderr
    assert site.remaining() == []


@pytest.mark.timeout(900)
def test_an_endpoint_that_failed_is_recreated_and_destroyed(toolkit: Toolkit, engine: Engine) -> None:
    site = Site(toolkit, "failed")
    engine.healthy = False
    site.declare(engine.url, startup=60)
    failed = site.run("apply")
    assert failed.returncode == 6, failed.stderr
    assert f"endpoint {site.endpoint} is Failed" in failed.stderr
    assert "did not pass the ping health check" in failed.stderr
    assert "serves now: nothing" in failed.stderr
    assert f"relaying to {engine.url}" in failed.stderr  # the container's own log
    assert site.run("releases").stdout == ""

    engine.healthy = True
    applied = site.run("apply")
    assert applied.returncode == 0, applied.stderr
    assert site.status() == "InService"

    # A replacement of a serving endpoint: SageMaker takes a while to delete it.
    site.declare(engine.url, more="    variants: {a: {}, b: {}}\nttl: 3d\n")
    replaced = site.run("apply", "--allow-destroy", site.env)
    assert replaced.returncode == 0, replaced.stderr
    assert site.status() == "InService"
    reap_after_its_file_is_gone(site, engine)


def reap_after_its_file_is_gone(site: Site, engine: Engine) -> None:
    """Reap an expired environment, interrupt that, and reap again."""
    assert "expires at 20" in site.run("status").stdout
    home = Site(site.toolkit, "home")
    home.declare(engine.url)
    (site.toolkit.project / "terraform" / "environments" / f"{site.env}.yaml").unlink()
    assert f"{site.env}: alive; expires at " in home.run("reap").stdout
    expire(site)
    shown = home.run("reap")
    assert (shown.returncode, site.status()) == (0, "InService")
    assert f"{site.env}: expired; expired at 2026-01-01T00:00:00+00:00" in shown.stdout
    assert "pass --yes to destroy" in shown.stderr

    reaping = home.start("reap", "--yes")
    assert reaping.stdout is not None
    # Terraform has begun to destroy.
    assert any(": destroyed (" in line for line in reaping.stdout)
    reaping.send_signal(signal.SIGINT)
    output = reaping.communicate()[0]
    assert reaping.returncode == 130, output
    assert "expired" in home.run("reap").stdout

    reaped = home.run("reap", "--yes", "--json")
    assert reaped.returncode == 0, reaped.stderr
    assert [(item["environment"], item["state"]) for item in json.loads(reaped.stdout)] == [
        (site.env, "destroyed")
    ]
    assert site.remaining() == []
    assert "no environment has a ttl" in home.run("reap").stderr


def expire(site: Site) -> None:
    """Let the environment have expired long ago."""
    s3, location = site.client("s3"), {"Bucket": BUCKET, "Key": f"{site.env}/expiry.json"}
    record = json.loads(s3.get_object(**location)["Body"].read())
    s3.put_object(**location, Body=json.dumps({**record, "expires_at": "2026-01-01T00:00:00+00:00"}).encode())
