"""Amazon Resource Names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from functools import cached_property, lru_cache
from typing import Protocol

from toolkit.local.iam.exceptions import PolicyError

# An ARN has five colons before its resource part, which may hold further ones.
ARN_COLONS = 5


@dataclass(frozen=True)
class Arn:
    """The parts of an ARN; all but partition, service and resource may be empty."""

    partition: str
    service: str
    region: str
    account: str
    resource: str

    @classmethod
    def parse(cls, text: str) -> Arn | None:
        """Read an ARN; None if `text` is none, such as `*`."""
        parts = text.split(":", ARN_COLONS)
        if len(parts) <= ARN_COLONS or parts[0] != "arn":
            return None
        return cls(*parts[1:])

    def __str__(self) -> str:
        return ":".join(("arn", self.partition, self.service, self.region, self.account, self.resource))


_TOKEN = re.compile(r"\$\{(?P<variable>[^}]*)\}|(?P<wildcard>[*?])|(?P<text>[^$*?]+|\$)")
_VARIABLE = re.compile(r"(?P<key>[^,\s]+)\s*(?:,\s*'(?P<default>[^']*)'\s*)?")


class Context(Protocol):
    """The condition keys of a request. Names are compared without case."""

    def values(self, key: str) -> tuple[str, ...] | None:
        """The values of a key; None if the request does not have it.

        Raises:
            PolicyError: AWS has this key for such a request, but it is not known here.
        """


class _Kind(Enum):
    TEXT = auto()
    MANY = auto()
    ONE = auto()
    VARIABLE = auto()


@dataclass(frozen=True)
class _Part:
    kind: _Kind
    text: str = ""
    default: str | None = None


@dataclass(frozen=True)
class Template:
    """A string of a policy, from `parse`."""

    text: str
    parts: tuple[_Part, ...]

    def resolve(self, context: Context) -> str | None:
        """The string with its variables filled in and wildcards as they stand.

        Returns:
            None if a variable has no value in this request: then nothing equals the string.
        """
        filled = self._filled(context)
        if filled is None:
            return None
        return "".join(_LITERAL.get(part.kind, part.text) for part in filled)

    def matches(self, value: str, context: Context, *, ignore_case: bool = False) -> bool:
        """Whether `value` fits, with `*` for any characters and `?` for one."""
        if self._is_constant:
            pattern = self._any_case if ignore_case else self._same_case
            return pattern.fullmatch(value) is not None
        filled = self._filled(context)
        return filled is not None and _glob(filled, ignore_case).fullmatch(value) is not None

    def matches_arn(self, value: str, context: Context) -> bool:
        """Whether the ARN `value` fits as in a policy's `Resource`.

        A wildcard in the middle of one of an ARN's first five parts stays in that part; at a part's end,
        or in the resource part, it takes anything.
        """
        if self._is_constant:
            return self._arn.fullmatch(value) is not None
        filled = self._filled(context)
        return filled is not None and _arn_glob(filled).fullmatch(value) is not None

    # Most templates have no variables: their expressions are made once.

    @cached_property
    def _is_constant(self) -> bool:
        return all(part.kind is not _Kind.VARIABLE for part in self.parts)

    @cached_property
    def _same_case(self) -> re.Pattern[str]:
        return _glob(self.parts, ignore_case=False)

    @cached_property
    def _any_case(self) -> re.Pattern[str]:
        return _glob(self.parts, ignore_case=True)

    @cached_property
    def _arn(self) -> re.Pattern[str]:
        return _arn_glob(self.parts)

    def _filled(self, context: Context) -> tuple[_Part, ...] | None:
        """The parts with variables replaced by text: a value's own `*` is no wildcard."""
        result = []
        for part in self.parts:
            if part.kind is _Kind.VARIABLE:
                values = context.values(part.text)
                # Keys with several values cannot be variables.
                value = values[0] if values is not None and len(values) == 1 else part.default
                if value is None:
                    return None
                result.append(_Part(_Kind.TEXT, value))
            else:
                result.append(part)
        return tuple(result)


_LITERAL = {_Kind.MANY: "*", _Kind.ONE: "?"}


@lru_cache(maxsize=4096)
def parse(text: str, *, variables: bool) -> Template:
    """Read a policy's string.

    Args:
        text: as in the policy.
        variables: whether `${…}` are variables (policies of version 2012-10-17) or plain text.

    Raises:
        PolicyError: a variable is malformed.
    """
    if not variables:
        tokens = re.findall(r"[*?]|[^*?]+", text)
        return Template(text, tuple(_wildcard_or_text(token) for token in tokens))
    return Template(text, tuple(_parts(text)))


def _parts(text: str) -> Iterator[_Part]:
    for token in _TOKEN.finditer(text):
        inner = token["variable"]
        if inner is None:
            yield _wildcard_or_text(token[0])
        elif inner in ("*", "?", "$"):
            # The documented way to write these characters themselves.
            yield _Part(_Kind.TEXT, inner)
        else:
            variable = _VARIABLE.fullmatch(inner.strip())
            if variable is None:
                raise PolicyError(f"${{{inner}}} is not a policy variable")
            yield _Part(_Kind.VARIABLE, variable["key"], variable["default"])


def _wildcard_or_text(token: str) -> _Part:
    kind = {"*": _Kind.MANY, "?": _Kind.ONE}.get(token)
    return _Part(kind) if kind else _Part(_Kind.TEXT, token)


def _glob(parts: tuple[_Part, ...], ignore_case: bool) -> re.Pattern[str]:
    expressions = {_Kind.MANY: ".*", _Kind.ONE: "."}
    pattern = "".join(expressions.get(part.kind) or re.escape(part.text) for part in parts)
    return re.compile(pattern, re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def _arn_glob(parts: tuple[_Part, ...]) -> re.Pattern[str]:
    pattern, colons = "", 0
    for part, following in zip(parts, (*parts[1:], None), strict=True):
        if part.kind is _Kind.TEXT:
            pattern += re.escape(part.text)
            colons += part.text.count(":")
            continue
        ends_part = following is None or following.text.startswith(":")
        anything = colons >= ARN_COLONS or (part.kind is _Kind.MANY and ends_part)
        pattern += ("." if anything else "[^:]") + ("*" if part.kind is _Kind.MANY else "")
    return re.compile(pattern, re.DOTALL)
