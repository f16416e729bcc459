"""Access to an embedded cloud as its root user: boto3 clients, and the cloud's own paths."""

from __future__ import annotations

import json
import urllib.request
from typing import Any, Protocol

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from toolkit.local.signature import sign


def root_settings(cloud: Cloud) -> dict[str, str]:
    """The environment variables with which the program runs as the root user in another process."""
    key_id, secret = cloud.root_key
    return {"TOOLKIT_LOCAL_ACCESS_KEY_ID": key_id, "TOOLKIT_LOCAL_SECRET_ACCESS_KEY": secret}


class Cloud(Protocol):
    """A running cloud, however it was started.

    Attributes:
        endpoint_url: its address.
        root_key: id and secret of the root user's access key.
    """

    @property
    def endpoint_url(self) -> str | None: ...

    @property
    def root_key(self) -> tuple[str, str]: ...


def root_client(cloud: Cloud, service: str, region: str = "us-east-1", **settings: Any) -> Any:
    """Return a boto3 client; `settings` are those of botocore's `Config`."""
    key_id, secret = cloud.root_key
    return boto3.client(
        service,  # type: ignore[call-overload]
        endpoint_url=cloud.endpoint_url,
        region_name=region,
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
        config=Config(**settings),
    )


def signed(cloud: Cloud, service: str, path: str, body: bytes | str = b"", **headers: str) -> dict[str, str]:
    """The headers of a signed POST request to an AWS API."""
    request = AWSRequest("POST", f"{cloud.endpoint_url}{path}", headers, body)
    SigV4Auth(Credentials(*cloud.root_key), service, "us-east-1").add_auth(request)
    return dict(request.headers.items())


def call(cloud: Cloud, path: str, content: Any = None, method: str = "") -> Any:
    """Send a signed request to one of the cloud's own paths, `/_toolkit/…`; returns the JSON response.

    Args:
        cloud: the cloud.
        path: with its query.
        content: sent as JSON, with POST unless `method` says otherwise.
        method: the HTTP method.
    """
    url = f"{cloud.endpoint_url}{path}"
    body = None if content is None else json.dumps(content).encode()
    method = method or ("GET" if body is None else "POST")
    headers = sign(cloud.root_key[1], method, url, body or b"")
    request = urllib.request.Request(url, body, headers, method=method)
    with urllib.request.urlopen(request) as response:
        return json.loads(response.read() or "null")


def enforce_iam(cloud: Cloud, enabled: bool) -> None:
    """Switch the enforcement of policies on or off; the root user may always do everything."""
    assert call(cloud, "/_toolkit/iam", {"enforce": enabled}) == {"enforce": enabled}
