"""Recording the timeline of a rollout, and its page."""

from __future__ import annotations

import re
from typing import Any

from toolkit.aws.access import AwsAccess
from toolkit.deployment.rollout.timeline import Recorder
from toolkit.errors import RolloutError
from toolkit.report.rollout import Fleet, Timeline, page

ENDPOINT = "llm-dev-m"


def variants(instances: int, weight: float, stage: str | None = None) -> list[Any]:
    statuses = [{"Status": stage}] if stage else []
    return [{"CurrentInstanceCount": instances, "CurrentWeight": weight, "VariantStatus": statuses}]


def description(status: str, configuration: str, fleet: list[Any], **members: Any) -> Any:
    return {
        "EndpointStatus": status,
        "EndpointConfigName": configuration,
        "ProductionVariants": fleet,
        **members,
    }


def pending(fleet: list[Any]) -> dict[str, Any]:
    return {"PendingDeploymentSummary": {"EndpointConfigName": "new", "ProductionVariants": fleet}}


DESCRIPTIONS = [
    description("InService", "old", variants(2, 1)),
    description("InService", "old", variants(2, 1)),
    description("Updating", "old", variants(2, 1), **pending(variants(0, 1, "Creating"))),
    description("Updating", "old", variants(2, 1), **pending(variants(2, 1, "Baking"))),
    description("RollingBack", "old", variants(2, 1), **pending(variants(1, 0, "Deleting"))),
    description("InService", "old", variants(2, 1)),
]


def test_changes_are_recorded_with_fleets_traffic_and_alarms(account: AwsAccess) -> None:
    cloudwatch = account.cloudwatch
    alarm = f"{ENDPOINT}-server-errors"
    cloudwatch.put_metric_alarm(
        AlarmName=alarm,
        Namespace="n",
        MetricName="m",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )
    deployment = {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": alarm}]}}
    recorder = Recorder()
    recorder.start(account, {"m": ENDPOINT, "unchanged": "llm-dev-unchanged"})
    for endpoint in DESCRIPTIONS:
        recorder.observe("m", {**endpoint, "LastDeploymentConfig": deployment})
    for state in ("ALARM", "OK"):
        cloudwatch.set_alarm_state(AlarmName=alarm, StateValue=state, StateReason="a test")
    (timeline,) = recorder.timelines()
    assert timeline.note is None
    assert [(moment.stage, moment.fleets) for moment in timeline.moments] == [
        ("InService", (Fleet("old", 2, 100),)),
        ("starting instances", (Fleet("old", 2, 100), Fleet("new", 0, 0))),
        ("baking", (Fleet("old", 2, 50), Fleet("new", 2, 50))),
        ("RollingBack, removing instances", (Fleet("old", 2, 100), Fleet("new", 1, 0))),
        ("InService", (Fleet("old", 2, 100),)),
    ]
    seconds = [moment.seconds for moment in timeline.moments]
    assert seconds == sorted(seconds)
    # CloudWatch evaluates the alarm meanwhile, also between the two.
    states = [state.state for state in timeline.alarms]
    assert "OK" in states[states.index("ALARM") :]
    # The rollback of the toolkit.
    recorder.start(account, {"m": ENDPOINT})
    (rolled_back,) = recorder.timelines()
    assert len(rolled_back.rollbacks) == 1
    assert timeline.rollbacks == ()
    details = [
        "expectation english: Bonjour",
        "the new containers' last log lines:",
        "  password=x",
        "serves now: old",
    ]
    error = RolloutError("<b>rolled back</b>", details=details)
    rendered = page("dev", [timeline], error, "release 3, commit 0123")
    assert "expectation english: Bonjour" in rendered
    assert "serves now: old" in rendered
    assert "password" not in rendered
    assert re.search(r"created <time .*Z</time>, release 3, commit 0123<", rendered)
    assert f"Alarms that fired: {alarm}." in rendered
    assert "old fleet (old)" in rendered
    assert "2 instances, 50 %" in rendered
    assert "&lt;b&gt;rolled back" in rendered


def test_a_new_endpoint_has_one_fleet_without_traffic_at_first(account: AwsAccess) -> None:
    recorder = Recorder()
    recorder.start(account, {"m": ENDPOINT})
    recorder.observe("m", description("Creating", "new", variants(0, 1, "Creating")))
    recorder.observe("m", description("InService", "new", variants(1, 1)))
    (timeline,) = recorder.timelines()
    assert [moment.fleets for moment in timeline.moments] == [
        (Fleet("new", 0, 0),),
        (Fleet("new", 1, 100),),
    ]
    assert list(timeline.configurations.values()) == ["fleet"]
    assert "No alarm fired." in page("dev", [timeline])


def test_denied_requests_are_a_note(account: AwsAccess, unprivileged: AwsAccess) -> None:
    recorder = Recorder()
    recorder.start(unprivileged, {"m": ENDPOINT})
    recorder.observe("m", DESCRIPTIONS[0])
    (timeline,) = recorder.timelines()
    assert timeline.note is not None
    assert timeline.note.startswith("cannot read the end of the rollout: ")


def test_without_a_rollout_there_is_no_timeline() -> None:
    timelines: list[Timeline] = Recorder().timelines()
    assert timelines == []
    assert "no endpoint was changed" in page("dev", timelines)
