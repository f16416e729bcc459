"""Convert errors of huggingface_hub to the toolkit's errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

import httpx2
from huggingface_hub import constants, get_token
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from toolkit.errors import InputError, PreflightError, ToolkitError
from toolkit.project import cache_dir

_LOG_IN = "log in with `hf auth login`, or set HF_TOKEN"


@contextmanager
def explained(repository: str, revision: str, where: str) -> Iterator[None]:
    """Convert errors in this block.

    Args:
        repository: the repository.
        revision: its commit.
        where: the source in the environment file.

    Raises:
        InputError: the repository, revision or file does not exist.
        PreflightError: the hub denies access or is unreachable, or a file cannot be written.
    """
    try:
        yield
    except HfHubHTTPError as error:
        raise _refused(error, repository, revision, where) from error
    except OfflineModeIsEnabled as error:
        raise PreflightError(
            "cannot reach the hub: HF_HUB_OFFLINE is set", remedy="unset HF_HUB_OFFLINE"
        ) from error
    except HFValidationError as error:
        raise InputError(f"invalid Hugging Face repository name: {error}", where=where) from error
    except httpx2.RequestError as error:
        raise PreflightError(
            f"cannot reach the hub: {error or type(error).__name__}",
            where=constants.ENDPOINT,
            remedy="check the network (HTTPS_PROXY, HF_ENDPOINT) and run the command again to resume",
        ) from error
    except OSError as error:
        raise PreflightError(
            f"cannot write a download: {error.strerror or error}",
            where=str(error.filename or cache_dir()),
            remedy="free disk space, or set TOOLKIT_CACHE_DIR to a folder on another disk",
        ) from error


def _refused(error: HfHubHTTPError, repository: str, revision: str, where: str) -> ToolkitError:
    page = f"{constants.ENDPOINT}/{repository}"
    logged_in = get_token() is not None
    if isinstance(error, GatedRepoError):
        remedy = f"accept its terms on {page}" + ("" if logged_in else f", and {_LOG_IN}")
        if logged_in:
            remedy += (
                " with the account of your token; a fine-grained token needs permission to read gated models"
            )
        return PreflightError(f"cannot access {repository}: it is gated", where=where, remedy=remedy)
    if isinstance(error, RevisionNotFoundError):
        message = f"{repository} has no revision {revision}"
        return InputError(message, where=f"{where}.revision", remedy=f"see {page}/commits/main")
    if isinstance(error, RemoteEntryNotFoundError):
        return PreflightError(
            f"cannot download a file of {repository}: it no longer exists",
            where=page,
            remedy="run the command again",
        )
    status = error.response.status_code
    # Without a token, the hub also returns 401 for repositories that do not exist.
    if isinstance(error, RepositoryNotFoundError) or (status == HTTPStatus.UNAUTHORIZED and not logged_in):
        remedy = "correct the name; if it is private, " + (
            "use a token with read access" if logged_in else _LOG_IN
        )
        return InputError(
            f"cannot find the model {repository} on the hub", where=f"{where}.hub", remedy=remedy
        )
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        message = f"cannot access {repository}: the hub rejected your token ({status})"
        return PreflightError(message, where=where, remedy=f"{_LOG_IN}, with a token that has read access")
    return PreflightError(
        f"the hub failed with HTTP {status}: {error.server_message or 'no reason given'}",
        where=constants.ENDPOINT,
        remedy="run the command again later to resume",
    )
