"""The recorded facts about the AWS provider."""

from __future__ import annotations

import json

from tests.tools.provider_facts import ACCEPTED, COMMAND, ENUMERATED, READ_ONLY, types, version


def test_the_table_matches_provider_and_resources() -> None:
    stored = json.loads(READ_ONLY.read_text())
    assert stored["provider"] == version(), f"run {COMMAND}"
    assert set(stored["attributes"]) == types(), f"run {COMMAND}"


def test_accepted_values_are_those_of_the_locked_provider() -> None:
    stored = json.loads(ACCEPTED.read_text())
    assert stored["version"] == version(), f"run {COMMAND}"
    assert set(stored["accepted"]) == set(ENUMERATED), f"run {COMMAND}"


def test_configurable_attributes_are_not_read_only() -> None:
    attributes = json.loads(READ_ONLY.read_text())["attributes"]
    assert "alarm_arns" in attributes["aws_appautoscaling_policy"]
    assert "inline_policy" not in attributes["aws_iam_role"]
    assert "kms_key_arn" not in attributes["aws_lambda_function"]
