"""One operation of DynamoDB: a conditional update of an item whose attributes are numbers."""

from __future__ import annotations

import asyncio
import json
import random
import ssl
from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from typing import Any, Final

from gateway.aws_service import AwsService
from gateway.http_client import ConnectError, HttpError, Response
from gateway.signing import CredentialsError

_HEADERS: Final = {
    "content-type": "application/x-amz-json-1.0",
    "x-amz-target": "DynamoDB_20120810.UpdateItem",
}
# Of DynamoDB's error codes; see its API reference, "Common Errors" and UpdateItem.
_THROTTLED: Final = (
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
)
# As botocore for DynamoDB, with fewer attempts: a client waits.
_ATTEMPTS: Final = 3
_DELAY_SECONDS: Final = 0.025


class TableError(Exception):
    """The table cannot be updated."""


class UnavailableError(TableError):
    """DynamoDB refused or failed the update, and may accept it a moment later."""


class ThrottledError(UnavailableError):
    """There are more requests than DynamoDB accepts for the item or the table."""


class ConditionFailedError(Exception):
    """The condition does not hold.

    Args:
        item: the numbers of the item; empty if it does not exist.
    """

    def __init__(self, item: Mapping[str, Decimal]) -> None:
        super().__init__()
        self.item = item


class Table:
    """A table.

    Args:
        environ: environment variables: see `AwsService`.
        name: of the table.
        seconds: time limit of an update.

    Raises:
        SettingsError: an environment variable is missing or invalid.
    """

    def __init__(self, environ: Mapping[str, str], name: str, seconds: float) -> None:
        self._service = AwsService(environ, "dynamodb", "dynamodb", "DYNAMODB")
        self._name = name
        self._seconds = seconds

    async def update(
        self, key: Mapping[str, str], expression: str, condition: str | None, values: Mapping[str, Any]
    ) -> dict[str, Decimal]:
        """Update an item; returns its numbers.

        Args:
            key: texts by attribute.
            expression: the changes.
            condition: must hold; None for no condition.
            values: numbers by the names in the expressions, without the colon.

        Raises:
            ConditionFailedError: the condition does not hold.
            ThrottledError: there are too many requests.
            TableError: the table cannot be updated.
        """
        document = {
            "TableName": self._name,
            "Key": {name: {"S": text} for name, text in key.items()},
            "UpdateExpression": expression,
            "ExpressionAttributeValues": {
                f":{name}": {"N": f"{Decimal(value) + 0:f}"} for name, value in values.items()
            },
            "ReturnValues": "ALL_NEW",
        }
        if condition is not None:
            document |= {
                "ConditionExpression": condition,
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        body = json.dumps(document).encode()
        try:
            async with asyncio.timeout(self._seconds):
                for attempt in range(1, _ATTEMPTS):
                    with suppress(UnavailableError):
                        return await self._send(body)
                    # Full jitter, as botocore's.
                    await asyncio.sleep(random.random() * _DELAY_SECONDS * 2**attempt)  # noqa: S311
                return await self._send(body)
        except TimeoutError as error:
            raise TableError(f"DynamoDB did not respond within {self._seconds:g} s") from error

    async def _send(self, body: bytes) -> dict[str, Decimal]:
        try:
            response = await self._service.post("/", _HEADERS, body)
            members = await _members(response)
        except ConnectError as error:
            raise UnavailableError(f"{type(error).__name__}: {error}") from error
        except (HttpError, CredentialsError, ssl.SSLError, ValueError) as error:
            # The update has probably happened, and a second one would count twice.
            raise TableError(f"{type(error).__name__}: {error}") from error
        if response.status == 200:
            return _numbers(members.get("Attributes"))
        raise _error(response.status, members)


async def _members(response: Response) -> dict[str, Any]:
    try:
        await response.head()
        body = b""
        while part := await response.read():
            body += part
    finally:
        response.close()
    members = json.loads(body)
    return members if isinstance(members, dict) else {}


def _error(status: int, members: Mapping[str, Any]) -> Exception:
    code = str(members.get("__type", status)).rpartition("#")[2]
    if code == "ConditionalCheckFailedException":
        return ConditionFailedError(_numbers(members.get("Item")))
    text = f"{code}: {members.get('message') or members.get('Message') or ''}"
    if code in _THROTTLED:
        return ThrottledError(text)
    return UnavailableError(text) if status >= 500 else TableError(text)


def _numbers(attributes: Any) -> dict[str, Decimal]:
    """The attributes that are numbers."""
    return {name: Decimal(value["N"]) for name, value in (attributes or {}).items() if "N" in value}
