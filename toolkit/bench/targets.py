"""Where a benchmark sends its requests: the API, or the endpoint's SageMaker runtime."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit

import httpx
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from toolkit.aws.access import AwsAccess
from toolkit.bench import http, results
from toolkit.bench.replies import Framing, Reply
from toolkit.deployment.outputs import DeployedModel

Body = Mapping[str, Any]


class Target(Protocol):
    """Where requests are sent.

    Attributes:
        name: its name in results.
        url: its server.
        framing: of its streams.
    """

    @property
    def name(self) -> results.Target: ...

    @property
    def url(self) -> str: ...

    @property
    def framing(self) -> Framing: ...

    def encode(self, body: Body) -> bytes:
        """A whole HTTP request, with the caller's credentials, which is to be sent at once."""


@dataclass(frozen=True)
class Signer:
    """Signs requests with Signature Version 4.

    Args:
        access: the account.
        service: name of the service in signatures.
    """

    access: AwsAccess
    service: str

    def headers(self, url: str, headers: Mapping[str, str], body: bytes) -> dict[str, str]:
        """The headers of a request with its signature."""
        request = AWSRequest("POST", url, data=body, headers=dict(headers))
        SigV4Auth(self.access.credentials(), self.service, self.access.region).add_auth(request)
        return dict(request.headers.items())


@dataclass(frozen=True)
class Api:
    """The API.

    Args:
        base_url: ends in `/v1`.
        model: name or alias of the model.
        headers: with the API key.
        signer: signs requests to an API with IAM authorization.
    """

    base_url: str
    model: str
    headers: Mapping[str, str]
    signer: Signer | None = None

    name: Literal["api"] = "api"
    framing: Literal["sse"] = "sse"

    @property
    def url(self) -> str:
        """The URL of chat completions."""
        return f"{self.base_url.rstrip('/')}/chat/completions"

    def encode(self, body: Body) -> bytes:
        """A whole HTTP request."""
        return encode(self.url, {"model": self.model, **body}, self.headers, self.signer)


@dataclass(frozen=True)
class Runtime:
    """The endpoint, through the SageMaker runtime.

    Args:
        endpoint_url: of the SageMaker runtime.
        endpoint_name: of the endpoint.
        signer: signs the requests.
    """

    endpoint_url: str
    endpoint_name: str
    signer: Signer

    name: Literal["runtime"] = "runtime"
    framing: Literal["eventstream"] = "eventstream"

    @property
    def url(self) -> str:
        """The URL of InvokeEndpointWithResponseStream, from botocore's service model."""
        return f"{self.endpoint_url.rstrip('/')}/endpoints/{self.endpoint_name}/invocations-response-stream"

    def encode(self, body: Body) -> bytes:
        """A whole HTTP request."""
        return encode(self.url, body, {}, self.signer)


def api(access: AwsAccess, client: httpx.Client, model: str, *, signed: bool) -> Api:
    """The API as an open client calls it.

    Args:
        access: the account.
        client: a client of the API with the caller's credentials.
        model: name or alias of the model.
        signed: whether requests are signed.
    """
    names = ("authorization", "x-api-key")
    headers = {name: client.headers[name] for name in names if name in client.headers}
    signer = Signer(access, "execute-api") if signed else None
    return Api(str(client.base_url), model, headers, signer)


def runtime(access: AwsAccess, model: DeployedModel) -> Runtime:
    """The SageMaker runtime of a deployed model."""
    url = str(access.sagemaker_runtime.meta.endpoint_url)
    return Runtime(url, model.endpoint_name, Signer(access, "sagemaker"))


def client(target: Target) -> http.Client:
    """An HTTP client for a target; it trusts the authorities that the other commands trust."""
    is_plain = urlsplit(target.url).scheme == "http"
    context: ssl.SSLContext | None = None if is_plain else httpx.create_ssl_context()
    return http.Client(target.url, context)


def reply(target: Target) -> Reply:
    """Receives the response to a request."""
    return Reply(target.framing)


def encode(url: str, body: Body, headers: Mapping[str, str], signer: Signer | None) -> bytes:
    """A whole HTTP request with a JSON body.

    Args:
        url: the address.
        body: the content.
        headers: besides those of every request.
        signer: signs it, if signatures are needed.
    """
    parts = urlsplit(url)
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    sent = {"host": parts.netloc, "content-type": "application/json"}
    if signer is not None:
        sent = {name.lower(): value for name, value in signer.headers(url, sent, content).items()}
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    return http.encode("POST", target, {**sent, "accept": "*/*", **headers}, content)
