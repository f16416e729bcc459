"""What huggingface_hub raises, as errors that a user can act on."""

from __future__ import annotations

import json
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
    """Turn what goes wrong with the hub into readable errors.

    Args:
        repository: the repository asked for.
        revision: its commit.
        where: the source in the environment file.

    Raises:
        InputError: there is no such repository, revision or file.
        PreflightError: the hub does not let us in or does not answer, or the disk takes no more.
    """
    try:
        yield
    except HfHubHTTPError as error:
        raise _refused(error, repository, revision, where) from error
    except OfflineModeIsEnabled as error:
        raise PreflightError(
            "huggingface_hub is told to stay offline", remedy="unset HF_HUB_OFFLINE"
        ) from error
    except HFValidationError as error:
        raise InputError(f"the hub takes no such name: {error}", where=where) from error
    except json.JSONDecodeError as error:
        raise PreflightError(
            "what answers is no hub", where=constants.ENDPOINT, remedy="check the network and HF_ENDPOINT"
        ) from error
    except httpx2.RequestError as error:
        raise PreflightError(
            f"the hub does not answer: {error or type(error).__name__}",
            where=constants.ENDPOINT,
            remedy="check the network (HTTPS_PROXY, HF_ENDPOINT) and run the command again: it goes on"
            " where it stopped",
        ) from error
    except OSError as error:
        raise PreflightError(
            f"a download cannot be written: {error.strerror or error}",
            where=str(error.filename or cache_dir()),
            remedy="make room, or set TOOLKIT_CACHE_DIR to a folder on another disk",
        ) from error


def _refused(error: HfHubHTTPError, repository: str, revision: str, where: str) -> ToolkitError:
    page = f"{constants.ENDPOINT}/{repository}"
    logged_in = get_token() is not None
    if isinstance(error, GatedRepoError):
        how = f"accept its terms on {page}" + ("" if logged_in else f", and {_LOG_IN}")
        if logged_in:
            how += (
                " with the account of your token; a fine-grained token must be allowed to read gated models"
            )
        return PreflightError(f"{repository} is gated: the hub does not let you in", where=where, remedy=how)
    if isinstance(error, RevisionNotFoundError):
        message = f"{repository} has no revision {revision}"
        return InputError(message, where=f"{where}.revision", remedy=f"see {page}/commits/main")
    if isinstance(error, RemoteEntryNotFoundError):
        return PreflightError(f"a file of {repository} is gone", where=page, remedy="run the command again")
    status = error.response.status_code
    # Who is not logged in is not told that there is no such repository.
    if isinstance(error, RepositoryNotFoundError) or (status == HTTPStatus.UNAUTHORIZED and not logged_in):
        how = "correct the name, or if it is private: " + (
            "use a token that may read it" if logged_in else _LOG_IN
        )
        return InputError(f"the hub shows you no model {repository}", where=f"{where}.hub", remedy=how)
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        message = f"the hub does not accept your token for {repository} ({status})"
        return PreflightError(message, where=where, remedy=f"{_LOG_IN}, with a token that may read it")
    return PreflightError(
        f"the hub answers {status}: {error.server_message or 'no reason given'}",
        where=constants.ENDPOINT,
        remedy="run the command again later: it goes on where it stopped",
    )
