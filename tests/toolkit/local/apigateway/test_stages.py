"""Since when a stage is as it is."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tests.support.patience import wait_for


def test_a_stage_tells_when_it_was_made_and_last_changed(api: Any) -> None:
    get = {"responses": {}, "x-amazon-apigateway-integration": {"type": "mock"}}
    api.put({"paths": {"/a": {"get": get}}})
    api.deploy()
    where = {"restApiId": api.id, "stageName": api.stage}
    made = api.client.get_stage(**where)
    assert made["lastUpdatedDate"] == made["createdDate"]

    def changed() -> datetime:
        """When the stage was changed, which is now; AWS counts whole seconds."""
        operation = {"op": "replace", "path": "/description", "value": "other"}
        told: datetime = api.client.update_stage(**where, patchOperations=[operation])["lastUpdatedDate"]
        return told

    wait_for(lambda: changed() > made["lastUpdatedDate"], "a second to pass")
    now = api.client.get_stage(**where)
    assert now["lastUpdatedDate"] > now["createdDate"] == made["createdDate"]
