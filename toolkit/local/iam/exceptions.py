"""What can be wrong with a policy or a request when it is to be decided."""

from __future__ import annotations


class PolicyError(Exception):
    """A policy cannot be evaluated: malformed, or it uses what this evaluator does not know.

    Whoever asked for a decision must deny: a guess could allow what AWS would not.
    """


class UnmappedRequestError(Exception):
    """A request whose IAM action and resource are not known; it must be denied."""


class AuthenticationError(Exception):
    """The credentials of a request are no good.

    Args:
        code: `InvalidClientTokenId` or `ExpiredToken`; protocols and services have their own words for it.
        message: in AWS's words.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
