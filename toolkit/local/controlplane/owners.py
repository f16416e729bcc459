"""S3's check of a bucket's owner: moto does not look at whose bucket the client means."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.s3.exceptions import S3AccessDeniedError
from moto.s3.responses import S3Response

HEADER = "x-amz-expected-bucket-owner"


def apply() -> None:
    """Make moto refuse requests for buckets of another account than the client expects."""
    authorize = S3Response._authenticate_and_authorize_s3_action
    S3Response._authenticate_and_authorize_s3_action = _checked(authorize)  # type: ignore[method-assign]


def _checked(authorize: Callable[..., None]) -> Callable[..., None]:
    def checked(self: Any, *arguments: Any, **named: Any) -> None:
        if self.headers.get(HEADER, self.current_account) != self.current_account:
            raise S3AccessDeniedError
        authorize(self, *arguments, **named)

    return checked
