"""A file of the hub, going on where an earlier attempt stopped, of this process or of another one."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path

import httpx2
from huggingface_hub import constants, get_session, hf_raise_for_status
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # documented there

from toolkit.staging.cancellation import CancelToken
from toolkit.staging.progress import Direction

# A failure counts only against those since something came in last.
_ATTEMPTS = 5
_LONGEST_WAIT_SECONDS = 8.0
_CHUNK_BYTES = 1024 * 1024


def resume(url: str, path: Path, size: int, direction: Direction, cancel: CancelToken) -> None:
    """Download what is missing of a file.

    Args:
        url: its address on the hub.
        path: where it goes; has the beginning of it already, or is empty.
        size: bytes of the whole.
        direction: told of bytes that come in.
        cancel: ends the work.

    Raises:
        huggingface_hub.errors.HfHubHTTPError: the hub refuses.
        httpx2.TransportError: the hub does not answer, after several attempts.
        OSError: the file cannot be written.
    """
    failures = 0
    while (begun := path.stat().st_size) < size:
        try:
            _append(url, path, begun, direction, cancel)
        except (httpx2.TransportError, HfHubHTTPError) as error:
            failures = 1 if path.stat().st_size > begun else failures + 1
            if failures >= _ATTEMPTS or not _is_transient(error):
                raise
            cancel.wait(min(2.0 ** (failures - 1), _LONGEST_WAIT_SECONDS))


def _append(url: str, path: Path, begun: int, direction: Direction, cancel: CancelToken) -> None:
    headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
    if begun:
        headers["Range"] = f"bytes={begun}-"
    # Redirects go to a content network; the session takes the token along to hosts of the hub only.
    with get_session().stream(
        "GET", url, headers=headers, timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT
    ) as response:
        hf_raise_for_status(response)
        goes_on = response.status_code == HTTPStatus.PARTIAL_CONTENT
        if not goes_on:
            direction.skipped(-begun)
        with path.open("ab" if goes_on else "wb") as file:
            for chunk in response.iter_bytes(_CHUNK_BYTES):
                cancel.check()
                file.write(chunk)
                direction.moved(len(chunk))


def _is_transient(error: httpx2.TransportError | HfHubHTTPError) -> bool:
    if not isinstance(error, HfHubHTTPError):
        return True
    status = error.response.status_code
    return status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS) or status >= 500
