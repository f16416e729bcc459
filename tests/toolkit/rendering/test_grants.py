"""Permissions of the execution role for the models of environments."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.toolkit.rendering.conftest import environment
from toolkit.environment import Environment
from toolkit.rendering.grants import KINDS, role_grants

MODEL = """
serving: {engine: vllm}
source: {s3: "s3://llm-models-123456789012-us-east-1/m/"}
instance_type: ml.g6.2xlarge
"""
KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
TOPIC = "arn:aws:sns:us-east-1:123456789012:answers"
STORE = "s3://llm-models-123456789012-us-east-1"


def model(tmp_path: Path, more: str = "") -> Environment:
    return environment(tmp_path, MODEL.strip() + "\n" + more.strip())


def granted(*environments: Environment) -> dict[str, list[str]]:
    return {kind: values for kind, values in role_grants(environments).items() if values}


def test_no_grants_by_default(tmp_path: Path) -> None:
    assert role_grants([model(tmp_path)]) == {kind: [] for kind in KINDS}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("endpoint: {async: {}}", {"write_s3_uris": [f"{STORE}/m/async/"]}),
        (
            f"endpoint: {{async: {{output_s3: {STORE}/a/, failure_s3: {STORE}/f/, "
            f"error_topic_arn: {TOPIC}}}}}",
            {"write_s3_uris": [f"{STORE}/a/", f"{STORE}/f/"], "topic_arns": [TOPIC]},
        ),
        (
            f"data_capture: {{percent: 5, kms_key_arn: {KEY}}}",
            {"write_s3_uris": [f"{STORE}/m/data-capture/"], "kms_key_arns": [KEY]},
        ),
        (f"kms_key_arn: {KEY}", {"kms_key_arns": [KEY]}),
        (
            "vpc: {subnet_ids: [subnet-0b1b2b3b, subnet-0a1a2a3a], security_group_ids: [sg-0a1a2a3a]}",
            {
                "subnet_ids": ["subnet-0a1a2a3a", "subnet-0b1b2b3b"],
                "security_group_ids": ["sg-0a1a2a3a"],
            },
        ),
    ],
)
def test_grants_of_each_feature(tmp_path: Path, more: str, expected: dict[str, list[str]]) -> None:
    assert granted(model(tmp_path, more)) == expected


def test_grants_of_several_environments(tmp_path: Path) -> None:
    """An apply of the account stack for one environment must not remove grants of another."""
    asynchronous = model(tmp_path / "one", "endpoint: {async: {}}")
    encrypted = model(tmp_path / "two", f"kms_key_arn: {KEY}")
    assert (
        granted(asynchronous, encrypted)
        == granted(encrypted, asynchronous)
        == granted(asynchronous) | granted(encrypted)
    )
