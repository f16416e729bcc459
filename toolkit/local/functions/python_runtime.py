"""A Lambda runtime client for Python: `python python_runtime.py MODULE.FUNCTION`.

For machines where awslambdaric needs a C++ compiler. The function's Python runs it by path, so it imports the
standard library only.
"""

from __future__ import annotations

import http.client
import importlib
import json
import os
import sys
import traceback
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

_RUNTIME = "/2018-06-01/runtime"
Handler = Callable[[Any, Any], Any]


class FaultError(Exception):
    """The function cannot run, or its response cannot be sent; with Lambda's error type and message."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Context:
    """The second argument of a handler."""

    def __init__(self, headers: http.client.HTTPMessage) -> None:
        self.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        self.invoked_function_arn = headers["Lambda-Runtime-Invoked-Function-Arn"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.identity = SimpleNamespace(cognito_identity_id=None, cognito_identity_pool_id=None)
        client = headers.get("Lambda-Runtime-Client-Context")
        self.client_context = SimpleNamespace(**json.loads(client)) if client else None
        self._deadline_ms = int(headers["Lambda-Runtime-Deadline-Ms"])

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the time-out."""
        import time

        return max(0, self._deadline_ms - int(time.time() * 1000))


class Api:
    """The Runtime API."""

    def __init__(self, address: str) -> None:
        self._connection = http.client.HTTPConnection(address)

    def next(self) -> tuple[bytes, http.client.HTTPMessage]:
        """Wait for an invocation."""
        self._connection.request("GET", f"{_RUNTIME}/invocation/next")
        response = self._connection.getresponse()
        return response.read(), response.headers

    def post(self, path: str, document: Any) -> None:
        """Send a response or an error; raises FaultError if it is not serializable."""
        try:
            body = json.dumps(document, default=_encode, ensure_ascii=False).encode()
        except (TypeError, ValueError) as error:
            raise FaultError("Runtime.MarshalError", f"Unable to marshal response: {error}") from error
        self._connection.request("POST", f"{_RUNTIME}{path}", body, {"Content-Type": "application/json"})
        self._connection.getresponse().read()


def _encode(value: object) -> object:
    # As awslambdaric does.
    import decimal

    if isinstance(value, decimal.Decimal):
        return float(value) if value % 1 else int(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def load(name: str) -> Handler:
    """Import the handler `module.function`; raises FaultError."""
    module_name, _, function_name = name.rpartition(".")
    if not module_name:
        raise FaultError("Runtime.MalformedHandlerName", f"Bad handler '{name}': no module in it")
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        message = f"Unable to import module '{module_name}': {error}"
        raise FaultError("Runtime.ImportModuleError", message) from error
    except SyntaxError as error:
        message = f"Syntax error in module '{module_name}': {error}"
        raise FaultError("Runtime.UserCodeSyntaxError", message) from error
    handler: Handler | None = getattr(module, function_name, None)
    if handler is None:
        message = f"Handler '{function_name}' missing on module '{module_name}'"
        raise FaultError("Runtime.HandlerNotFound", message)
    return handler


def report(error: Exception, request_id: str) -> dict[str, Any]:
    """Log an error and return its error document."""
    kind = error.kind if isinstance(error, FaultError) else type(error).__name__
    message, stack = str(error), []
    if not isinstance(error, FaultError):
        # Omit the frames of this file.
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
        stack = traceback.format_list([(f.filename, f.lineno or 0, f.name, f.line) for f in frames])
    sys.stdout.write(f"[ERROR] {kind}: {message}\rTraceback (most recent call last):\r")
    sys.stdout.write("".join(stack).replace("\n", "\r") + "\n")
    sys.stdout.flush()
    return {"errorMessage": message, "errorType": kind, "requestId": request_id, "stackTrace": stack}


def serve(handler: Handler, api: Api) -> None:
    """Serve invocations forever."""
    while True:
        event, headers = api.next()
        request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        os.environ["_X_AMZN_TRACE_ID"] = headers.get("Lambda-Runtime-Trace-Id", "")
        try:
            api.post(f"/invocation/{request_id}/response", handler(json.loads(event), Context(headers)))
        except Exception as error:  # noqa: BLE001 - any exception of a handler is its result
            api.post(f"/invocation/{request_id}/error", report(error, request_id))


def main() -> int:
    """Run the handler that the first argument names."""
    # Python put this file's directory first.
    sys.path[0] = os.environ["LAMBDA_TASK_ROOT"]
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    api = Api(os.environ["AWS_LAMBDA_RUNTIME_API"])
    try:
        handler = load(sys.argv[1])
    except Exception as error:  # noqa: BLE001 - an import may raise anything
        api.post("/init/error", report(error, ""))
        return 1
    serve(handler, api)
    return 0


if __name__ == "__main__":
    sys.exit(main())
