"""Authenticates every request: the embedded cloud refuses callers without a secret, as AWS does.

Another user of this machine can reach the port, and creating a function runs code.
"""

from __future__ import annotations

import asyncio
import hashlib
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Scope

from toolkit.local.iam import callers
from toolkit.local.iam.exceptions import AuthenticationError, UnmappedRequestError
from toolkit.local.iam.mapping import operations
from toolkit.local.iam.mapping.operations import ApiCall
from toolkit.local.iam.models import Account
from toolkit.local.iam.refusals import not_authenticated
from toolkit.local.middleware import LARGE_BYTES, Body, RefusingMiddleware, run
from toolkit.local.signature import OWN_SERVICE, ROOT_ACCESS_KEY, Signature, SignedRequest

HEALTH = "/_toolkit/health"
# An OIDC token has a few KB.
_MAX_UNSIGNED_BYTES = 64 * 1024


class AuthenticationMiddleware(RefusingMiddleware):
    """Verifies the signature of every request to an AWS API, and to the cloud's own."""

    def __init__(self, app: ASGIApp, account: Account) -> None:
        super().__init__(app)
        self._account = account

    def _decides(self, scope: Scope) -> bool:
        return bool(scope["path"] != HEALTH)

    async def _refusal(self, scope: Scope, body: Body) -> Response | None:
        """The response to a request that is not authentic; None if it is."""
        signature = Signature.of(scope)
        try:
            await self._authenticate(signature, scope, body)
        except AuthenticationError as error:
            if not signature.access_key:
                # Its service could be any: finding it would load the models of all.
                return not_authenticated(error, scope, None)
            form = await body.read() if _is_small_form(scope) else b""
            # The first request to a service loads its model, which would block the event loop.
            return not_authenticated(error, scope, await asyncio.to_thread(_identify, scope, form))
        return None

    async def _authenticate(self, signature: Signature, scope: Scope, body: Body) -> None:
        if not signature.access_key:
            await self._check_unsigned(scope, body)
            return
        # An unknown access key first, before the body is read.
        callers.signer(signature, self._account)
        # Objects can have gigabytes, and their hash is signed.
        body_hash = None
        if signature.service != "s3":
            content = await body.read()
            body_hash = (await run(len(content) > LARGE_BYTES, hashlib.sha256, content)).hexdigest()
        request = SignedRequest(scope["method"], _target(scope), scope["headers"], body_hash)
        callers.verify(signature, self._account, request)
        if scope["path"].startswith("/_toolkit/") and (
            signature.access_key != ROOT_ACCESS_KEY or signature.service != OWN_SERVICE
        ):
            raise AuthenticationError("AccessDenied", "Only the root user controls the embedded cloud.")

    async def _check_unsigned(self, scope: Scope, body: Body) -> None:
        """Admit what AWS takes unsigned: OIDC tokens for a role, and reads of objects that may be public."""
        is_bare = "x-amz-target" not in Headers(scope=scope) and not scope["path"].startswith("/_")
        if is_bare and scope["method"] in ("GET", "HEAD"):
            # `EnforceIamMiddleware` authorizes the anonymous caller.
            call = await asyncio.to_thread(_identify, scope, b"")
            if call is not None and call.prefix == "s3":
                return
        elif is_bare and scope["path"] == "/" and not scope["query_string"] and _is_small_form(scope):
            form = parse_qs((await body.read()).decode("latin1"), keep_blank_values=True)
            tokens = form.get("WebIdentityToken", [])
            if form.get("Action") == ["AssumeRoleWithWebIdentity"] and len(tokens) == 1:
                callers.claims(tokens[0], self._account)
                return
        raise AuthenticationError("MissingAuthenticationToken", "Request is missing Authentication Token")


def _is_small_form(scope: Scope) -> bool:
    length = Headers(scope=scope).get("content-length", "")
    is_small = length.isdecimal() and int(length) <= _MAX_UNSIGNED_BYTES
    return is_small and operations.is_form(scope)


def _target(scope: Scope) -> str:
    path = bytes(scope["raw_path"]).decode("latin1")
    query = bytes(scope["query_string"]).decode("latin1")
    return f"{path}?{query}"


def _identify(scope: Scope, form: bytes) -> ApiCall | None:
    try:
        return operations.identify(scope, form)
    except UnmappedRequestError:
        return None
