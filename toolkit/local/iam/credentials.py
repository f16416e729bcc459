"""What a request says about its caller: the access key and session token of its signature, or none."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.types import Scope

from toolkit.local.service import DEFAULT_REGION

_SCOPE = re.compile(r"(?P<key>[^/=,\s]+)/\d{8}/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request", re.ASCII)


@dataclass(frozen=True)
class Credentials:
    """The credentials that a request is signed with; the signature itself is not verified.

    Attributes:
        access_key: empty if the request is not signed.
        session_token: empty for a user's own key.
        region: that it is signed for.
        service: signing name of the service, such as `monitoring` for CloudWatch; empty if unsigned.
        presigned: whether they are in the URL.
    """

    access_key: str = ""
    session_token: str = ""
    region: str = DEFAULT_REGION
    service: str = ""
    presigned: bool = False

    @classmethod
    def of(cls, scope: Scope) -> Credentials:
        """Read them from the Authorization header, or from the query string of a presigned URL."""
        headers = Headers(scope=scope)
        presigned = "authorization" not in headers
        query: dict[str, list[str]] = {}
        if presigned:
            query = parse_qs(bytes(scope["query_string"]).decode("latin1"))
        text = query.get("X-Amz-Credential", [""])[0] if presigned else headers["authorization"]
        match = _SCOPE.search(text)
        if match is None:
            return cls()
        token = (
            query.get("X-Amz-Security-Token", [""])[0]
            if presigned
            else headers.get("x-amz-security-token", "")
        )
        return cls(match["key"], token, match["region"], match["service"].lower(), presigned)
