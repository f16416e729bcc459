"""Errors of invocations."""

from __future__ import annotations

import json
from typing import Any

# Error type of a function that was killed after its time-out.
TIMED_OUT = "Sandbox.Timedout"


class FunctionNotFoundError(LookupError):
    """The function, version or alias does not exist."""


class FunctionError(Exception):
    """An unhandled function error.

    Args:
        error_type: such as `Runtime.ExitError`, or the name of a Python exception.
        message: as Lambda words it.
        payload: the error document, if the runtime sent one.
    """

    def __init__(self, error_type: str, message: str, payload: bytes | None = None) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.message = message
        self.payload = payload or json.dumps({"errorType": error_type, "errorMessage": message}).encode()

    @classmethod
    def from_payload(cls, payload: bytes) -> FunctionError:
        """Parse the error document of a runtime."""
        try:
            document: Any = json.loads(payload)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            return cls("Runtime.Unknown", "the runtime reported an error without a document", payload)
        return cls(str(document.get("errorType", "")), str(document.get("errorMessage", "")), payload)


class RefusedError(FunctionError):
    """Lambda rejected the invocation before the function started.

    Args:
        code: the error code of Lambda's API.
        message: as Lambda words it.
        status: the HTTP status.
        members: additional members of the error.
    """

    def __init__(self, code: str, message: str, *, status: int, **members: str) -> None:
        super().__init__(code, message)
        self.status = status
        self.members = members
