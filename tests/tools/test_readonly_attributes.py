"""The computed attributes of the stacks' resources."""

from __future__ import annotations

import json

from tests.tools.readonly_attributes import COMMAND, FILE, types, version


def test_the_table_matches_provider_and_resources() -> None:
    stored = json.loads(FILE.read_text())
    assert stored["provider"] == version(), f"run {COMMAND}"
    assert set(stored["attributes"]) == types(), f"run {COMMAND}"


def test_configurable_attributes_are_not_read_only() -> None:
    attributes = json.loads(FILE.read_text())["attributes"]
    assert "alarm_arns" in attributes["aws_appautoscaling_policy"]
    assert "inline_policy" not in attributes["aws_iam_role"]
    assert "kms_key_arn" not in attributes["aws_lambda_function"]
