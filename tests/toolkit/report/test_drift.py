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
