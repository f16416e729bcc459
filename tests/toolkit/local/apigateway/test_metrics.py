"""Access logs and metrics: each request once, with its outcome."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.interrupts import wait_for

CODE = """
import time
def handler(event, context):
    if event["path"] == "/slow":
        time.sleep(60)
    if event["path"] == "/fails":
        raise ValueError
    return {"statusCode": 200, "body": "twelve bytes"}
"""
ROLE = "arn:aws:iam::123456789012:role/logging"
FORMAT = {
    "id": "$context.requestId",
    "status": "$context.status",
    "route": "$context.httpMethod $context.resourcePath",
    "error": "$context.error.responseType",
    "length": "$context.responseLength",
    "latency": "$context.responseLatency",
    "key": "$context.identity.apiKeyId",
    "ip": "$context.identity.sourceIp",
}


@pytest.fixture
def served(api: Any, function: Any, operation: Any) -> Any:
    """An API with an access log and metrics of its methods."""
    method, limited = operation(function(CODE)), operation(function(CODE, Timeout=1))
    api.put({"paths": {"/fine": {"get": method}, "/fails": {"get": method}, "/slow": {"get": limited}}})
    api.deploy()
    group = f"/aws/apigateway/{api.id}"
    api.cloud.client("logs").create_log_group(logGroupName=group)
    settings = {
        "/accessLogSettings/destinationArn": f"arn:aws:logs:us-east-1:123456789012:log-group:{group}",
        "/accessLogSettings/format": json.dumps(FORMAT),
        "/*/*/metrics/enabled": "true",
    }
    role = {"op": "replace", "path": "/cloudwatchRoleArn", "value": ROLE}
    api.client.update_account(patchOperations=[role])
    api.client.update_stage(
        restApiId=api.id,
        stageName=api.stage,
        patchOperations=[{"op": "replace", "path": path, "value": value} for path, value in settings.items()],
    )
    return api


def access_log(api: Any, count: int) -> list[dict[str, str]]:
    logs, group = api.cloud.client("logs"), f"/aws/apigateway/{api.id}"

    def events() -> list[Any]:
        return list(logs.filter_log_events(logGroupName=group)["events"])

    wait_for(lambda: len(events()) >= count, "the access log")
    return [json.loads(event["message"]) for event in events()]


def test_each_request_is_logged(served: Any) -> None:
    succeeds, fails, slow = served.get("/fine"), served.get("/fails"), served.get("/slow")
    assert (succeeds.status_code, fails.status_code, slow.status_code) == (200, 502, 504)
    assert slow.json() == {"message": "Endpoint request timed out"}
    missing = served.get("/nowhere")
    lines = {line["id"]: line for line in access_log(served, 4)}
    assert len(lines) == 4
    line = lines[succeeds.headers["x-amzn-requestid"]]
    assert line.pop("latency").isdigit()
    assert line == {
        "id": succeeds.headers["x-amzn-requestid"],
        "status": "200",
        "route": "GET /fine",
        "error": "-",
        "length": "12",
        "key": "-",
        "ip": "127.0.0.1",
    }
    line = lines[slow.headers["x-amzn-requestid"]]
    assert (line["status"], line["error"]) == ("504", "INTEGRATION_TIMEOUT")
    assert int(line["latency"]) >= 1000
    line = lines[missing.headers["x-amzn-requestid"]]
    assert (line["status"], line["route"]) == ("403", "GET -")


def test_metrics_of_an_api(served: Any) -> None:
    served.get("/fine")
    served.get("/fails")
    served.get("/nowhere")
    access_log(served, 3)
    cloudwatch = served.cloud.client("cloudwatch")
    # All APIs of these tests share a name.
    name = served.client.get_rest_api(restApiId=served.id)["name"]

    def total(metric: str, statistic: str, **more: str) -> float:
        dimensions = {"ApiName": name, "Stage": served.stage, **more}
        points = cloudwatch.get_metric_statistics(
            Namespace="AWS/ApiGateway",
            MetricName=metric,
            Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
            StartTime=datetime.now(UTC) - timedelta(hours=1),
            EndTime=datetime.now(UTC) + timedelta(minutes=1),
            Period=7200,
            Statistics=[statistic],
        )["Datapoints"]
        return float(points[0][statistic])

    of_method = {"Resource": "/fails", "Method": "GET"}
    assert total("Count", "Sum", **of_method) == total("5XXError", "Sum", **of_method)
    assert total("4XXError", "Sum", **of_method) == 0
    assert total("4XXError", "Sum") >= 1
    assert total("Latency", "Maximum", **of_method) >= total("IntegrationLatency", "Maximum", **of_method) > 0
