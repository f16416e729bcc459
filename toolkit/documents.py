"""Read documents from outside the process: files, objects in S3, and the output of other programs.

Each has a declared type. A document that does not fit it is refused with the place of the damage. So no
other code checks types, or meets a value that it does not expect.
"""

from __future__ import annotations

import io
import json
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Never, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from toolkit.errors import ToolkitError

# Far above any real document: the state of a hundred models has about 10 MB.
MAX_BYTES = 64 * 2**20
# Python converts up to 4,300, and reports more in its own terms.
MAX_DIGITS = 1000
# The exceptions of `zipfile` for a damaged file, which include those of its decompressors.
DAMAGED_ZIP = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError)

T = TypeVar("T")


class OpenDict(TypedDict):
    """For types whose instances are stored again: keeps members that the type does not declare."""

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]


class DamagedError(ValueError):
    """A document is not what it should be.

    Attributes:
        reason: what is wrong; begins with the path of the key if that is known.
        line: the line, counted from 1, if it is known.
        incomplete: whether members are only missing or null.
    """

    def __init__(self, reason: str, line: int | None = None, *, incomplete: bool = False) -> None:
        super().__init__(reason if line is None else f"line {line}: {reason}")
        self.reason = reason
        self.line = line
        self.incomplete = incomplete


def read(content: bytes | str, kind: type[T], error: ToolkitError) -> T:
    """Parse a document, or fail with an error for the user.

    Args:
        content: the document, JSON.
        kind: its type; JSON's types are never converted.
        error: raised with the place of the damage as its first detail.
    """
    with raising(error):
        return parse(content, kind)


@contextmanager
def raising(error: ToolkitError) -> Iterator[None]:
    """Raise an error for the user instead of damage, which becomes its first detail."""
    try:
        yield
    except DamagedError as damage:
        error.details = (str(damage), *error.details)
        raise error from None


def parse(content: bytes | str, kind: type[T], *, non_finite: bool = False) -> T:
    """Parse a document.

    Args:
        content: the document, JSON.
        kind: its type; JSON's types are never converted.
        non_finite: accept `Infinity` and `NaN`, which are not JSON but which Python writes.

    Raises:
        DamagedError: it is not JSON of this type.
    """
    text = decode(content) if isinstance(content, bytes) else content
    try:
        # Unlike pydantic, this reports repeated keys and numbers that are not JSON.
        json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=float if non_finite else _refuse,
            parse_float=_finite,
            parse_int=_integer,
        )
        document: T = _adapter(kind).validate_json(text, strict=True)
    except json.JSONDecodeError as error:
        raise DamagedError(f"not JSON: {error.msg}", error.lineno) from None
    except ValidationError as error:
        raise _damage(error) from None
    except RecursionError:
        raise DamagedError("lists or objects are nested too deep") from None
    except ValueError as error:
        raise DamagedError(str(error)) from None
    return document


def decode(content: bytes, limit: int = MAX_BYTES) -> str:
    """The text of a document, without a byte order mark.

    Raises:
        DamagedError: it is not UTF-8, or too large.
    """
    if len(content) > limit:
        raise DamagedError(f"larger than {limit // 2**10} KiB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DamagedError(f"byte 0x{content[error.start]:02X} is not UTF-8", line) from None


@contextmanager
def archive(content: bytes) -> Iterator[zipfile.ZipFile]:
    """Open a zip file.

    Raises:
        DamagedError: it is not a zip file, or what the block reads of it is damaged.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as opened:
            yield opened
    except DamagedError:
        raise
    except (*DAMAGED_ZIP, RuntimeError, LookupError, ValueError, OSError) as error:
        raise DamagedError(f"not a zip file, or damaged: {error}") from None


@contextmanager
def member(name: str) -> Iterator[None]:
    """Name the member of an archive in the damage that the block finds."""
    try:
        yield
    except DamagedError as damage:
        raise DamagedError(f"{name}: {damage}") from None


def load(path: Path) -> bytes:
    """The content of a file, at most one byte more than is accepted."""
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


_adapter: Callable[[Any], TypeAdapter[Any]] = cache(TypeAdapter)


def _damage(error: ValidationError) -> DamagedError:
    errors = error.errors(include_url=False, include_context=False)
    first, *others = errors
    if first["type"] == "json_invalid":
        message, _, position = first["msg"].removeprefix("Invalid JSON: ").rpartition(" at line ")
        return DamagedError(f"not JSON: {message}", int(position.partition(" ")[0]))
    place = dotted(first["loc"])
    message = first["msg"].removeprefix("Input ").removeprefix("Value error, ")
    more = f" (and {len(others)} more)" if others else ""
    incomplete = all(item["type"] == "missing" or item["input"] is None for item in errors)
    return DamagedError(f"{place}: {message}{more}" if place else f"{message}{more}", incomplete=incomplete)


def dotted(path: Iterable[str | int]) -> str:
    """A key path as text: `resources[0].instances`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        keys = [key for key, _ in pairs]
        raise DamagedError(f"{next(key for key in keys if keys.count(key) > 1)}: occurs twice in an object")
    return members


def _refuse(constant: str) -> Never:
    raise DamagedError(f"{constant} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    return number if abs(number) != float("inf") else _too_large(text)


def _integer(text: str) -> int:
    return int(text) if len(text) <= MAX_DIGITS else _too_large(text)


def _too_large(number: str) -> Never:
    raise DamagedError(f"the number {number[:20]}{'…' * (len(number) > 20)} is too large")
