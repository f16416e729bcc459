"""moto behind the IAM middleware, served over HTTP; and requests as boto3 sends them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
import uvicorn
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.core.base_backend import BackendDict
from starlette.applications import Starlette
from starlette.middleware import Middleware

from tests.support import constraints
from tests.support.constraints import Captured
from tests.support.iam import ACCOUNT, allow, document, trust
from tests.support.patience import HANG_SECONDS, wait_for
from toolkit.local.controlplane import application
from toolkit.local.iam.authentication import AuthenticationMiddleware
from toolkit.local.iam.enforcement import Enforcement
from toolkit.local.iam.mapping.checks import checks
from toolkit.local.iam.mapping.operations import identify, is_form
from toolkit.local.iam.mapping.reference import Check
from toolkit.local.iam.middleware import EnforceIamMiddleware
from toolkit.local.iam.models import Account
from toolkit.local.iam.service import IamService
from toolkit.local.signature import ROOT_ACCESS_KEY

REGION = "us-east-1"
BUCKET = "models"
READ_PUBLIC = allow("s3:GetObject", f"arn:aws:s3:::{BUCKET}/public/*", Sid="ReadPublic")
# Shared, so that service models are loaded once.
SESSION: Any = boto3.Session()


class Cloud:
    """Helpers for the running server."""

    def __init__(self, url: str, enforcement: Enforcement) -> None:
        self.url = self.endpoint_url = url
        self.enforcement = enforcement
        self.root_key = (ROOT_ACCESS_KEY, enforcement.account.root_secret)

    def client(
        self, service: str, credentials: dict[str, str] | None = None, config: Config | None = None
    ) -> Any:
        """A boto3 client of the root user, or with keys from CreateAccessKey or AssumeRole."""
        keys = credentials or dict(zip(("AccessKeyId", "SecretAccessKey"), self.root_key, strict=True))
        return SESSION.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys.get("SessionToken"),
            config=Config(retries={"total_max_attempts": 1}).merge(config or Config()),
        )

    def user(self, name: str, *statements: dict[str, Any], **more: Any) -> dict[str, str]:
        """A user with an inline policy; its access key."""
        iam = self.client("iam")
        iam.create_user(UserName=name, **more)
        if statements:
            iam.put_user_policy(UserName=name, PolicyName="inline", PolicyDocument=document(*statements))
        keys: dict[str, str] = iam.create_access_key(UserName=name)["AccessKey"]
        return keys

    def role(self, name: str, principal: dict[str, Any], *statements: dict[str, Any], **more: Any) -> str:
        """A role that trusts a principal; its ARN."""
        iam = self.client("iam")
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust(principal)), **more)[
            "Role"
        ]
        if statements:
            iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=document(*statements))
        arn: str = role["Arn"]
        return arn


@pytest.fixture(scope="session")
def front() -> Iterator[Cloud]:
    enforcement = Enforcement()
    service = IamService(enforcement)
    middleware = [
        Middleware(AuthenticationMiddleware, account=enforcement.account),
        Middleware(EnforceIamMiddleware, enforcement=enforcement),
    ]
    app = Starlette(routes=list(service.routes()), middleware=middleware)
    app.router.redirect_slashes = False
    app.router.default = application.application()
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    wait_for(lambda: server.started, "the front")
    yield Cloud(f"http://127.0.0.1:{listener.getsockname()[1]}", enforcement)
    server.should_exit = True
    thread.join(HANG_SECONDS)


@pytest.fixture
def cloud(front: Cloud) -> Iterator[Cloud]:
    """An empty cloud that enforces IAM."""
    BackendDict.reset()
    front.enforcement.log.clear()
    front.enforcement.enforced = True
    yield front
    front.enforcement.enforced = False


@pytest.fixture
def bucket(cloud: Cloud) -> Any:
    """The root user's S3 client, with a bucket that has a public and a private object."""
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="public/a", Body=b"hello")
    s3.put_object(Bucket=BUCKET, Key="private/a", Body=b"secret")
    return s3


def denial(call: Callable[..., Any], *arguments: Any, **parameters: Any) -> Any:
    """The error of a call."""
    with pytest.raises(ClientError) as caught:
        call(*arguments, **parameters)
    return caught.value.response


def code(call: Callable[..., Any], *arguments: Any, **parameters: Any) -> Any:
    """The error code of a call."""
    return denial(call, *arguments, **parameters)["Error"]["Code"]


@pytest.fixture
def capture() -> Callable[..., Captured]:
    """Returns the HTTP request of a boto3 call, as an ASGI scope and body, without sending it."""
    return lambda service, operation, **parameters: constraints.capture(service, operation, parameters)


@pytest.fixture
def account() -> Account:
    """An empty account."""
    BackendDict.reset()
    return Account(ACCOUNT)


@pytest.fixture
def checks_of(account: Account) -> Callable[[Captured], list[Check]]:
    """The checks of a captured request."""

    def of(captured: Captured) -> list[Check]:
        scope, body = captured
        call = identify(scope, body if is_form(scope) else b"")
        content = body if call.needs_body else b""
        return checks(call, call.parameters(content), content, account)

    return of


@pytest.fixture
def needs(
    capture: Callable[..., Captured], checks_of: Callable[[Captured], list[Check]]
) -> Callable[..., list[Check]]:
    """The checks of a boto3 call."""

    def of(service: str, operation: str, **parameters: Any) -> list[Check]:
        return checks_of(capture(service, operation, **parameters))

    return of
