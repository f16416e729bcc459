"""moto as an ASGI application, for every request that no service of the cloud handles."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import io
import json
import logging
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast
from xml.sax.saxutils import escape

from a2wsgi import WSGIMiddleware
from moto.core.request import (
    PRESERVED_HEADER_NAMES_ENVIRON_KEY,
    environ_key_for_header,
    should_preserve_original_header_name,
)
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.route53.models import HostedZoneIdentifier
from moto.wafv2.exceptions import WAFv2ClientError
from moto.wafv2.models import WAFV2Backend
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send
from werkzeug.routing import Rule

from toolkit.local import deferred
from toolkit.local.controlplane import dynamodb, ecr, kms, s3
from toolkit.local.iam import rules

_log = logging.getLogger(__name__)

# Terraform handles ten resources at once and its provider polls; each upload occupies a thread.
WORKERS = 40
LARGE_BODY_BYTES = 16 * 1024 * 1024
_COLLECT_SECONDS = 0.5
# AWS's error code for an unknown operation.
_UNKNOWN = "UnknownOperationException"

Environ = dict[str, Any]
# Status, headers and body.
Whole = tuple[str, list[tuple[str, str]], bytes]


def extend(directory: Path) -> None:
    """Extend moto in this process.

    Args:
        directory: keeps large S3 objects.
    """
    compile_one_at_a_time(Rule)
    s3.extend(directory)
    dynamodb.extend()
    ecr.extend()
    kms.extend()
    rules.extend()
    _keep_associated_web_acls()
    _name_zones_like_aws()


def compile_one_at_a_time(rule: type[Rule]) -> None:
    """Compile the routes of this class in one thread at a time.

    moto builds the routes of a service and protocol at their first request. werkzeug compiles them by way of
    Python's parser, which fails in several threads at once (python/cpython#106905).
    """
    lock, compile_route = threading.Lock(), rule.compile

    def compile_alone(self: Rule) -> None:
        with lock:
            compile_route(self)

    rule.compile = compile_alone  # type: ignore[method-assign]


def application() -> ASGIApp:
    """moto's server mode, in threads."""
    moto = DomainDispatcherApplication(create_backend_app)

    def ask(environ: Environ) -> Whole:
        responses: list[tuple[str, list[tuple[str, str]]]] = []
        try:
            body = b"".join(moto(environ, lambda status, headers, *_: responses.append((status, headers))))
        except Exception as error:  # noqa: BLE001 any exception of moto becomes an error response
            return _failure(environ, error)
        return *responses[-1], body

    def respond(environ: Any, start_response: Any) -> Iterable[bytes]:
        _complete(environ)
        # Flask keeps the request in a context variable. Callbacks that the event loop schedules while it
        # reads or writes must not inherit it: it would keep the body in memory as long as the connection. So
        # read the body before, and send the response after.
        status, headers, body = contextvars.copy_context().run(ask, environ)
        start_response(status, headers)
        return [body]

    wsgi = cast(ASGIApp, WSGIMiddleware(respond, workers=WORKERS))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        # The request may read logs or metrics.
        deferred.finish()
        await wsgi(scope, receive, send)
        if int(Headers(scope=scope).get("content-length", "0")) > LARGE_BODY_BYTES:
            # moto's requests have reference cycles, which keep the body. Collect later, when the thread has
            # released it.
            asyncio.get_running_loop().call_later(_COLLECT_SECONDS, gc.collect)

    return app


def _complete(environ: Environ) -> None:
    """Add what werkzeug's server provides to moto: the raw path, header names with `_`, the length."""
    scope = environ["asgi.scope"]
    environ["RAW_URI"] = scope["raw_path"].decode("latin1")
    body = environ["wsgi.input"].read()
    environ["wsgi.input"] = io.BytesIO(body)
    # Without a length, S3 responds 411.
    environ["CONTENT_LENGTH"] = str(len(body))
    names = [name.decode("latin1") for name, _ in scope["headers"]]
    environ[PRESERVED_HEADER_NAMES_ENVIRON_KEY] = {
        environ_key_for_header(name): name for name in names if should_preserve_original_header_name(name)
    }


def _failure(environ: Environ, error: Exception) -> Whole:
    """The response to a failed request: not a 500, which SDKs retry for minutes in vain."""
    target = environ.get("HTTP_X_AMZ_TARGET") or f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
    if isinstance(error, NotImplementedError):
        _log.warning("%s: %s", target, error)
    else:
        _log.error("the control plane failed on %s", target, exc_info=error)
    message = f"the embedded cloud does not support {target}: {type(error).__name__}: {error}"
    code = _UNKNOWN if isinstance(error, NotImplementedError) else "NotImplemented"
    body, kind = _error_body(environ, code, message)
    headers = [("content-type", kind), ("content-length", str(len(body))), ("x-amzn-errortype", code)]
    return "400 Bad Request" if code == _UNKNOWN else "501 Not Implemented", headers, body


def _error_body(environ: Environ, code: str, message: str) -> tuple[bytes, str]:
    if "json" in environ.get("CONTENT_TYPE", ""):
        return json.dumps({"__type": code, "message": message}).encode(), "application/x-amz-json-1.1"
    error = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    # The query protocol has an envelope around the error, S3 has none.
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        error = f"<ErrorResponse>{error}</ErrorResponse>"
    return error.encode(), "text/xml"


class _StillProtectingError(WAFv2ClientError):
    def __init__(self) -> None:
        super().__init__(
            "WAFAssociatedItemException",
            "AWS WAF couldn't perform the operation because your resource is being used by another resource "
            "or it's associated with another resource.",
        )


def _keep_associated_web_acls() -> None:
    """Refuse to delete a web ACL that is associated with a resource, as AWS does."""
    delete = WAFV2Backend.delete_web_acl

    def delete_free(self: WAFV2Backend, name: str, scope: str, _id: str, *args: Any, **kwargs: Any) -> None:
        web_acl = next((acl for acl in self.wacls.values() if (acl.name, acl.id) == (name, _id)), None)
        # A stage that was deleted with its API is no longer associated.
        if web_acl is not None and any(map(self._find_apigw_stage, web_acl.associated_resources)):
            raise _StillProtectingError
        delete(self, name, scope, _id, *args, **kwargs)

    WAFV2Backend.delete_web_acl = delete_free  # type: ignore[method-assign]


def _name_zones_like_aws() -> None:
    """Make ids of hosted zones begin with Z, as on AWS."""
    generate = HostedZoneIdentifier.generate

    def with_z(self: HostedZoneIdentifier, *args: Any, **kwargs: Any) -> str:
        return f"Z{generate(self, *args, **kwargs)[1:]}"

    HostedZoneIdentifier.generate = with_z  # type: ignore[method-assign]
