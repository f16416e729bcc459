"""AWS Signature Version 4, and the credentials for it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from hmac import digest
from typing import Any, Final, NamedTuple

_ALGORITHM: Final = "AWS4-HMAC-SHA256"


class Credentials(NamedTuple):
    """Keys of a role or user."""

    access_key: str
    secret_key: str
    token: str | None


class CredentialsError(Exception):
    """There are no credentials."""


class CredentialSource:
    """The function's credentials: environment variables on Lambda, else what botocore finds and renews."""

    def __init__(self) -> None:
        self._chain: Any = None

    async def get(self) -> Credentials:
        """The present credentials.

        Raises:
            CredentialsError: there are none.
        """
        access_key, secret_key = (
            os.environ.get(f"AWS_{name}") for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")
        )
        if access_key and secret_key:
            return Credentials(access_key, secret_key, os.environ.get("AWS_SESSION_TOKEN") or None)
        return await asyncio.to_thread(self._search)

    def _search(self) -> Credentials:
        # Imported only here: it would double the cold start.
        from botocore.exceptions import BotoCoreError
        from botocore.session import Session

        try:
            if self._chain is None:
                self._chain = Session().get_credentials()
            if self._chain is None:
                raise CredentialsError("NoCredentialsError")
            return Credentials(*self._chain.get_frozen_credentials()[:3])
        except BotoCoreError as error:
            raise CredentialsError(type(error).__name__) from error


class Signer:
    """Signs requests to one service in one region.

    Args:
        region: the region.
        service: the service's signing name.
    """

    def __init__(self, region: str, service: str) -> None:
        self._region = region
        self._service = service
        self._key: tuple[tuple[str, str], bytes] = (("", ""), b"")

    def sign(
        self,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        credentials: Credentials,
        now: datetime | None = None,
    ) -> dict[str, str]:
        """The headers of a POST request, those of its signature included.

        Args:
            path: its path, whose characters need no escapes.
            headers: all of them are signed; names are in lower case, values without outer or double spaces.
            body: its body.
            credentials: the caller's.
            now: the time, in UTC.
        """
        time = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
        signed = {**headers, "x-amz-date": time}
        if credentials.token:
            signed["x-amz-security-token"] = credentials.token
        names = sorted(signed)
        lines = "".join(f"{name}:{signed[name]}\n" for name in names)
        canonical = f"POST\n{path}\n\n{lines}\n{';'.join(names)}\n{sha256(body).hexdigest()}"
        scope = f"{time[:8]}/{self._region}/{self._service}/aws4_request"
        text = f"{_ALGORITHM}\n{time}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
        signature = digest(self._signing_key(credentials.secret_key, scope), text.encode(), "sha256").hex()
        signed["authorization"] = (
            f"{_ALGORITHM} Credential={credentials.access_key}/{scope}, "
            f"SignedHeaders={';'.join(names)}, Signature={signature}"
        )
        return signed

    def _signing_key(self, secret_key: str, scope: str) -> bytes:
        # It changes once a day, and with the credentials.
        if self._key[0] != (secret_key, scope):
            key = f"AWS4{secret_key}".encode()
            for part in scope.split("/"):
                key = digest(key, part.encode(), "sha256")
            self._key = ((secret_key, scope), key)
        return self._key[1]
