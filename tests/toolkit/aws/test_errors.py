"""boto3's errors, as a user reads them."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from toolkit.aws.access import AwsAccess
from toolkit.aws.errors import explain
from toolkit.errors import PreflightError, ToolkitError


@pytest.mark.slow
def test_a_refusal_names_the_call_and_the_reason(account: AwsAccess) -> None:
    with pytest.raises(ClientError) as caught:
        account.sagemaker.describe_endpoint(EndpointName="nowhere")
    known = explain(caught.value)
    assert known is not None
    assert "DescribeEndpoint" in known.message
    assert "nowhere" in known.message


def test_denied_points_to_who_can_grant_it() -> None:
    answer = {"Error": {"Code": "AccessDeniedException", "Message": "not authorized"}}
    known = explain(ClientError(answer, "CreateEndpoint"))  # type: ignore[arg-type]
    assert isinstance(known, PreflightError)
    assert "administrator" in (known.remedy or "")


def test_no_credentials_and_no_connection_are_not_defects() -> None:
    for error in (NoCredentialsError(), EndpointConnectionError(endpoint_url="http://127.0.0.1:1")):
        assert isinstance(explain(error), ToolkitError)


def test_what_is_not_boto3s_is_left_alone() -> None:
    assert explain(ValueError("a defect")) is None


@pytest.mark.slow
def test_credentials_of_another_account_are_refused(account: AwsAccess) -> None:
    other = AwsAccess(account.region, "999999999999", endpoint_url=account.endpoint_url)
    with pytest.raises(PreflightError) as caught:
        other.check_account()
    assert "123456789012" in str(caught.value)
    assert "999999999999" in str(caught.value)
