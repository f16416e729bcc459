"""Quality gates: the fleets that are asked, the metric, and its alarm in a rollout."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.cloud import PATIENT, ROLE, Engine, Hosting, respond
from tests.support.contexts import deployed, opened, unchanged
from tests.support.iam import allow, document
from toolkit.aws.access import AwsAccess
from toolkit.deployment import lifecycle, releases
from toolkit.deployment.rollout.judgement import Judge
from toolkit.deployment.rollout.quality import Gate, QualityError
from toolkit.deployment.rollout.watch import watching
from toolkit.environment import Model
from toolkit.environment.rollout import Canary
from toolkit.smoke.expectations import judge

NAMESPACE = "InferenceQuality/llm-x"
EXPECTATIONS = '    expectations: [{name: capital, prompt: "The capital of France?", contains: [Paris]}]\n'
PHASE_SECONDS = 120
HOUR = 3600


def answering(*texts: str) -> Callable[[http.server.BaseHTTPRequestHandler, dict[str, Any]], None]:
    """A model that gives these answers one after the other, and then the last one."""
    remaining = list(texts)

    def behave(handler: http.server.BaseHTTPRequestHandler, request: dict[str, Any]) -> None:
        text = remaining.pop(0) if len(remaining) > 1 else remaining[0]
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        body = {"model": request["body"]["model"], "choices": [choice]}
        respond(handler, 200, json.dumps(body).encode())

    return behave


def container(engine: Engine, name: str) -> dict[str, Any]:
    return {"Environment": {"OPENAI_BASE_URL": engine.url, "OPENAI_MODEL": name}}


@pytest.fixture
def model(account: AwsAccess, tmp_path: Path) -> Model:
    return opened(tmp_path, account, further=EXPECTATIONS).context.environment.models["m"]


class Site:
    """An endpoint whose updates are watched by a gate."""

    def __init__(self, hosting: Hosting, engine: Engine, access: AwsAccess) -> None:
        engine.behaviour = answering("Paris.")
        self.hosting, self.access = hosting, access
        self.old = hosting.configuration(container=container(engine, "old"), **PATIENT)
        self.endpoint = hosting.endpoint(self.old)
        hosting.settled(self.endpoint)

    def gate(self, model: Model, judge: Judge = judge) -> Gate:
        return Gate(self.access, NAMESPACE, model, self.endpoint, judge)

    def roll_out(self, new: str, gate: Gate, *, wait: int, bake: int) -> str:
        """Update the endpoint with a canary and the alarm of the module; returns its configuration then."""
        alarm = f"{new}-quality"
        dimensions = {"EndpointName": self.endpoint, "EndpointConfigName": new}
        self.hosting.aws("cloudwatch").put_metric_alarm(
            AlarmName=alarm,
            Namespace=NAMESPACE,
            MetricName="FailedExpectations",
            Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
            Statistic="Maximum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            TreatMissingData="notBreaching",
        )
        canary = {"Type": "CAPACITY_PERCENT", "Value": 50}
        self.hosting.sagemaker.update_endpoint(
            EndpointName=self.endpoint,
            EndpointConfigName=new,
            DeploymentConfig={
                "BlueGreenUpdatePolicy": {
                    "TrafficRoutingConfiguration": {
                        "Type": "CANARY",
                        "CanarySize": canary,
                        "WaitIntervalInSeconds": wait,
                    },
                    "TerminationWaitInSeconds": bake,
                },
                "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": alarm}]},
            },
        )
        with watching(self.access, {"m": self.endpoint}, {"m": gate.observe}):
            return str(self.hosting.settled(self.endpoint)["EndpointConfigName"])

    def has_fired(self, new: str) -> bool:
        history = self.hosting.aws("cloudwatch").describe_alarm_history(AlarmName=f"{new}-quality")
        return any("to ALARM" in item["HistorySummary"] for item in history["AlarmHistoryItems"])


@pytest.fixture
def site(hosting: Hosting, engine: Engine, account: AwsAccess) -> Site:
    return Site(hosting, engine, account)


def test_a_flaky_answer_does_not_roll_back(site: Site, other: Engine, model: Model) -> None:
    other.behaviour = answering("Lyon.", "Paris.", "Nice.", "Paris.")
    new = site.hosting.configuration(container=container(other, "new"), **PATIENT)
    gate = site.gate(model)
    assert site.roll_out(new, gate, wait=PHASE_SECONDS, bake=PHASE_SECONDS) == new
    assert gate.conclude(new, ["AllTraffic"]) == "1 expectation met"
    assert len(other.requests) >= 2  # one of them wrong
    assert not site.has_fired(new)
    assert gate.error is None


def test_a_fleet_with_the_same_name_is_asked_with_all_traffic(
    site: Site, other: Engine, model: Model, engine: Engine
) -> None:
    other.behaviour = answering("Lyon.")
    before = len(engine.requests)
    # Both fleets respond with this name.
    new = site.hosting.configuration(container=container(other, "old"), **PATIENT)
    gate = site.gate(model)
    assert site.roll_out(new, gate, wait=60, bake=HOUR) == site.old
    (finding,) = gate.failed
    assert str(finding).startswith("capital: 4 of 4 answers failed: ")
    assert len(engine.requests) == before
    assert site.has_fired(new)


@pytest.mark.parametrize(
    ("wait", "remedy"), [(180, "set wait_seconds to at least 840"), (1800, "raise percent")]
)
def test_a_verdict_after_the_shift_names_the_wait_that_it_needs(
    site: Site, other: Engine, model: Model, wait: int, remedy: str
) -> None:
    requested, shifted = threading.Event(), threading.Event()
    new = site.hosting.configuration(container=container(other, "new"), **PATIENT)

    def behave(handler: http.server.BaseHTTPRequestHandler, request: dict[str, Any]) -> None:
        if len(other.requests) > 1:
            requested.set()
            assert shifted.wait(60)
        answering("Lyon.")(handler, request)

    other.behaviour = behave
    site.endpoint = site.hosting.endpoint(new)
    site.hosting.settled(site.endpoint)
    canary = Canary(strategy="canary", wait_seconds=wait, quality=True)
    gate = site.gate(model.model_copy(update={"rollout": canary}))

    def update(weight: float) -> Any:
        fleets = [[{"VariantName": "AllTraffic", "CurrentWeight": share}] for share in (1 - weight, weight)]
        pending = {"EndpointConfigName": new, "ProductionVariants": fleets[1]}
        return {
            "EndpointStatus": "Updating",
            "EndpointConfigName": site.old,
            "ProductionVariants": fleets[0],
            "PendingDeploymentSummary": pending,
        }

    assert gate.observe(update(0)) == ""
    gate.observe(update(0.5))
    assert requested.wait(60)
    assert gate.observe(update(0.5)) == "0 of 1 expectations met, 1 answer of the new fleet"
    assert gate.late is None
    gate.observe(update(1))
    shifted.set()
    with pytest.raises(QualityError) as error:
        gate.conclude(new, ["AllTraffic"])
    *_, late = error.value.details
    assert late.startswith(
        "no verdict before all traffic had shifted: the new fleet gave 1 of up to 4 answers; "
    )
    assert late.endswith(remedy)


def test_a_serving_configuration_is_judged_if_nobody_has(site: Site, engine: Engine, model: Model) -> None:
    assert site.gate(model).conclude(site.old, ["AllTraffic"]) == "1 expectation met"
    engine.behaviour = answering("Lyon.")
    with pytest.raises(QualityError, match="does not meet its expectations") as error:
        site.gate(model).conclude(site.old, ["AllTraffic"])
    (detail,) = error.value.details
    assert detail.startswith("expectation capital: 4 of 4 answers failed: ")


def test_many_expectations_are_asked_by_few_threads(site: Site, engine: Engine, model: Model) -> None:
    (capital,) = model.expectations
    many = tuple(capital.model_copy(update={"name": f"capital {number}"}) for number in range(40))
    threads: set[threading.Thread] = set()

    def count(handler: http.server.BaseHTTPRequestHandler, request: dict[str, Any]) -> None:
        name = f"quality of {site.endpoint}"
        threads.update(thread for thread in threading.enumerate() if thread.name == name)
        answering("Paris.")(handler, request)

    engine.behaviour = count
    gate = site.gate(model.model_copy(update={"expectations": many}))
    assert gate.conclude(site.old, ["AllTraffic"]) == "40 expectations met"
    assert 0 < len(threads) <= 4


def test_a_model_that_fails_does_not_meet_its_expectations(site: Site, engine: Engine, model: Model) -> None:
    engine.behaviour = lambda handler, _: respond(handler, 500, b"no such tensor")
    with pytest.raises(QualityError) as error:
        site.gate(model).conclude(site.old, ["AllTraffic"])
    assert "no such tensor" in error.value.details[0]


def test_an_error_of_the_judge_is_no_verdict(site: Site, model: Model) -> None:
    def broken(*_: Any) -> Iterable[Any]:
        raise ModuleNotFoundError("no module named langid")

    with pytest.raises(ModuleNotFoundError):
        site.gate(model, broken).conclude(site.old, ["AllTraffic"])


def test_without_its_metric_a_rollout_is_judged_at_its_end(
    site: Site, other: Engine, model: Model, unprivileged: AwsAccess
) -> None:
    """The metric is refused, so that SageMaker cannot roll back."""
    iam, user = site.hosting.aws("iam"), unprivileged.sts.get_caller_identity()["Arn"].rpartition("/")[2]
    asks = document(allow(["sagemaker:Describe*", "sagemaker:InvokeEndpoint"]))
    iam.put_user_policy(UserName=user, PolicyName="ask", PolicyDocument=asks)
    watches = document(allow(["cloudwatch:DescribeAlarms", "logs:*"]))
    iam.put_role_policy(RoleName=ROLE.rpartition("/")[2], PolicyName="watch", PolicyDocument=watches)
    site.access = unprivileged
    other.behaviour = answering("Lyon.")
    new = site.hosting.configuration(container=container(other, "new"), **PATIENT)
    gate = site.gate(model)
    assert site.roll_out(new, gate, wait=60, bake=60) == new
    assert "PutMetricData" in str(gate.error)
    assert gate.progress() == "quality unknown (ClientError)"
    with pytest.raises(QualityError):
        gate.conclude(new, ["AllTraffic"])


def test_a_release_is_recorded_once_its_model_meets_them(
    hosting: Hosting, engine: Engine, account: AwsAccess, tmp_path: Path
) -> None:
    """Of a new endpoint, or after an interrupted apply: no rollout has judged it."""
    rollout = "    rollout: {strategy: all_at_once, bake_seconds: 300, quality: true}\n"
    environment = opened(tmp_path, account, env="quality", further=EXPECTATIONS + rollout)
    configuration = hosting.configuration(container=container(engine, "m"), **PATIENT)
    endpoint = hosting.endpoint(configuration, "llm-quality-m")
    hosting.settled(endpoint)
    empty_plan = unchanged(environment, {"m": deployed(endpoint, configuration)})
    context = environment.context

    engine.behaviour = answering("Lyon.")
    with pytest.raises(QualityError) as error:
        lifecycle.deploy_tested(context, empty_plan, None, judge)
    assert error.value.exit_code == 6
    assert "there is no earlier release to roll back to" in environment.stderr_lines[-1]
    assert releases.of(context).list() == []

    engine.behaviour = answering("Paris.")
    lifecycle.deploy_tested(context, empty_plan, None, judge)
    (release,) = releases.of(context).list()
    assert release.quality == {endpoint: configuration}
    # Nothing has changed since, so the model is not asked again.
    engine.behaviour = answering("Lyon.")
    lifecycle.deploy_tested(context, empty_plan, None, judge)
    # A rollback asks nothing, and claims only what was judged before.
    rollback, variables = replace(empty_plan, action="rollback to 1"), context.build / "inference.tfvars"
    for number, judged in enumerate([{}, {endpoint: "another"}, release.quality], 2):
        variables.write_text(f"number = {number}")
        again = replace(release, quality=judged)
        lifecycle.deploy(context, replace(rollback, release=again))
    qualities = [release.quality for release in releases.of(context).list()]
    assert qualities == [{endpoint: configuration}, {}, {}, {endpoint: configuration}]
