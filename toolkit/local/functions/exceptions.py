"""What can go wrong when a function is invoked."""

from __future__ import annotations

import json
from typing import Any

# The error type of a function that was killed because it took too long.
TIMED_OUT = "Sandbox.Timedout"


class FunctionNotFoundError(LookupError):
    """There is no such function, version or alias."""


class FunctionError(Exception):
    """The function failed; AWS calls this an unhandled function error.

    Args:
        error_type: such as `Runtime.ExitError`, or the name of a Python exception.
        message: in Lambda's words.
        payload: the whole error document, if the runtime made one.
    """

    def __init__(self, error_type: str, message: str, payload: bytes | None = None) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.message = message
        self.payload = payload or json.dumps({"errorType": error_type, "errorMessage": message}).encode()

    @classmethod
    def from_payload(cls, payload: bytes) -> FunctionError:
        """The error that a runtime reported with the document `payload`."""
        try:
            document: Any = json.loads(payload)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            return cls("Runtime.Unknown", "the runtime reported an error without a document", payload)
        return cls(str(document.get("errorType", "")), str(document.get("errorMessage", "")), payload)


class RefusedError(FunctionError):
    """Lambda did not even start the function.

    Args:
        code: of the error that Lambda's API answers.
        message: in Lambda's words.
        status: its HTTP status.
        members: further members of the error.
    """

    def __init__(self, code: str, message: str, *, status: int, **members: str) -> None:
        super().__init__(code, message)
        self.status = status
        self.members = members
