"""boto3's errors, as a user reads them."""

from __future__ import annotations

import socket
import threading
from dataclasses import replace

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, NoCredentialsError
from botocore.parsers import ResponseParserError

from toolkit.aws.access import AwsAccess
from toolkit.aws.errors import explain
from toolkit.errors import PreflightError, ToolkitError


@pytest.mark.slow
def test_a_refusal_names_the_call_and_the_reason(account: AwsAccess) -> None:
    with pytest.raises(ClientError) as caught:
        account.sagemaker.describe_endpoint(EndpointName="nowhere")
    error = explain(caught.value)
    assert error is not None
    assert "DescribeEndpoint" in error.message
    assert "nowhere" in error.message


def test_a_denial_points_to_an_administrator() -> None:
    response = {"Error": {"Code": "AccessDeniedException", "Message": "not authorized"}}
    error = explain(ClientError(response, "CreateEndpoint"))  # type: ignore[arg-type]
    assert isinstance(error, PreflightError)
    assert "administrator" in (error.remedy or "")


@pytest.mark.parametrize(
    ("code", "message", "remedy"),
    [
        ("SignatureDoesNotMatch", "The request signature we calculated does not match", "secret"),
        ("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.", "secret"),
        ("RequestTimeTooSkewed", "The difference between the request time and the current time", "clock"),
        ("SignatureDoesNotMatch", "Signature expired: 20261122T200000Z is now earlier than", "clock"),
        ("InvalidSignatureException", "Signature not yet current: 20261122T220000Z", "clock"),
        ("ExpiredToken", "The security token included in the request is expired", "renew"),
    ],
)
def test_rejected_credentials_and_clocks_have_remedies(code: str, message: str, remedy: str) -> None:
    response = {"Error": {"Code": code, "Message": message}}
    error = explain(ClientError(response, "GetCallerIdentity"))  # type: ignore[arg-type]
    assert isinstance(error, PreflightError)
    assert remedy in (error.remedy or "")


def test_no_credentials_and_no_connection_are_not_defects() -> None:
    for error in (NoCredentialsError(), EndpointConnectionError(endpoint_url="http://127.0.0.1:1")):
        assert isinstance(explain(error), ToolkitError)


def respond_once(server: socket.socket, response: bytes) -> None:
    """Accept a request, respond, and close the connection."""
    caller, _ = server.accept()
    with caller:
        caller.recv(65536)
        caller.sendall(response)


HTML = b"HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n<html>Log in<p>"


@pytest.mark.parametrize(
    ("response", "remedy"),
    [(b"", "toolkit local status"), (HTML, "proxy")],
    ids=["no response", "not of AWS"],
)
def test_a_connection_that_leads_nowhere_is_reported(response: bytes, remedy: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=respond_once, args=[server, response], daemon=True).start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        no_retries = Config(retries={"total_max_attempts": 1})
        sts = boto3.client(
            "sts",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id="a",
            aws_secret_access_key="b",
            config=no_retries,
        )
        with pytest.raises((BotoCoreError, ResponseParserError)) as raised:
            sts.get_caller_identity()
    error = explain(raised.value)
    assert isinstance(error, PreflightError)
    assert remedy in (error.remedy or "")


def test_other_errors_are_not_converted() -> None:
    assert explain(ValueError("a defect")) is None


@pytest.mark.slow
def test_credentials_of_another_account_are_refused(account: AwsAccess) -> None:
    other = replace(account, account_id="999999999999")
    with pytest.raises(PreflightError) as caught:
        other.check_account()
    assert "123456789012" in str(caught.value)
    assert "999999999999" in str(caught.value)
