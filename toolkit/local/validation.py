"""Validates every request to an AWS API against the service's model, in front of all services and moto."""

from __future__ import annotations

import json
from collections.abc import Iterator

from botocore.model import StructureShape
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Scope

from toolkit.local.awsapi import ApiError, Members
from toolkit.local.iam.exceptions import UnmappedRequestError
from toolkit.local.iam.mapping import operations
from toolkit.local.iam.mapping.operations import ApiCall
from toolkit.local.iam.refusals import error_response
from toolkit.local.middleware import LARGE_BYTES, Body, RefusingMiddleware, run
from toolkit.local.schema import check_types, violations
from toolkit.local.signature import Signature

# Member of the scope: the request's members.
_MEMBERS = "toolkit.members"


def members_of(request: Request) -> Members:
    """The validated members of a request, by their names in the service model.

    Raises:
        ApiError: the request was signed for another service than the one that has the operation.
    """
    members: Members | None = request.scope.get(_MEMBERS)
    if members is None:
        raise ApiError("InvalidSignatureException", "Credential should be scoped to correct service.")
    return members


class ValidationMiddleware(RefusingMiddleware):
    """Refuses what the service's model does not allow."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(app)
        self._warm: set[str] = set()

    def _decides(self, scope: Scope) -> bool:
        return not scope["path"].startswith("/_toolkit/")

    async def _refusal(self, scope: Scope, body: Body) -> Response | None:
        try:
            form = await body.read() if operations.is_form(scope) else b""
            # The first request to a service loads its model, which would block the event loop.
            service = Signature.of(scope).service
            call: ApiCall = await run(service not in self._warm, operations.identify, scope, form)
            self._warm.add(service)
        except UnmappedRequestError:
            return None
        content = await body.read() if call.needs_body and not call.has_blob_payload else form
        try:
            scope[_MEMBERS] = await run(len(content) > LARGE_BYTES, parse, call, content)
        except ApiError as error:
            return error_response(error.code, error.message, scope, call, 400)
        return None


def parse(call: ApiCall, body: bytes) -> Members:
    """Parse and validate the members of a request; like AWS, ignore unknown members.

    Raises:
        ApiError: SerializationException, or the service's code for invalid members.
    """
    shape = call.model.input_shape
    if shape is None:
        return {}
    try:
        if call.protocol in ("json", "rest-json") and not call.has_blob_payload:
            _check_json(shape, call.decompressed(body))
        members = call.parameters(body)
    except UnmappedRequestError as error:
        raise ApiError("SerializationException", str(error)) from error
    violated = list(_violations(call, shape, members))
    if violated:
        count = len(violated)
        noun = "error" if count == 1 else "errors"
        message = f"{count} validation {noun} detected: {'; '.join(text for _, text in violated)}"
        raise ApiError(
            "MalformedXML"
            if call.prefix == "s3" and _location(shape, violated[0][0]) is None
            else "ValidationError",
            message,
        )
    return members


def _check_json(shape: StructureShape, body: bytes) -> None:
    try:
        value = json.loads(body or b"{}")
    except (ValueError, RecursionError) as error:
        raise ApiError("SerializationException", str(error)) from error
    payload = shape.serialization.get("payload")
    check_types(shape.members[payload] if payload else shape, value)


def _violations(call: ApiCall, shape: StructureShape, members: Members) -> Iterator[tuple[str, str]]:
    # IAM's messages omit values (localstack/localstack, tests/aws/services/iam/test_iam.snapshot.json).
    for path, text in violations(shape, members, is_secret=call.prefix == "iam"):
        prefix = ""
        if _location(shape, path) is None:
            if call.has_blob_payload:
                # Content is not read here.
                continue
            if call.prefix == "apigateway":
                # API Gateway's members are in a structure that the model of its SDKs lacks.
                prefix = f"{call.operation[:1].lower()}{call.operation[1:]}Input."
        yield path, text.replace(f"at '{path}'", f"at '{prefix}{path}'")


def _location(shape: StructureShape, path: str) -> str | None:
    """Where a member is sent: `uri`, `querystring`, `header`, or None for the body."""
    name = path.split(".", maxsplit=1)[0].lower()
    return next(
        (m.serialization.get("location") for key, m in shape.members.items() if key.lower() == name), None
    )
