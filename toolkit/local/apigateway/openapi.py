"""OpenAPI documents with API Gateway's extensions, parsed for requests."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch")
ANY: Final = "x-amazon-apigateway-any-method"
INTEGRATION: Final = "x-amazon-apigateway-integration"
_DEFAULT_TTL_SECONDS: Final = 300
_DEFAULT_TIMEOUT_MS: Final = 29_000
_PARAMETER: Final = re.compile(r"\{([^{}]+?)(\+?)\}")


@dataclass(frozen=True)
class Authorizer:
    """A Lambda authorizer.

    Attributes:
        kind: `token` (its input is one header) or `request` (its input is everything but the body).
        identity_sources: the cache key, such as `method.request.header.Authorization`.
        uri: invokes the function.
        ttl_seconds: how long its result is cached; 0 disables the cache.
        validation: a regular expression that the token must match.
    """

    name: str
    kind: str
    identity_sources: tuple[str, ...]
    uri: str
    ttl_seconds: int
    validation: str | None


@dataclass(frozen=True)
class Integration:
    """The integration of a method.

    Attributes:
        kind: in lower case, such as `aws_proxy`.
        http_method: of the request to the integration.
        streams: whether the response is streamed.
        timeout_seconds: until the whole response, or the beginning of a streamed one.
        request_templates: of a mock integration, by media type.
        responses: of a mock integration, by a pattern of the status, or `default`.
    """

    kind: str
    http_method: str
    uri: str
    streams: bool
    timeout_seconds: float
    request_templates: Mapping[str, str]
    responses: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Method:
    """A method of a resource.

    Attributes:
        resource: the path with its parameters, such as `/v1/models/{model}`.
        http_method: upper case, or `ANY`.
        needs_signature: whether it uses IAM authorization.
    """

    resource: str
    http_method: str
    operation: str | None
    integration: Integration | None
    authorizer: Authorizer | None
    needs_api_key: bool
    needs_signature: bool

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Matches percent-encoded paths, so that an encoded slash does not separate segments."""
        pieces, end = [], 0
        for match in _PARAMETER.finditer(self.resource):
            pieces.append(re.escape(self.resource[end : match.start()]))
            pieces.append("(.+)" if match[2] else "([^/]+)")
            end = match.end()
        return re.compile("".join(pieces) + re.escape(self.resource[end:]))

    def parameters(self, path: str) -> dict[str, str] | None:
        """The path parameters, encoded as they were sent; None if the path does not match."""
        match = self.pattern.fullmatch(path)
        if match is None:
            return None
        named = zip(_PARAMETER.findall(self.resource), match.groups(), strict=True)
        # As recorded: a `{proxy+}` has no slash at its end (test_lambda_aws_proxy_integration of LocalStack).
        return {name: value.rstrip("/") if greedy else value for (name, greedy), value in named}

    @property
    def precedence(self) -> tuple[object, ...]:
        """Sort key: literal segments, parameters, `{proxy+}`; specific methods before ANY."""
        segments = [
            2 if segment.endswith("+}") else 1 if "{" in segment else 0
            for segment in self.resource.split("/")
        ]
        return (segments, self.http_method == "ANY")


class Definition:
    """An API.

    Args:
        document: OpenAPI 3, or the common part of Swagger 2.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        methods = [
            _method(document, path, name, item)
            for path, operations in document.get("paths", {}).items()
            for name, item in operations.items()
            if name in METHODS or name == ANY
        ]
        self.methods = tuple(sorted(methods, key=lambda method: method.precedence))

    @property
    def api_key_source(self) -> str:
        """`HEADER` or `AUTHORIZER`."""
        return str(self._document.get("x-amazon-apigateway-api-key-source", "HEADER")).upper()

    @property
    def gateway_responses(self) -> Mapping[str, Mapping[str, Any]]:
        """Customized gateway responses by type."""
        responses: Mapping[str, Mapping[str, Any]] = self._document.get(
            "x-amazon-apigateway-gateway-responses", {}
        )
        return responses

    @property
    def binary_media_types(self) -> tuple[str, ...]:
        """Media types of binary bodies."""
        return tuple(self._document.get("x-amazon-apigateway-binary-media-types", ()))

    def find(self, http_method: str, path: str) -> tuple[Method, dict[str, str]] | None:
        """The method for a request, with the path parameters.

        Args:
            path: without the stage, percent-encoded as it was sent.
        """
        for method in self.methods:
            if method.http_method in (http_method, "ANY"):
                parameters = method.parameters(path)
                if parameters is not None:
                    return method, parameters
        return None


def _method(document: Mapping[str, Any], path: str, name: str, operation: Mapping[str, Any]) -> Method:
    schemes = document.get("components", {}).get("securitySchemes") or document.get("securityDefinitions", {})
    security = operation.get("security", document.get("security")) or []
    names = [scheme for requirement in security for scheme in requirement]
    authorizers = [_authorizer(scheme, schemes[scheme]) for scheme in names if scheme in schemes]
    return Method(
        resource=path,
        http_method="ANY" if name == ANY else name.upper(),
        operation=operation.get("operationId"),
        integration=_integration(operation.get(INTEGRATION)),
        authorizer=next(filter(None, authorizers), None),
        needs_api_key=any(_is_api_key(schemes.get(scheme, {})) for scheme in names),
        needs_signature=any(_is_sigv4(schemes.get(scheme, {})) for scheme in names),
    )


def _integration(extension: Mapping[str, Any] | None) -> Integration | None:
    if extension is None:
        return None
    return Integration(
        kind=str(extension.get("type", "")).lower(),
        http_method=str(extension.get("httpMethod", "")).upper(),
        uri=str(extension.get("uri", "")),
        streams=str(extension.get("responseTransferMode", "BUFFERED")).upper() == "STREAM",
        timeout_seconds=int(extension.get("timeoutInMillis", _DEFAULT_TIMEOUT_MS)) / 1000,
        request_templates=extension.get("requestTemplates") or {},
        responses=extension.get("responses") or {},
    )


def _authorizer(name: str, scheme: Mapping[str, Any]) -> Authorizer | None:
    extension = scheme.get("x-amazon-apigateway-authorizer")
    kind = str(extension.get("type", "")).lower() if extension else ""
    if extension is None or kind not in ("token", "request"):
        return None
    expressions = str(extension.get("identitySource") or "").split(",")
    sources = tuple(source.strip() for source in expressions if source.strip())
    if kind == "token" and not sources:
        sources = (f"method.request.header.{scheme.get('name', 'Authorization')}",)
    return Authorizer(
        name=name,
        kind=kind,
        identity_sources=sources,
        uri=str(extension.get("authorizerUri", "")),
        ttl_seconds=int(extension.get("authorizerResultTtlInSeconds", _DEFAULT_TTL_SECONDS)),
        validation=extension.get("identityValidationExpression"),
    )


def _is_api_key(scheme: Mapping[str, Any]) -> bool:
    return (
        scheme.get("type") == "apiKey"
        and str(scheme.get("name", "")).lower() == "x-api-key"
        and "x-amazon-apigateway-authtype" not in scheme
    )


def _is_sigv4(scheme: Mapping[str, Any]) -> bool:
    return str(scheme.get("x-amazon-apigateway-authtype", "")).lower() == "awssigv4"
