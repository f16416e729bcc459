"""CloudWatch over `smithy-rpc-v2-cbor`, with botocore's serializer and parser of the protocol."""

from __future__ import annotations

import gzip
import urllib.error
import urllib.request
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from hypothesis import given
from hypothesis import strategies as st

from tests.support.access import signed
from tests.support.constraints import client
from toolkit.local.cbor import decode, encode
from toolkit.local.client import RunningCloud

VALUES = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda items: st.lists(items, max_size=3) | st.dictionaries(st.text(), items, max_size=3),
    max_leaves=20,
)


@given(VALUES)
def test_values_survive(value: Any) -> None:
    assert decode(encode(value)) == value


def call(
    cloud: RunningCloud, operation: str, *, compress: bool = False, **parameters: Any
) -> tuple[int, dict[str, Any]]:
    """The status and the parsed response of an operation of CloudWatch."""
    model = client("cloudwatch").meta.service_model.operation_model(operation)
    serializer = create_serializer("smithy-rpc-v2-cbor", include_validation=False)
    request = serializer.serialize_to_request(parameters, model)
    headers = {name: str(value) for name, value in request["headers"].items()}
    if compress:
        request["body"], headers["content-encoding"] = gzip.compress(request["body"]), "gzip"
    headers = signed(cloud, "monitoring", request["url_path"], request["body"], **headers)
    url = f"{cloud.endpoint_url}{request['url_path']}"
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, request["body"], headers))
    except urllib.error.HTTPError as error:
        response = error
    assert response.headers["smithy-protocol"] == "rpc-v2-cbor"
    content = {"status_code": response.status, "headers": dict(response.headers), "body": response.read()}
    parsed: dict[str, Any] = create_parser("smithy-rpc-v2-cbor").parse(content, model.output_shape)
    return response.status, parsed


@pytest.mark.parametrize("compress", [False, True])
def test_metrics_are_written_and_read(cloud: RunningCloud, compress: bool) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    namespace = f"Cbor{compress}"
    datum = {"MetricName": "m", "Value": 2.0, "Timestamp": now, "Unit": "Count"}
    assert call(cloud, "PutMetricData", Namespace=namespace, MetricData=[datum], compress=compress)[0] == 200
    request = {"Namespace": namespace, "MetricName": "m", "Period": 3600, "Statistics": ["Sum"]}
    start = now.replace(minute=0, second=0)
    status, response = call(
        cloud, "GetMetricStatistics", StartTime=start, EndTime=now.replace(year=now.year + 1), **request
    )
    assert status == 200
    (point,) = response["Datapoints"]
    assert (point["Sum"], point["Unit"], point["Timestamp"]) == (2.0, "Count", start)


@pytest.mark.parametrize(
    ("operation", "parameters", "message"),
    [
        (
            "SetAlarmState",
            {"AlarmName": "a", "StateValue": "INVALID", "StateReason": "r"},
            "satisfy enum value set",
        ),
        ("SetAlarmState", {"AlarmName": "none", "StateValue": "OK", "StateReason": "r"}, ""),
    ],
)
def test_errors(cloud: RunningCloud, operation: str, parameters: dict[str, Any], message: str) -> None:
    status, response = call(cloud, operation, **parameters)
    assert 400 <= status < 500
    assert message in response["Error"]["Message"]
