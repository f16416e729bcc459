"""Functions that are web servers: what the Lambda Web Adapter does for them.

It starts the handler as a program, waits until its readiness path responds, and converts API Gateway's events
to HTTP requests (github.com/awslabs/aws-lambda-web-adapter).
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

from toolkit.local import children, upstream
from toolkit.local.children import Child, reserved_port
from toolkit.local.functions.exceptions import FunctionError
from toolkit.local.functions.instance import Instance, InstanceLog
from toolkit.local.functions.invocation import Invocation
from toolkit.local.functions.models import Function
from toolkit.local.functions.sandbox import Sandbox

# Separates status and headers from the body of a streamed response.
PRELUDE_END: Final = b"\0" * 8
STREAMED_CONTENT_TYPE: Final = "application/vnd.awslambda.http-integration-response"
# The adapter's interval.
_READINESS_SECONDS: Final = 0.01
# A connection can break before the exit of the process is known.
_DEATH_SECONDS: Final = 5.0
# The adapter replaces these: the function trusts them, so a client must not set them.
_ADAPTER_HEADERS: Final = ("x-amzn-request-context", "x-amzn-lambda-context", "x-amzn-trace-id")


class WebInstance(Instance):
    """An instance that is a web server on its own port."""

    def __init__(self, function: Function, log: InstanceLog, sandbox: Sandbox) -> None:
        super().__init__(function, log)
        self._sandbox = sandbox
        self._child: Child | None = None
        self._port = 0
        self._streams = function.environment.get("AWS_LWA_INVOKE_MODE") == "response_stream"
        self.content_type = STREAMED_CONTENT_TYPE if self._streams else "application/json"

    @property
    def child(self) -> Child | None:
        return self._child

    async def _start(self) -> None:
        task_root = await self._sandbox.task_root(self.function)
        # On AWS each instance has its own network namespace; here its configured port may be in use.
        self._port = reserved_port()
        port = str(self._port)
        environment = self._sandbox.environment(
            self.function, task_root, self.log, PORT=port, AWS_LWA_PORT=port
        )
        try:
            self._child = await children.start(
                [str(task_root / self.function.handler)],
                env=environment,
                cwd=task_root,
                on_output=self.log.line,
            )
        except OSError as error:
            raise FunctionError("Runtime.InvalidEntrypoint", f"Error: {error}") from error
        path = self.function.environment.get("AWS_LWA_READINESS_CHECK_PATH", "/")
        while not await self._responds(path):
            if not self.alive:
                raise self.exit_error()
            await asyncio.sleep(_READINESS_SECONDS)

    async def _responds(self, path: str) -> bool:
        try:
            async with upstream.request(self._port, "GET", path) as response:
                return 100 <= response.status < 500
        except OSError:
            return False

    async def _ended_within(self, seconds: float) -> bool:
        assert self._child is not None  # noqa: S101 - started
        try:
            await asyncio.wait_for(self._child.wait(), seconds)
        except TimeoutError:
            return False
        return True

    async def _parts(self, invocation: Invocation) -> AsyncGenerator[bytes]:
        request = HttpRequest.of_event(invocation, self.function)
        try:
            async with upstream.request(
                self._port, request.method, request.target, headers=request.headers, body=request.body
            ) as response:
                if not self._streams:
                    yield await _proxy_response(response)
                    return
                yield _prelude(response) + PRELUDE_END
                async for part in response.parts:
                    yield part
        except ValueError as error:
            raise FunctionError("Runtime.UnmarshalError", f"cannot convert the event: {error}") from error
        except OSError as error:
            if await self._ended_within(_DEATH_SECONDS):
                raise self.exit_error(invocation) from error
            raise FunctionError(
                "Runtime.StreamError", f"cannot read from the function's web server: {error}"
            ) from error


@dataclass(frozen=True)
class HttpRequest:
    """A request to the function's web server."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    @classmethod
    def of_event(cls, invocation: Invocation, function: Function) -> HttpRequest:
        """Convert an event of API Gateway (REST, payload format 1.0).

        Other events are posted unchanged to the adapter's pass-through path.

        Raises:
            FunctionError: the event is not JSON.
        """
        try:
            event: Any = json.loads(invocation.event or b"{}")
        except ValueError as error:
            raise FunctionError("Runtime.UnmarshalError", f"the event is not JSON: {error}") from error
        if not isinstance(event, dict) or "httpMethod" not in event or "requestContext" not in event:
            path = function.environment.get("AWS_LWA_PASS_THROUGH_PATH", "/events")
            headers = [("content-type", "application/json"), *_context_headers(None, invocation, function)]
            return cls("POST", path, headers, invocation.event)
        headers = _event_headers(event) + _context_headers(event["requestContext"], invocation, function)
        base_path = function.environment.get("AWS_LWA_REMOVE_BASE_PATH", "")
        return cls(event["httpMethod"], _target(event, base_path), headers, _body(event))


def _event_headers(event: dict[str, Any]) -> list[tuple[str, str]]:
    multiple = event.get("multiValueHeaders") or {}
    names = {name.lower() for name in multiple}
    headers = [(name, value) for name, values in multiple.items() for value in values]
    headers += [(n, v) for n, v in (event.get("headers") or {}).items() if n.lower() not in names]
    return [(name, _latin1(value)) for name, value in headers if name.lower() not in _ADAPTER_HEADERS]


def _latin1(value: str) -> str:
    """A header value in Latin-1; other characters become the bytes of their UTF-8."""
    try:
        value.encode("latin1")
    except UnicodeEncodeError:
        return value.encode().decode("latin1")
    return value


def _context_headers(
    request_context: object, invocation: Invocation, function: Function
) -> list[tuple[str, str]]:
    lambda_context = {
        "request_id": invocation.request_id,
        "deadline": invocation.deadline_ms(),
        "invoked_function_arn": invocation.function_arn,
        "xray_trace_id": invocation.trace_id,
        "client_context": None,
        "identity": None,
        "env_config": {
            "function_name": function.name,
            "memory": function.memory_mb,
            "version": function.version,
            "log_stream": "",
            "log_group": function.log_group,
        },
    }
    return [
        ("x-amzn-request-context", json.dumps(request_context, separators=(",", ":"))),
        ("x-amzn-lambda-context", json.dumps(lambda_context, separators=(",", ":"))),
        ("x-amzn-trace-id", invocation.trace_id),
    ]


def _target(event: dict[str, Any], base_path: str) -> str:
    path = event.get("path") or ""
    # Repeatedly: the adapter's trim_start_matches.
    while base_path and path.startswith(base_path):
        path = path.removeprefix(base_path)
    path = path or "/"
    path = quote(path, safe="/%:@!$&'()*+,;=~-._")
    query = event.get("multiValueQueryStringParameters") or event.get("queryStringParameters")
    return f"{path}?{urlencode(query, doseq=True, quote_via=quote)}" if query else path


def _body(event: dict[str, Any]) -> bytes:
    body = event.get("body") or ""
    return base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()


def _prelude(response: upstream.Response) -> bytes:
    headers: dict[str, Any] = {}
    for name in {name for name, _ in response.headers} - {"set-cookie"}:
        values = [value for key, value in response.headers if key == name]
        headers[name] = values[0] if len(values) == 1 else values
    cookies = [value for name, value in response.headers if name == "set-cookie"]
    return json.dumps({"statusCode": response.status, "headers": headers, "cookies": cookies}).encode()


async def _proxy_response(response: upstream.Response) -> bytes:
    body = await response.read()
    multiple: dict[str, list[str]] = {}
    for name, value in response.headers:
        multiple.setdefault(name, []).append(value)
    try:
        text, encoded = body.decode(), False
    except UnicodeDecodeError:
        text, encoded = base64.b64encode(body).decode(), True
    return json.dumps(
        {
            "statusCode": response.status,
            "headers": dict(response.headers),
            "multiValueHeaders": multiple,
            "body": text,
            "isBase64Encoded": encoded,
        }
    ).encode()
