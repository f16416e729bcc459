"""Authorizes every request to an AWS API while IAM is enforced, and unsigned requests always."""

from __future__ import annotations

from starlette.responses import Response
from starlette.types import ASGIApp, Scope

from toolkit.local.iam.enforcement import Enforcement
from toolkit.local.iam.exceptions import AuthenticationError, UnmappedRequestError
from toolkit.local.iam.mapping import operations
from toolkit.local.iam.mapping.operations import ApiCall
from toolkit.local.iam.refusals import access_denied, not_authenticated
from toolkit.local.middleware import LARGE_BYTES, Body, RefusingMiddleware, run
from toolkit.local.signature import Signature


class EnforceIamMiddleware(RefusingMiddleware):
    """Refuses what the caller's policies do not allow."""

    def __init__(self, app: ASGIApp, enforcement: Enforcement) -> None:
        super().__init__(app)
        self._enforcement = enforcement
        self._warm: set[str] = set()

    def _decides(self, scope: Scope) -> bool:
        # The cloud's own are not AWS APIs.
        if scope["path"].startswith("/_toolkit/"):
            return False
        # Anonymous callers have the permissions of resource policies only, even while IAM is not enforced.
        return self._enforcement.enforced or not Signature.of(scope).access_key

    async def _refusal(self, scope: Scope, body: Body) -> Response | None:
        """The response to a request that is not allowed; None if it is allowed."""
        call: ApiCall | None = None
        try:
            form = await body.read() if operations.is_form(scope) else b""
            service = Signature.of(scope).service
            # The first request to a service loads its model, which would block the event loop.
            is_cold = service not in self._warm
            call = await run(is_cold, operations.identify, scope, form)
            content = await body.read() if call.needs_body else form
            is_slow = is_cold or len(content) > LARGE_BYTES
            denial = await run(is_slow, self._enforcement.authorize, call, content)
            self._warm.add(service)
        except UnmappedRequestError as error:
            return self._unmapped(scope, error)
        except AuthenticationError as error:
            return not_authenticated(error, scope, call)
        return access_denied(denial, scope, call) if denial is not None else None

    def _unmapped(self, scope: Scope, error: UnmappedRequestError) -> Response:
        try:
            return access_denied(self._enforcement.unmapped(scope, error), scope, None)
        except AuthenticationError as refusal:
            return not_authenticated(refusal, scope, None)
