"""One request on its way through the gateway, with its `$context` variables."""

from __future__ import annotations

import base64
import json
import secrets
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from starlette.datastructures import Headers

from toolkit.local.apigateway.models import DeployedStage
from toolkit.local.apigateway.openapi import Method
from toolkit.local.service import ACCOUNT_ID


@dataclass(frozen=True)
class Identity:
    """The caller, from the authorizer's result.

    Attributes:
        principal: its principal id.
        context: its context.
        usage_key: the API key that it names.
    """

    principal: str = ""
    context: dict[str, Any] = field(default_factory=dict)
    usage_key: str | None = None


@dataclass(frozen=True)
class Caller:
    """The signer of a request.

    Attributes:
        access_key: id of the access key.
        arn: of the user or role session.
        id: AWS's unique id.
    """

    access_key: str
    arn: str
    id: str


@dataclass
class Outcome:
    """The outcome of a request.

    Attributes:
        status: 499 until the response starts.
        length: of the response body in bytes.
        seconds: from the request to the end of the response.
        integration_seconds: until the integration responds; None if it was not called.
        error: type and message of a gateway response.
    """

    status: int = 499
    length: int = 0
    seconds: float = 0.0
    integration_seconds: float | None = None
    error: tuple[str, str | None] | None = None


@dataclass
class ApiRequest:
    """A request to a deployed API.

    Attributes:
        raw_path: as sent, without the stage.
        query: as sent, without `?`.
        method, parameters: set by routing.
        identity: set by the authorizer.
        api_key_id, api_key: set by the API key check.
        caller: set by IAM authorization.
        target: path and query as the client sent them.
        sent_names: of headers, by their names in lower case.
        base_path: of a custom domain, such as `/prod`, may be empty; None for the API's own address.
        event: the members of a function's event that do not depend on the authorizer, once they are known.
        outcome: set at the end.
    """

    stage: DeployedStage
    http_method: str
    raw_path: str
    query: str
    headers: Headers
    body: bytes
    source_ip: str
    target: str = ""
    sent_names: Mapping[str, str] = field(default_factory=dict)
    base_path: str | None = None
    method: Method | None = None
    parameters: dict[str, str] = field(default_factory=dict)
    identity: Identity | None = None
    api_key_id: str | None = None
    api_key: str | None = field(default=None, repr=False)
    caller: Caller | None = None
    event: dict[str, Any] | None = None
    outcome: Outcome = field(default_factory=Outcome)
    started: float = field(default_factory=time.monotonic)
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    started_at: float = field(default_factory=time.time)
    extended_request_id: str = field(
        default_factory=lambda: base64.b64encode(secrets.token_bytes(9)).decode() + "="
    )

    @property
    def path(self) -> str:
        """The path without the stage, percent-encoded as sent, with one leading slash."""
        return f"/{self.raw_path.lstrip('/')}"

    @cached_property
    def trace_id(self) -> str:
        """X-Ray's header: what the client sent, completed as in LocalStack's test_invocation_trace_id."""
        pairs = (part.partition("=") for part in self.headers.get("x-amzn-trace-id", "").split(";"))
        sent = {name.strip(): value for name, _, value in pairs}
        digits = self.request_id.replace("-", "")
        root = sent.get("Root") or f"1-{int(self.started_at):08x}-{digits[:24]}"
        sampled = sent.get("Sampled") or ("1" if "Parent" in sent else "0")
        return f"Root={root};Parent={sent.get('Parent') or digits[-16:]};Sampled={sampled}"

    def sent_name(self, name: str) -> str:
        """The name of a header, given in lower case, as the client sent it."""
        return self.sent_names.get(name, name)

    @property
    def method_arn(self) -> str:
        """The ARN against which policies are evaluated."""
        return f"{self.stage.arn}/{self.http_method}/{self.path.lstrip('/')}"

    @property
    def sent_path(self) -> str:
        """The path with the stage, or with the base path of a custom domain."""
        prefix = f"/{self.stage.name}" if self.base_path is None else self.base_path
        return f"{prefix}{self.raw_path}"

    def variable(self, name: str) -> str | None:
        """The value of a `$context` variable, for templates and access logs."""
        outcome = self.outcome
        error_type, error = outcome.error or (None, None)
        integration = outcome.integration_seconds
        latency = None if integration is None else round(integration * 1000)
        started = time.gmtime(self.started_at)
        values: dict[str, object] = {
            "requestId": self.request_id,
            "extendedRequestId": self.extended_request_id,
            "apiId": self.stage.api_id,
            "stage": self.stage.name,
            "path": self.sent_path,
            "httpMethod": self.http_method,
            "protocol": "HTTP/1.1",
            "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", started),
            "requestTimeEpoch": int(self.started_at * 1000),
            "accountId": ACCOUNT_ID,
            "domainName": self.headers.get("host", ""),
            "status": outcome.status,
            "responseLength": outcome.length,
            "responseLatency": round(outcome.seconds * 1000),
            "integrationLatency": latency,
            "integration.latency": latency,
            "error.responseType": error_type,
            "error.message": error,
            "error.messageString": None if outcome.error is None else json.dumps(error),
            "identity.accessKey": self.caller.access_key if self.caller else None,
            "identity.userArn": self.caller.arn if self.caller else None,
            "identity.user": self.caller.id if self.caller else None,
            "identity.caller": self.caller.id if self.caller else None,
            "resourcePath": self.method.resource if self.method else None,
            "deploymentId": self.stage.deployment_id,
            "identity.sourceIp": self.source_ip,
            "identity.userAgent": self.headers.get("user-agent"),
            "identity.apiKeyId": self.api_key_id,
            "authorizer.principalId": self.identity.principal if self.identity else None,
        }
        value = values.get(name)
        if value is None and name.startswith("authorizer.") and self.identity:
            value = self.identity.context.get(name.removeprefix("authorizer."))
        if value is None:
            return None
        return value if isinstance(value, str) else json.dumps(value)
