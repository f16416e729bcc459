"""Modification times of drifted resources, where AWS reports them."""

from __future__ import annotations

import json
from datetime import datetime

from tests.support.plans import resource
from toolkit.aws.access import AwsAccess
from toolkit.report import drift
from toolkit.report.changes import change_of


def test_drift_of_a_stage_has_its_modification_time(account: AwsAccess) -> None:
    apis = account.apigateway
    api = apis.create_rest_api(name="drifting")["id"]
    get = {"responses": {}, "x-amazon-apigateway-integration": {"type": "mock"}}
    body = {"openapi": "3.0.1", "info": {"title": "a", "version": "1"}, "paths": {"/a": {"get": get}}}
    apis.put_rest_api(restApiId=api, body=json.dumps(body).encode())
    deployment = apis.create_deployment(restApiId=api)["id"]
    apis.create_stage(restApiId=api, stageName="live", deploymentId=deployment)
    other = [{"op": "replace", "path": "/description", "value": "a"}]
    updated_at = apis.update_stage(restApiId=api, stageName="live", patchOperations=other)["lastUpdatedDate"]
    values = {"rest_api_id": api, "stage_name": "live"}
    address = "module.api.aws_api_gateway_stage.this[0]"
    changed = change_of(resource(address, "update", values, {**values, "description": "a"}))
    modified_at = drift._modified_at(account, changed)
    assert modified_at is not None
    assert datetime.fromisoformat(modified_at) == updated_at


def test_a_comment_fits_the_limit_of_github_and_stays_fenced() -> None:
    group = {"name": "g", "description": "old"}
    changes = [
        change_of(
            resource(
                f"module.api.aws_cloudwatch_log_group.this[{number}]",
                "update",
                group,
                {**group, "description": f"``` {'x' * 300}"},
            )
        )
        for number in range(500)
    ]
    resources = tuple(drift.DriftedResource(change, None) for change in changes)
    result = drift.Drift("dev", "2026-11-30T10:00:00+00:00", 17, resources)
    comment = result.as_markdown()
    assert len(comment.encode()) <= 65_536
    assert comment.startswith("<!-- toolkit drift: dev -->\n### dev: changed outside of Terraform")
    assert "````diff\n~ log group g" in comment
    assert "`toolkit drift --env dev`" in comment
    assert comment.count("````") == 2


def test_a_comment_without_drift_is_one_line() -> None:
    result = drift.Drift("dev", "2026-11-30T10:00:00+00:00", None, ())
    lines = result.as_markdown().split("\n")
    assert [line for line in lines if line][1:] == [
        "### dev: no drift since the last apply (applied 2026-11-30T10:00:00+00:00)"
    ]
