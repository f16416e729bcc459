"""Access to an account: typed boto3 clients, and the environment of Terraform's processes.

The AWS provider, the S3 backend and boto3 all read `AWS_ENDPOINT_URL`. Only this module knows whether a
deployment is local.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError

from toolkit.errors import InputError, PreflightError

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest, AWSResponse
    from botocore.credentials import Credentials
    from types_boto3_apigateway.client import APIGatewayClient
    from types_boto3_application_autoscaling.client import ApplicationAutoScalingClient
    from types_boto3_cloudwatch.client import CloudWatchClient
    from types_boto3_iam.client import IAMClient
    from types_boto3_lambda.client import LambdaClient
    from types_boto3_logs.client import CloudWatchLogsClient
    from types_boto3_route53.client import Route53Client
    from types_boto3_s3.client import S3Client
    from types_boto3_sagemaker.client import SageMakerClient
    from types_boto3_sagemaker_runtime.client import SageMakerRuntimeClient
    from types_boto3_sts.client import STSClient
    from types_boto3_wafv2.client import WAFV2Client

# In the embedded cloud, commands run as the account's root unless these variables name a user or session.
# They are not AWS's own variables, so that real credentials never reach the embedded cloud.
LOCAL_SETTINGS = {
    "AWS_ACCESS_KEY_ID": "TOOLKIT_LOCAL_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY": "TOOLKIT_LOCAL_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN": "TOOLKIT_LOCAL_SESSION_TOKEN",
}


_KEY = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


def _named_credentials() -> dict[str, str]:
    """Credentials of a user or session of the embedded cloud, as AWS's variables; empty for the root user.

    Raises:
        InputError: only one of key and secret is set.
    """
    credentials = {
        name: os.environ[setting] for name, setting in LOCAL_SETTINGS.items() if os.environ.get(setting)
    }
    missing = [LOCAL_SETTINGS[name] for name in _KEY if credentials and name not in credentials]
    if missing:
        raise InputError(
            f"incomplete credentials: {missing[0]} is not set",
            remedy="set it, or unset all TOOLKIT_LOCAL_… variables to use the account's root",
        )
    return credentials


# botocore's settings (name in the file, environment variable, default, conversion) without the user's files:
# a profile may not exist on this machine, or set another endpoint.
_NO_PROFILES = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}


# Attempts of each request that AWS throttles, or that fails on the way.
MAX_ATTEMPTS = 6
# Threads may share a client, but not create several at a time.
_CREATION = threading.Lock()


def _client(service: str) -> Any:
    """A client, created when it is first used."""
    return cached_property(lambda access: access._create_client(service))


def _reject_incomplete_responses(client: Any) -> None:
    """Let botocore repeat a request whose response ends early; it would parse the part that has arrived.

    It asks urllib3 not to compare the length (botocore.httpsession: `enforce_content_length=False`), and its
    connection is not public.
    """
    session = client._endpoint.http_session

    def send(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        response: AWSResponse = session.send(request)
        length = response.headers.get("Content-Length")
        has_body = request.method != "HEAD" and not request.stream_output
        if has_body and length is not None and len(response.content) < int(length):
            raise ConnectionClosedError(endpoint_url=request.url)
        return response

    client.meta.events.register_last("before-send", send)


@dataclass(frozen=True)
class AwsAccess:
    """Access to one account and region.

    Attributes:
        region: AWS region.
        account_id: the environment's account, twelve digits.
        endpoint_url: address of the embedded cloud; None for AWS.
        root_key: id and secret of the access key of the embedded cloud's root user.
    """

    region: str
    account_id: str
    endpoint_url: str | None = None
    root_key: tuple[str, str] = field(default=("", ""), repr=False)

    apigateway: ClassVar[cached_property[APIGatewayClient]] = _client("apigateway")
    autoscaling: ClassVar[cached_property[ApplicationAutoScalingClient]] = _client("application-autoscaling")
    cloudwatch: ClassVar[cached_property[CloudWatchClient]] = _client("cloudwatch")
    # Without stubs: there are few requests.
    acm: ClassVar[cached_property[Any]] = _client("acm")
    bedrock: ClassVar[cached_property[Any]] = _client("bedrock")
    budgets: ClassVar[cached_property[Any]] = _client("budgets")
    cost_explorer: ClassVar[cached_property[Any]] = _client("ce")
    dynamodb: ClassVar[cached_property[Any]] = _client("dynamodb")
    ec2: ClassVar[cached_property[Any]] = _client("ec2")
    ecr: ClassVar[cached_property[Any]] = _client("ecr")
    kms: ClassVar[cached_property[Any]] = _client("kms")
    service_quotas: ClassVar[cached_property[Any]] = _client("service-quotas")
    sns: ClassVar[cached_property[Any]] = _client("sns")
    iam: ClassVar[cached_property[IAMClient]] = _client("iam")
    lambda_: ClassVar[cached_property[LambdaClient]] = _client("lambda")
    logs: ClassVar[cached_property[CloudWatchLogsClient]] = _client("logs")
    route53: ClassVar[cached_property[Route53Client]] = _client("route53")
    s3: ClassVar[cached_property[S3Client]] = _client("s3")
    sagemaker: ClassVar[cached_property[SageMakerClient]] = _client("sagemaker")
    sagemaker_runtime: ClassVar[cached_property[SageMakerRuntimeClient]] = _client("sagemaker-runtime")
    sts: ClassVar[cached_property[STSClient]] = _client("sts")
    wafv2: ClassVar[cached_property[WAFV2Client]] = _client("wafv2")

    @property
    def is_local_root(self) -> bool:
        """Whether commands run as the root of the embedded cloud's account, with all permissions."""
        return self.endpoint_url is not None and not _named_credentials()

    def _local_credentials(self) -> dict[str, str]:
        return _named_credentials() or dict(zip(_KEY, self.root_key, strict=True))

    def process_environment(self) -> dict[str, str | None]:
        """Environment variables that give a process this access; None removes a variable."""
        changes: dict[str, str | None] = {}
        if self.endpoint_url is not None:
            # No profile or session of the user may redirect a process away from the embedded cloud.
            changes |= {name: None for name in os.environ if name.startswith("AWS_")}
            changes |= self._local_credentials()
            changes["AWS_ENDPOINT_URL"] = self.endpoint_url
            changes["AWS_EC2_METADATA_DISABLED"] = "true"
            changes["AWS_CONFIG_FILE"] = changes["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
        changes["AWS_REGION"] = changes["AWS_DEFAULT_REGION"] = self.region
        return changes

    def check_account(self) -> str:
        """Check that the credentials belong to the environment's account; returns the caller's ARN.

        Raises:
            PreflightError: they belong to another account.
        """
        identity = self.sts.get_caller_identity()
        if identity["Account"] != self.account_id:
            raise PreflightError(
                f"the credentials are for account {identity['Account']}, not for {self.account_id}",
                where=identity["Arn"],
                remedy="switch AWS_PROFILE, or correct account_id in the environment file",
            )
        return identity["Arn"]

    def now(self) -> datetime:
        """The time of AWS's clock, to the second, for comparison with AWS's timestamps."""
        headers = self.sts.get_caller_identity()["ResponseMetadata"]["HTTPHeaders"]
        return parsedate_to_datetime(headers["date"])

    @cached_property
    def _session(self) -> boto3.Session:
        if self.endpoint_url is None:
            return boto3.Session(region_name=self.region)
        return boto3.Session(
            **{name.lower(): value for name, value in self._local_credentials().items()},
            region_name=self.region,
            botocore_session=botocore.session.Session(session_vars=_NO_PROFILES),
        )

    @cached_property
    def pricing(self) -> Any:
        """The Price List API, in a near region that has it. Nothing depends on a response.

        There are three endpoints (botocore's endpoints.json), and none in China and GovCloud with dollars.
        """
        region = {"eu": "eu-central-1", "ap": "ap-south-1"}.get(self.region[:2], "us-east-1")
        return self._create_client(
            "pricing",
            region_name=region,
            connect_timeout=2,
            read_timeout=5,
            retries={"mode": "standard", "total_max_attempts": 2},
        )

    def _create_client(self, service: Any, region_name: str | None = None, **settings: Any) -> Any:
        options = {"retries": {"mode": "standard", "total_max_attempts": MAX_ATTEMPTS}, **settings}
        if self.endpoint_url is not None:
            # Never use a proxy for a loopback address.
            options["proxies"] = {}
        with _CREATION:
            client = self._session.client(
                service, region_name=region_name, endpoint_url=self.endpoint_url, config=Config(**options)
            )
        _reject_incomplete_responses(client)
        return client

    def credentials(self) -> Credentials:
        """The credentials that requests are signed with.

        Raises:
            PreflightError: none are configured.
        """
        credentials = self._session.get_credentials()
        if credentials is None:
            raise PreflightError("no AWS credentials", remedy="set AWS_PROFILE, or log in to AWS")
        return credentials

    @property
    def partition(self) -> str:
        """The region's partition, "aws", "aws-cn", …"""
        return self._session.get_partition_for_region(self.region)
