"""Download a file from the hub, resuming an earlier attempt of this or another process."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path

import httpx2
from huggingface_hub import constants, get_session, hf_raise_for_status
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # documented there

from toolkit.files import naming
from toolkit.staging.cancellation import CancelToken
from toolkit.staging.progress import Direction

# Consecutive failures without a byte received in between.
_ATTEMPTS = 5
_LONGEST_WAIT_SECONDS = 8.0
_CHUNK_BYTES = 1024 * 1024


def resume(url: str, path: Path, size: int, direction: Direction, cancel: CancelToken) -> None:
    """Download the missing rest of a file.

    Args:
        url: its URL on the hub.
        path: the partial file, possibly empty.
        size: complete size in bytes.
        direction: counts bytes received.
        cancel: stops the download.

    Raises:
        huggingface_hub.errors.HfHubHTTPError: the hub refused.
        httpx2.TransportError: no connection to the hub after several attempts.
        OSError: the file cannot be written.
    """
    failures = 0
    while (offset := path.stat().st_size) < size:
        try:
            _append(url, path, offset, direction, cancel)
        except (httpx2.TransportError, HfHubHTTPError) as error:
            failures = 1 if path.stat().st_size > offset else failures + 1
            if failures >= _ATTEMPTS or not _is_transient(error):
                raise
            cancel.wait(min(2.0 ** (failures - 1), _LONGEST_WAIT_SECONDS))


def _append(url: str, path: Path, offset: int, direction: Direction, cancel: CancelToken) -> None:
    headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
    # The hub redirects to a content delivery network; the session sends the token to the hub only.
    with get_session().stream(
        "GET", url, headers=headers, timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT
    ) as response:
        hf_raise_for_status(response)
        resumed = response.status_code == HTTPStatus.PARTIAL_CONTENT
        if not resumed:
            direction.skipped(-offset)
        with naming(path), path.open("ab" if resumed else "wb") as file:
            for chunk in response.iter_bytes(_CHUNK_BYTES):
                cancel.check()
                file.write(chunk)
                direction.moved(len(chunk))


def _is_transient(error: httpx2.TransportError | HfHubHTTPError) -> bool:
    if not isinstance(error, HfHubHTTPError):
        return True
    status = error.response.status_code
    return status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS) or status >= 500
