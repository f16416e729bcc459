"""Requests to an API with IAM authorization."""

from __future__ import annotations

from collections.abc import Generator

import httpx
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


class SignedRequests(httpx.Auth):
    """Signs requests with Signature Version 4.

    Args:
        credentials: the caller's credentials.
        region: of the API.
    """

    requires_request_body = True

    def __init__(self, credentials: Credentials, region: str) -> None:
        self._signer = SigV4Auth(credentials, "execute-api", region)

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the headers of the signature."""
        # Only headers that proxies do not change.
        signed = {name: request.headers[name] for name in ("host", "content-type") if name in request.headers}
        aws = AWSRequest(request.method, str(request.url), data=request.content, headers=signed)
        self._signer.add_auth(aws)
        request.headers.update(dict(aws.headers.items()))
        yield request
