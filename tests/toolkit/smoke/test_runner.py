"""The checks of a smoke test."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from tests.support.contexts import deployed, opened, outputs
from toolkit.aws.access import AwsAccess
from toolkit.smoke import Options, runner


@pytest.mark.parametrize("alarms", [True, False])
def test_alarms_can_be_left_out(tmp_path: Path, alarms: bool) -> None:
    context = opened(tmp_path, AwsAccess("us-east-1", "123456789012", "http://127.0.0.1:1")).context
    model = deployed("llm-x-m", "c", alarms=["llm-x-m-errors"])
    smoke_test = runner._SmokeTest(context, outputs({"m": model}), Options(alarms=alarms))
    names = [step.name for step in islice(smoke_test.steps(), 3)]
    assert ("rollout alarms" in names) == alarms
