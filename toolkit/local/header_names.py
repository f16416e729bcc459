"""The names of request headers as they were sent: ASGI has them in lower case, Lambda's events do not."""

from __future__ import annotations

from typing import Any

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_NAMES = "toolkit.header_names"


class NamesProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, which records the names in the scope."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._names: dict[bytes, bytes] = {}
        scope: Any = self.scope
        scope[_NAMES] = self._names

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._names[name.lower()] = name


def sent_names(scope: Scope) -> dict[str, str]:
    """The names of the headers as they were sent, by their names in lower case."""
    names: dict[bytes, bytes] = scope.get(_NAMES, {})
    return {name.decode("latin1"): sent.decode("latin1") for name, sent in names.items()}
