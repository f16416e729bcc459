"""From an HTTP request to the operation of an AWS API and its parameters, with botocore's service models.

Routing and parsing are moto's, as in the control plane.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qs

from botocore.loaders import create_loader
from botocore.utils import parse_timestamp
from moto.core.model import OperationModel
from moto.core.parse import PROTOCOL_PARSERS, RequestParserError
from moto.core.request import Request, determine_request_protocol
from moto.core.routing import get_service_router
from starlette.datastructures import Headers
from starlette.types import Scope
from werkzeug.exceptions import NotFound

from toolkit.local.iam.exceptions import UnmappedRequestError
from toolkit.local.signature import Signature

# Signing name → botocore's services that use it, and the prefix of their actions.
_SERVICES: Mapping[str, tuple[tuple[str, ...], str]] = {
    "acm": (("acm",), "acm"),
    "apigateway": (("apigateway",), "apigateway"),
    "application-autoscaling": (("application-autoscaling",), "application-autoscaling"),
    "bedrock": (("bedrock", "bedrock-runtime"), "bedrock"),
    "budgets": (("budgets",), "budgets"),
    "ce": (("ce",), "ce"),
    "dynamodb": (("dynamodb",), "dynamodb"),
    "ec2": (("ec2",), "ec2"),
    "ecr": (("ecr",), "ecr"),
    "events": (("events",), "events"),
    "iam": (("iam",), "iam"),
    "kms": (("kms",), "kms"),
    "lambda": (("lambda",), "lambda"),
    "logs": (("logs",), "logs"),
    "monitoring": (("cloudwatch",), "cloudwatch"),
    "pricing": (("pricing",), "pricing"),
    "route53": (("route53",), "route53"),
    "s3": (("s3",), "s3"),
    "sagemaker": (("sagemaker", "sagemaker-runtime"), "sagemaker"),
    "servicequotas": (("service-quotas",), "servicequotas"),
    "sns": (("sns",), "sns"),
    "sts": (("sts",), "sts"),
    "tagging": (("resourcegroupstaggingapi",), "tag"),
    "wafv2": (("wafv2",), "wafv2"),
}
_FORM = "application/x-www-form-urlencoded"
# Types of a body without members.
_CONTENT = ("blob", "string")


@dataclass(frozen=True)
class ApiCall:
    """A request to an AWS API, without its body.

    Attributes:
        prefix: the service's prefix in policies, such as `sagemaker`.
        protocol: as botocore names it: `json`, `rest-json`, `query`, `ec2` or `rest-xml`.
        operation: its name in the API, such as `InvokeEndpoint`.
    """

    prefix: str
    protocol: str
    operation: str
    signature: Signature
    model: OperationModel
    _request: Request
    _uri: Mapping[str, Any]

    @property
    def method(self) -> str:
        """The HTTP method."""
        return self._request.method

    def header(self, name: str) -> str | None:
        """A header of the request (case-insensitive)."""
        return self._request.headers.get(name)

    @property
    def path(self) -> str:
        """The path as sent."""
        return self._request.raw_path

    @property
    def has_blob_payload(self) -> bool:
        """Whether the body is content rather than members, such as an S3 object."""
        shape = self.model.input_shape
        payload = shape.serialization.get("payload") if shape is not None else None
        return shape is not None and payload in shape.members and shape.members[payload].type_name in _CONTENT

    @property
    def needs_body(self) -> bool:
        """Whether the body has members, or values of condition keys."""
        # The policy of a private API is in its OpenAPI document.
        return self.prefix == "apigateway" or not self.has_blob_payload

    def decompressed(self, body: bytes) -> bytes:
        """The body; SDKs compress large requests of some operations.

        Raises:
            UnmappedRequestError: it is damaged.
        """
        if self.header("content-encoding") != "gzip":
            return body
        try:
            return gzip.decompress(body)
        except (OSError, EOFError, zlib.error) as error:
            raise UnmappedRequestError(f"cannot decompress the body of {self.operation}: {error}") from error

    def parameters(self, body: bytes) -> dict[str, Any]:
        """The parameters of the operation.

        Args:
            body: as sent; empty unless `needs_body`.

        Raises:
            UnmappedRequestError: the body cannot be parsed.
        """
        parser = PROTOCOL_PARSERS[self.protocol](self.model, _checked_timestamp, _keep)
        try:
            parsed: dict[str, Any] = parser.parse(
                {
                    "body": self.decompressed(body),
                    "headers": self._request.headers,
                    "method": self._request.method,
                    "url_params": dict(self._uri),
                    "url_path": self._request.path,
                    "values": self._request.values,
                }
            )
        except (RequestParserError, ValueError, TypeError, AttributeError, RecursionError) as error:
            raise UnmappedRequestError(f"cannot parse the body of {self.operation}: {error}") from error
        return parsed


def _checked_timestamp(value: Any) -> Any:
    parse_timestamp(value)
    return value


def _keep(value: Any) -> Any:
    return value


def identify(scope: Scope, form: bytes = b"") -> ApiCall:
    """Identify the operation of a request.

    Args:
        scope: the ASGI scope.
        form: the body, if it is a form: the query protocol names the operation there.

    Raises:
        UnmappedRequestError: the operation or its service is unknown.
    """
    headers = Headers(scope=scope)
    signature = Signature.of(scope)
    signed_for = signature.service or _unsigned_service(headers, form)
    services, prefix = _SERVICES.get(signed_for, ((), ""))
    request = _request(scope, form)
    for service in services:
        try:
            model, uri = get_service_router(service).match(request)
            protocol = determine_request_protocol(model.service_model, request.content_type)
        except (NotFound, NotImplementedError):
            continue
        if "x-amz-target" in headers and protocol != "json":
            # Signed for one service, sent to another.
            continue
        return ApiCall(prefix, protocol, model.name, signature, model, request, uri)
    target = headers.get("x-amz-target") or f"{scope['method']} {scope['path']}"
    raise UnmappedRequestError(f"unknown operation {target} of {signed_for or 'an unknown service'}")


def is_form(scope: Scope) -> bool:
    """Whether the body is a form with the operation's name, unlike an S3 object of that type."""
    is_object = Signature.of(scope).service == "s3"
    return not is_object and Headers(scope=scope).get("content-type", "").startswith(_FORM)


def _unsigned_service(headers: Headers, form: bytes) -> str:
    action = parse_qs(form.decode("utf-8", "replace")).get("Action", [""])[0]
    if action.startswith("AssumeRoleWith"):
        return "sts"
    if action:
        return ""
    prefix = headers.get("x-amz-target", "").split(".")[0]
    # Only S3 takes unsigned requests, for public buckets.
    return _target_prefixes().get(prefix, "") if prefix else "s3"


@cache
def _target_prefixes() -> dict[str, str]:
    loader = create_loader()
    prefixes = {}
    for signing_name, (services, _) in _SERVICES.items():
        for service in services:
            metadata = loader.load_service_model(service, "service-2")["metadata"]
            if "targetPrefix" in metadata:
                prefixes[metadata["targetPrefix"]] = signing_name
    return prefixes


def _request(scope: Scope, form: bytes) -> Request:
    headers = Headers(scope=scope)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"].encode().decode("latin1"),
        "QUERY_STRING": bytes(scope["query_string"]).decode("latin1"),
        "RAW_URI": bytes(scope.get("raw_path") or scope["path"].encode()).decode("latin1"),
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(form),
        "wsgi.version": (1, 0),
    }
    for name, value in headers.items():
        key = name.upper().replace("-", "_")
        environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
    environ["CONTENT_LENGTH"] = str(len(form))
    return Request(environ)
