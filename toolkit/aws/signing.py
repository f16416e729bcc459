"""Requests to an API whose callers are AWS identities."""

from __future__ import annotations

from collections.abc import Generator

import httpx
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


class SignedRequests(httpx.Auth):
    """Signs requests with Signature Version 4.

    Args:
        credentials: whose they are.
        region: of the API.
    """

    requires_request_body = True

    def __init__(self, credentials: Credentials, region: str) -> None:
        self._signer = SigV4Auth(credentials, "execute-api", region)

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the signature's headers."""
        # Only what no proxy on the way changes.
        signed = {name: request.headers[name] for name in ("host", "content-type") if name in request.headers}
        aws = AWSRequest(request.method, str(request.url), data=request.content, headers=signed)
        self._signer.add_auth(aws)
        request.headers.update(dict(aws.headers.items()))
        yield request
