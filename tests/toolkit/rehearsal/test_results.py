from __future__ import annotations

import json
from dataclasses import replace

import pytest

from toolkit.rehearsal.results import Instances, Rehearsal, Revision, Verdict
from toolkit.serving.stand_in import StandIn

REHEARSAL = Rehearsal(
    environment="dev",
    region="us-east-1",
    account_id="123456789012",
    started_at="2026-11-30T12:00:00+00:00",
    base=Revision("commit", "merge base with origin/main", "0123456789abcdef"),
    change=Revision("working tree", "working tree", "fedcba9876543210", uncommitted=True),
    time_scale=0.02,
    stand_in=StandIn(),
    verdict=Verdict(0),
    seconds=40.0,
    rollouts=((10.0, 22.0), (30.0, 31.0)),
)


@pytest.mark.parametrize(
    ("seconds", "on_aws"), [(-5, -5), (10, 10), (16, 310), (22, 610), (30, 618), (31, 668), (40, 677)]
)
def test_waits_of_a_rollout_last_longer_on_aws(seconds: float, on_aws: float) -> None:
    assert REHEARSAL.aws_seconds(seconds) == pytest.approx(on_aws)


def test_a_peak_has_a_price_if_all_its_types_have_one() -> None:
    priced = Instances("ml.g6.2xlarge", 2, 4, 2, 1.25, "table of 2026-11-30")
    unused = Instances("ml.new.large", 0, 0, 0)
    assert replace(REHEARSAL, instances=(priced, unused)).peak_dollars_per_hour == 5
    assert replace(REHEARSAL, instances=(priced, replace(unused, peak=1))).peak_dollars_per_hour is None


def test_versions_are_described_with_their_commit() -> None:
    assert str(REHEARSAL.base) == "merge base with origin/main (commit 0123456789ab)"
    assert str(REHEARSAL.change) == "working tree (commit fedcba987654, uncommitted changes)"
    assert str(Revision("nothing", "empty account")) == "empty account"


def test_it_is_json() -> None:
    assert json.loads(REHEARSAL.to_json())["base"]["commit"] == "0123456789abcdef"
