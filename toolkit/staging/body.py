"""Bodies of requests that tell how much of them is sent, and end at once when they have to."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from toolkit.staging.meter import Lane
from toolkit.staging.stop import Stop

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client


class Body(io.BytesIO):
    """A request's body.

    Args:
        content: the body.
        lane: told of bytes as they are sent; of fewer than none if they have to be sent again.
        stop: ends the request.
    """

    def __init__(self, content: bytes, lane: Lane, stop: Stop) -> None:
        super().__init__(content)
        self._lane = lane
        self._told: int | None = None
        self._stop = stop

    def begin(self) -> None:
        """The next bytes read are sent: the first, or after a failure all again."""
        if self._told:
            self._lane.moved(-self._told)
        self._told = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self._stop.check()
        block = super().read(size)
        if self._told is not None:
            self._told += len(block)
            self._lane.moved(len(block))
        return block


def follow(s3: S3Client) -> None:
    """Have bodies of this client's uploads know when they are sent: they are also read to be signed."""
    for operation in ("PutObject", "UploadPart"):
        s3.meta.events.register(f"before-send.s3.{operation}", _begin, unique_id=f"toolkit-{operation}")


def _begin(request: Any, **_: object) -> None:
    if isinstance(request.body, Body):
        request.body.begin()
