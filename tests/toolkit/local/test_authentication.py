"""Another user of this machine can reach the embedded cloud's port, and must not get further."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.support.access import call
from tests.support.checkout import ROOT, clean_environment
from tests.support.cloud import Aws, aws_clients
from toolkit.console import Console
from toolkit.errors import PreflightError
from toolkit.local import client
from toolkit.local.client import RunningCloud
from toolkit.local.signature import sign
from toolkit.local.state import Folder
from toolkit.project import Project, cache_dir

# AWS's error codes for an unknown access key and for a wrong signature.
JSON = ("UnrecognizedClientException", "InvalidSignatureException")
QUERY = ("InvalidClientTokenId", "SignatureDoesNotMatch")
EC2 = ("AuthFailure", "AuthFailure")
S3 = ("InvalidAccessKeyId", "SignatureDoesNotMatch")
OPERATIONS = [
    (JSON, "sagemaker", "list_models", {}),
    (JSON, "logs", "describe_log_groups", {}),
    (JSON, "lambda", "list_functions", {}),
    (JSON, "apigateway", "get_api_keys", {"includeValues": True}),
    (JSON, "sagemaker-runtime", "invoke_endpoint", {"EndpointName": "e", "Body": b"{}"}),
    (QUERY, "iam", "list_users", {}),
    (QUERY, "sts", "get_caller_identity", {}),
    (QUERY, "cloudwatch", "list_dashboards", {}),
    (EC2, "ec2", "describe_vpcs", {}),
    (S3, "s3", "list_buckets", {}),
    (S3, "s3", "put_object", {"Bucket": "b", "Key": "k"}),
]


def refusal(
    cloud: RunningCloud, key: tuple[str, str], service: str, operation: str, parameters: Mapping[str, Any]
) -> tuple[int, str]:
    stranger = boto3.client(
        service,  # type: ignore[call-overload]
        endpoint_url=cloud.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=key[0],
        aws_secret_access_key=key[1],
        config=Config(retries={"total_max_attempts": 1}),
    )
    with pytest.raises(ClientError) as caught:
        getattr(stranger, operation)(**parameters)
    response: Any = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


@pytest.mark.parametrize(("codes", "service", "operation", "parameters"), OPERATIONS)
def test_strangers_are_refused_as_on_aws(
    cloud: RunningCloud, codes: tuple[str, str], service: str, operation: str, parameters: Any
) -> None:
    unknown, mismatch = codes
    of = (service, operation, parameters)
    # As in aws-azure-login#37 (JSON-RPC) and iamlive#58 (REST).
    status = 400 if service in ("sagemaker", "logs") else 403
    assert refusal(cloud, ("AKIAIOSFODNN7EXAMPLE", "guessed"), *of) == (status, unknown)
    for secret in ("local", "test", "guessed"):
        assert refusal(cloud, (cloud.root_key[0], secret), *of) == (status, mismatch)


def status_of(url: str, method: str = "GET", body: bytes | None = None, **headers: str) -> tuple[int, str]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, body, named, method=method)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    return caught.value.code, caught.value.read().decode()


CREATE_MODEL = {"x_amz_target": "SageMaker.CreateModel"}
SCALE = {"x_amz_target": "AnyScaleFrontendService.DescribeScalableTargets"}
TYPED = {"content_type": "application/json"}
UNSIGNED = [
    ("POST", "/", CREATE_MODEL, "MissingAuthenticationTokenException"),
    ("POST", "/", SCALE, "MissingAuthenticationTokenException"),
    ("POST", "/2015-03-31/functions", TYPED, "MissingAuthenticationTokenException"),
    ("POST", "/endpoints/e/invocations", TYPED, "MissingAuthenticationTokenException"),
    ("GET", "/apikeys?includeValues=true", {}, "AccessDenied"),
    ("PUT", "/bucket", {}, "AccessDenied"),
    ("GET", "/", {}, "AccessDenied"),
    ("POST", "/moto-api/reset", {}, "MissingAuthenticationToken"),
    ("GET", "/moto-api/data.json", {}, "AccessDenied"),
    ("GET", "/_toolkit/status", {}, "AccessDenied"),
    ("POST", "/_toolkit/iam", {}, "MissingAuthenticationToken"),
    ("GET", "/_toolkit/iam/decisions", {}, "AccessDenied"),
    ("GET", "/_aws/execute-api", {}, "AccessDenied"),
    ("GET", "/_toolkit/container-credentials/", {}, "AccessDenied"),
    ("GET", "/_toolkit/container-credentials/a/b", {"host": "bucket.localhost"}, "AccessDenied"),
    ("GET", "/_toolkit/container-credentials/a/%0Ab", {"host": "bucket.localhost"}, "AccessDenied"),
    ("GET", "/_aws/execute-api/a/b/%0Ax", {}, "AccessDenied"),
]


@pytest.mark.parametrize(("method", "path", "headers", "code"), UNSIGNED)
def test_unsigned_requests_are_refused(
    cloud: RunningCloud, method: str, path: str, headers: dict[str, str], code: str
) -> None:
    body = b"{}" if method == "POST" else None
    status, text = status_of(f"{cloud.endpoint_url}{path}", method, body, **headers)
    assert (status, code in text) == (403, True), text


@pytest.mark.parametrize(
    ("form", "headers"),
    [
        ("Action=CreateUser&UserName=eve&Version=2010-05-08", {}),
        ("Action=AssumeRoleWithWebIdentity&Action=CreateUser&UserName=eve", {}),
        ("%41ction=CreateUser&Action=AssumeRoleWithWebIdentity&WebIdentityToken=a.b.c", {}),
        ("Action=AssumeRoleWithWebIdentity&WebIdentityToken=a.b.c", {"x_amz_target": "SageMaker.ListModels"}),
        ("Action=AssumeRoleWithSAML", {}),
    ],
)
def test_unsigned_forms_are_refused(cloud: RunningCloud, form: str, headers: dict[str, str]) -> None:
    assert status_of(cloud.endpoint_url, "POST", form.encode(), **headers)[0] == 403


def test_only_the_root_user_controls_the_cloud(cloud: RunningCloud, aws: Aws) -> None:
    aws("iam").create_user(UserName="stranger")
    key = aws("iam").create_access_key(UserName="stranger")["AccessKey"]
    url = f"{cloud.endpoint_url}/_toolkit/iam"
    headers = sign(key["SecretAccessKey"], "GET", url)
    headers["authorization"] = headers["authorization"].replace(
        f"Credential={cloud.root_key[0]}/", f"Credential={key['AccessKeyId']}/"
    )
    assert status_of(url, **headers)[0] == 403
    assert status_of(url, **sign("guessed", "GET", url))[0] == 403
    assert call(cloud, "/_toolkit/iam") == {"enforce": False}


def test_answers_allow_no_web_page(cloud: RunningCloud, aws: Aws) -> None:
    def headers(request: Callable[[], Any]) -> set[str]:
        return set(request()["ResponseMetadata"]["HTTPHeaders"])

    for service, operation in (("sagemaker", "list_models"), ("s3", "list_buckets"), ("iam", "list_users")):
        names = headers(getattr(aws(service), operation))
        assert not [name for name in names if name.startswith("access-control-")]


@pytest.mark.slow
def test_the_secret_is_in_a_file_of_the_owner_only(project: Project) -> None:
    first = client.ensure_running(project, Console())
    file = client.credentials_file(project)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    process = psutil.Process(first.pid)
    secret = first.root_key[1]
    assert len(secret) >= 40
    assert not [text for text in (*process.cmdline(), *process.environ().values()) if secret in text]
    assert secret not in repr(first)

    # A new cloud has a new secret, and does not write to a file or a link that is there already.
    client.stop(project, Console())
    foreign_file = project.build / "elsewhere"
    foreign_file.write_text("mine")
    file.unlink()
    file.symlink_to(foreign_file)
    second = client.ensure_running(project, Console())
    assert second.root_key[1] != secret
    assert (foreign_file.read_text(), file.is_symlink()) == ("mine", False)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert aws_clients(second)("sts").get_caller_identity()["Account"] == "123456789012"


@pytest.mark.slow
def test_a_missing_secret_is_explained(project: Project) -> None:
    client.ensure_running(project, Console())
    client.credentials_file(project).unlink()
    with pytest.raises(PreflightError) as caught:
        client.ensure_running(project, Console())
    assert "access key" in str(caught.value)
    assert "toolkit local down" in str(caught.value.remedy)
    assert client.stop(project, Console())


def test_the_folder_of_another_user_is_not_used(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    uid = os.getuid()
    folder = Folder.of(project)
    folder.make_private()
    monkeypatch.setattr(os, "getuid", lambda: uid + 1)
    with pytest.raises(PreflightError, match="another user"):
        client.ensure_running(project, Console())


ASK = "import boto3; print(boto3.client('sts').get_caller_identity()['Account'])"
SHELL = """
toolkit() {{ '{python}' -m toolkit "$@"; }}
toolkit local up
eval "$(toolkit local env)"
'{python}' -c "{ask}"
# The cloud has another secret then, and the shell's settings are still right.
toolkit local down
toolkit local up
'{python}' -c "{ask}"
toolkit local env
"""


@pytest.mark.slow
def test_the_documented_settings_work_in_a_shell(project: Project, tmp_path: Path) -> None:
    real = {
        "AWS_ACCESS_KEY_ID": "AKIAREAL",
        "AWS_SECRET_ACCESS_KEY": "real",
        "AWS_PROFILE": "production",
        "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:1",
    }
    (project.root / "requirements").symlink_to(ROOT / "requirements")
    result = subprocess.run(
        ["/bin/sh", "-ec", SHELL.format(python=sys.executable, ask=ASK)],
        cwd=project.root,
        env=clean_environment(**real, HOME=str(tmp_path), TOOLKIT_CACHE_DIR=str(cache_dir())),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stdout.splitlines()[:2] == ["123456789012"] * 2, result.stderr
    assert client.ensure_running(project, Console()).root_key[1] not in result.stdout
