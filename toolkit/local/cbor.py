"""The protocol `smithy-rpc-v2-cbor`, which AWS's newer SDKs speak to CloudWatch, translated to JSON.

https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import re
import struct
import zlib
from datetime import datetime
from typing import Any, Final

from botocore.exceptions import BotoCoreError
from botocore.model import ListShape, MapShape, Shape, StructureShape
from botocore.parsers import RpcV2CBORParser
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from toolkit.local.iam.exceptions import UnmappedRequestError
from toolkit.local.iam.mapping import operations
from toolkit.local.middleware import Body

_PROTOCOL: Final = "rpc-v2-cbor"
_PATH: Final = re.compile(r"/service/(?P<service>\w+)/operation/(?P<operation>\w+)")


class CborMiddleware:
    """ASGI middleware that translates requests and their responses."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match = _PATH.fullmatch(scope.get("path", ""))
        if (
            scope["type"] != "http"
            or match is None
            or Headers(scope=scope).get("smithy-protocol") != _PROTOCOL
        ):
            await self._app(scope, receive, send)
            return
        try:
            request = await Body(receive).read()
        except ClientDisconnect:
            return
        try:
            if Headers(scope=scope).get("content-encoding") == "gzip":
                request = gzip.decompress(request)
            body = json.dumps(_to_json(decode(request) if request else {})).encode()
        except (BotoCoreError, ValueError, IndexError, struct.error, OSError, EOFError, zlib.error):
            # Refused as a body that is not JSON.
            body = b"not CBOR"
        target = f"{match['service']}.{match['operation']}"
        translated = _as_json(scope, target, len(body))
        try:
            output = operations.identify(translated).model.output_shape
        except UnmappedRequestError:
            output = None

        async def replay() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(translated, replay, _Response(output, send))


def _as_json(scope: Scope, target: str, length: int) -> Scope:
    dropped = (
        *(b"content-type", b"content-length", b"content-encoding"),
        *(b"accept", b"smithy-protocol", b"transfer-encoding"),
    )
    headers = [(name, value) for name, value in scope["headers"] if name not in dropped]
    headers += [(b"content-type", b"application/x-amz-json-1.0"), (b"x-amz-target", target.encode())]
    headers.append((b"content-length", str(length).encode()))
    return {**scope, "path": "/", "raw_path": b"/", "headers": headers}


class _Response:
    """Sends a whole JSON response as CBOR."""

    def __init__(self, shape: Shape | None, send: Send) -> None:
        self._shape = shape
        self._send = send
        self._start: Message = {}
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            return
        self._body += message.get("body", b"")
        if message.get("more_body"):
            return
        is_error = self._start["status"] >= 300
        body = encode(json.loads(self._body or b"{}"), None if is_error else self._shape)
        headers = MutableHeaders(raw=list(self._start["headers"]))
        headers["content-type"], headers["content-length"] = "application/cbor", str(len(body))
        headers["smithy-protocol"] = _PROTOCOL
        await self._send({**self._start, "headers": headers.raw})
        await self._send({"type": "http.response.body", "body": body})


def decode(content: bytes) -> Any:
    """Decode a CBOR item.

    Raises:
        BotoCoreError, ValueError, IndexError or struct.error: it is malformed.
    """
    parser = RpcV2CBORParser()
    return parser.parse_data_item(io.BufferedReader(io.BytesIO(content)))


def _to_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _to_json(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_to_json(item) for item in value]
    if isinstance(value, datetime):
        return value.timestamp()
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def encode(value: Any, shape: Shape | None = None) -> bytes:
    """Encode a JSON value as CBOR.

    Args:
        value: as the JSON protocol has it.
        shape: of the service model; None if the value has no timestamps, numbers or blobs.
    """
    if isinstance(value, dict):
        pairs = [encode(name) + encode(item, _member(shape, name)) for name, item in value.items()]
        return _head(5, len(pairs)) + b"".join(pairs)
    if isinstance(value, list):
        item_shape = shape.member if isinstance(shape, ListShape) else None
        return _head(4, len(value)) + b"".join(encode(item, item_shape) for item in value)
    return _scalar(value, shape.type_name if shape is not None else "")


def _scalar(value: Any, kind: str) -> bytes:
    if value is None or isinstance(value, bool):
        return {None: b"\xf6", True: b"\xf5", False: b"\xf4"}[value]
    if isinstance(value, str):
        content = base64.b64decode(value) if kind == "blob" else value.encode()
        return _head(2 if kind == "blob" else 3, len(content)) + content
    if isinstance(value, float) or kind in ("float", "double", "timestamp"):
        tag = b"\xc1" if kind == "timestamp" else b""
        return tag + struct.pack(">Bd", 0xFB, value)
    return _head(0, value) if value >= 0 else _head(1, -1 - value)


def _member(shape: Shape | None, name: str) -> Shape | None:
    if isinstance(shape, StructureShape):
        return shape.members.get(name)
    return shape.value if isinstance(shape, MapShape) else None


def _head(major: int, number: int) -> bytes:
    """The type and length, or number, of an item."""
    for size, info, form in ((24, None, ""), (1 << 8, 24, "B"), (1 << 16, 25, "H"), (1 << 32, 26, "I")):
        if number < size:
            return bytes([major << 5 | (number if info is None else info)]) + (
                struct.pack(f">{form}", number) if form else b""
            )
    return bytes([major << 5 | 27]) + struct.pack(">Q", number)
