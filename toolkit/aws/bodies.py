"""Bodies that botocore streams, such as S3 objects.

botocore retries a request until the headers of the response have arrived. If the connection breaks later, the
body is incomplete.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from botocore.exceptions import HTTPClientError, IncompleteReadError
from urllib3.exceptions import HTTPError

from toolkit import documents
from toolkit.aws.access import MAX_ATTEMPTS

_FIRST_DELAY_SECONDS = 0.1


def read(request: Callable[[], Mapping[str, Any]]) -> bytes:
    """The body of a response to a request that only reads, which is repeated if the connection breaks.

    Bodies that no reader accepts are truncated at `documents.MAX_BYTES`.

    Raises:
        botocore.exceptions.BotoCoreError, urllib3.exceptions.HTTPError: it broke every time.
    """
    for attempt in range(1, MAX_ATTEMPTS):
        # botocore has retried the errors of a request, except urllib3's, which it passes on if the body of an
        # error response is incomplete.
        with suppress(HTTPError):
            response = request()
            with suppress(HTTPClientError, IncompleteReadError):
                return _content(response)
        time.sleep(_FIRST_DELAY_SECONDS * 2 ** (attempt - 1))
    return _content(request())


def _content(response: Mapping[str, Any]) -> bytes:
    too_large = response["ContentLength"] > documents.MAX_BYTES
    # With a size, botocore does not check that the body is complete.
    return bytes(response["Body"].read(documents.MAX_BYTES + 1 if too_large else None))
