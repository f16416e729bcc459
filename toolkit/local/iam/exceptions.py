"""Errors of policies, requests and credentials."""

from __future__ import annotations


class PolicyError(Exception):
    """A policy cannot be evaluated: it is malformed, or uses an unsupported feature.

    The request must be denied: a guess could allow what AWS denies.
    """


class UnmappedRequestError(Exception):
    """A request whose IAM action and resource are unknown. It must be denied."""


class AuthenticationError(Exception):
    """The credentials of a request are invalid.

    Args:
        code: `InvalidClientTokenId` or `ExpiredToken`; protocols and services have their own codes.
        message: as AWS words it.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
