"""Refusals of Lambda's control plane, and the states that it reports."""

from __future__ import annotations

import re
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.cloudprocess import ROLE, CloudProcess, zipped

CODE = {"app.py": "def handler(*_): return 1"}


def error_of(call: Any, **members: Any) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as caught:
        call(**members)
    error = caught.value.response["Error"]
    return caught.value.response["ResponseMetadata"]["HTTPStatusCode"], error["Code"], error["Message"]


def test_a_permission_is_added_once(cloud: CloudProcess) -> None:
    cloud.create_function("permitted", CODE)
    permission = {"StatementId": "once", "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com"}
    cloud.functions.add_permission(FunctionName="permitted", **permission)
    status, code, message = error_of(cloud.functions.add_permission, FunctionName="permitted", **permission)
    assert (status, code) == (409, "ResourceConflictException")
    assert message.startswith("The statement id (once) provided already exists.")


def test_reserved_environment_variables(cloud: CloudProcess) -> None:
    cloud.create_function("variables", CODE)
    variables = {"Variables": {"AWS_REGION": "x", "FINE": "y"}}
    new = {"FunctionName": "variables-new", "Role": ROLE, "Code": {"ZipFile": zipped(CODE)}}
    for call, members in (
        (cloud.functions.update_function_configuration, {"FunctionName": "variables"}),
        (cloud.functions.create_function, {"Runtime": "python3.13", "Handler": "app.handler", **new}),
    ):
        _, code, message = error_of(call, Environment=variables, **members)
        assert code == "InvalidParameterValueException"
        assert message.endswith("Reserved keys used in this request: AWS_REGION")


def test_a_new_function_is_pending_first(cloud: CloudProcess) -> None:
    function = {"FunctionName": "young", "Runtime": "python3.13", "Handler": "app.handler", "Role": ROLE}
    created = cloud.functions.create_function(Code={"ZipFile": zipped(CODE)}, **function)
    assert (created["State"], created["StateReasonCode"]) == ("Pending", "Creating")
    cloud.functions.get_waiter("function_active_v2").wait(FunctionName="young")
    updated = cloud.functions.update_function_configuration(FunctionName="young", Timeout=5)
    assert updated["LastUpdateStatus"] == "InProgress"
    times = [function["LastModified"] for function in (created, updated)]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000", time) for time in times)
    assert times[0] < times[1]
    cloud.functions.get_waiter("function_updated_v2").wait(FunctionName="young")


def test_the_status_shows_all_functions(cloud: CloudProcess) -> None:
    # An ARN as name, and a container image, which cannot run here.
    arn = cloud.create_function("arn:aws:lambda:us-east-1:123456789012:function:by-arn", CODE)
    image = {"ImageUri": "123456789012.dkr.ecr.us-east-1.amazonaws.com/f:1"}
    cloud.functions.create_function(FunctionName="by-image", PackageType="Image", Role=ROLE, Code=image)
    assert arn.endswith(":function:by-arn")
    names = {function["name"] for function in cloud.status()["functions"]}
    assert {"by-arn", "by-image"} <= names
    response = cloud.functions.invoke(FunctionName="by-image")
    assert response["FunctionError"] == "Unhandled"
    assert b"container image" in response["Payload"].read()
