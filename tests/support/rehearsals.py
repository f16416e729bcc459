"""Handmade rehearsals."""

from __future__ import annotations

from toolkit.rehearsal.results import (
    DeniedAction,
    Instances,
    Rehearsal,
    Request,
    Revision,
    StandIn,
    Step,
    Verdict,
)
from toolkit.report.rollout import AlarmState, Fleet, Moment, Timeline

ROLE = "arn:aws:sts::123456789012:assumed-role/llm-deployer/rehearsal"
A, B = "llm-dev-chat-0a1b2c3d", "llm-dev-chat-9f8e7d6c"


def rolled_back(model: str = "chat", reason: str = "HTTP 500 model_error") -> Rehearsal:
    """A canary that an alarm rolled back; one request in two failed meanwhile, and IAM denied two actions."""
    moments = (
        Moment(8.0, "InService", (Fleet(A, 2, 100),)),
        Moment(8.5, "starting instances", (Fleet(A, 2, 100), Fleet(B, 0, 0))),
        Moment(9.8, "starting instances", (Fleet(A, 2, 100), Fleet(B, 2, 0))),
        Moment(10.0, "baking", (Fleet(A, 2, 50), Fleet(B, 2, 50))),
        Moment(13.0, "RollingBack, removing instances", (Fleet(A, 2, 100), Fleet(B, 1, 0))),
        Moment(14.0, "InService", (Fleet(A, 2, 100),)),
    )
    requests = []
    for number in range(-10, 90):
        start = number / 5
        failed = 10 <= start < 13 and number % 2 == 0
        release = B if 10 <= start < 13 and not failed else A
        error = reason if failed else None
        requests.append(
            Request(start, 0.2, model, 500 if failed else 200, error, None if failed else release)
        )
    return Rehearsal(
        environment="dev",
        region="us-east-1",
        account_id="123456789012",
        started_at="2026-11-30T12:00:00+00:00",
        base=Revision("commit", "merge base with origin/main", "0123456789abcdef"),
        change=Revision("working tree", "working tree", "fedcba9876543210", uncommitted=True),
        time_scale=0.02,
        stand_in=StandIn(error_percent=100),
        verdict=Verdict(6, "apply", f"{model}: the new release was rolled back by SageMaker\n  alarm fired"),
        steps=(
            Step("account", "toolkit bootstrap --env dev", -60, 12, 0),
            Step("base", "toolkit apply --env dev", -48, 40, 0),
            Step("plan", "toolkit plan --env dev", -8, 7, 0),
            Step("apply", "toolkit apply --env dev --plan build/dev/plan", 0, 18, 6, "rolled back"),
        ),
        seconds=18,
        rollouts=((8.5, 14.0),),
        timelines=(
            Timeline(
                model,
                "llm-dev-chat",
                moments,
                (AlarmState(12.8, "llm-dev-chat-AllTraffic-server-errors", "ALARM"),),
            ),
        ),
        denied=(
            DeniedAction(
                ROLE,
                "logs:CreateLogGroup",
                "arn:aws:logs:us-east-1:123456789012:log-group:/llm/dev",
                "because no identity-based policy allows the logs:CreateLogGroup action",
                2,
                "apply",
                ("api-deployer",),
            ),
            DeniedAction(ROLE, "s3:DeleteBucket", "*", "with an explicit deny", 1, "apply"),
        ),
        requests=tuple(requests),
        instances=(Instances("ml.g6.2xlarge", 2, 4, 2, 1.2216, "price list of 2026-11-30"),),
    )
