"""The state after a code change outside Terraform."""

from __future__ import annotations

import json
from typing import Any

import pytest

from toolkit.errors import TerraformError
from toolkit.terraform.lambda_state import FunctionCode, write

CODE = FunctionCode("../new.zip", "bmV3", 7, "2026-11-22T10:00:00.000+0000")


def function(name: str) -> dict[str, Any]:
    attributes = {"function_name": name, "filename": "../old.zip", "memory_size": 512}
    instances = [{"schema_version": 0, "attributes": attributes}]
    return {"mode": "managed", "type": "aws_lambda_function", "name": "this", "instances": instances}


def state(*resources: dict[str, Any]) -> bytes:
    members = {"version": 4, "serial": 3, "lineage": "test", "outputs": {}, "resources": resources}
    return json.dumps(members).encode()


def test_only_the_code_of_the_named_functions_changes() -> None:
    others: list[dict[str, Any]] = [
        {
            "mode": "data",
            "type": "aws_lambda_function",
            "instances": [{"attributes": {"function_name": "a"}}],
        },
        {"mode": "managed", "type": "aws_iam_role", "instances": [{"attributes": {"id": "a"}}]},
        function("b"),
    ]
    updated = write(state(function("a"), *others), "s3://b/k", {"a": CODE})
    assert updated is not None
    document = json.loads(updated)
    assert document["serial"] == 4
    changed, *rest = document["resources"]
    attributes = changed["instances"][0]["attributes"]
    assert (attributes["filename"], attributes["source_code_hash"]) == ("../new.zip", "bmV3")
    assert attributes["memory_size"] == 512
    assert rest == others


def test_an_up_to_date_state_is_unchanged() -> None:
    updated = write(state(function("a")), "s3://b/k", {"a": CODE})
    assert updated is not None
    assert write(updated, "s3://b/k", {"a": CODE}) is None


def test_an_unknown_format_is_not_changed() -> None:
    with pytest.raises(TerraformError, match="not version 4"):
        write(b'{"version": 5}', "s3://b/k", {})
