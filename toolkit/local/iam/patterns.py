"""ARNs, and the strings of policies with wildcards and variables such as `${aws:username}`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from functools import cached_property, lru_cache
from typing import Protocol

from toolkit.local.iam.exceptions import PolicyError

# Colons before the resource part, which may contain more.
ARN_COLONS = 5


@dataclass(frozen=True)
class Arn:
    """The parts of an ARN. Region and account may be empty."""

    partition: str
    service: str
    region: str
    account: str
    resource: str

    @classmethod
    def parse(cls, text: str) -> Arn | None:
        """Parse an ARN; None if `text` is not an ARN, such as `*`."""
        parts = text.split(":", ARN_COLONS)
        if len(parts) <= ARN_COLONS or parts[0] != "arn":
            return None
        return cls(*parts[1:])

    def __str__(self) -> str:
        return ":".join(("arn", self.partition, self.service, self.region, self.account, self.resource))


_TOKEN = re.compile(r"\$\{(?P<variable>[^}]*)\}|(?P<wildcard>[*?])|(?P<text>[^$*?]+|\$)")
_VARIABLE = re.compile(r"(?P<key>[^,\s]+)\s*(?:,\s*'(?P<default>[^']*)'\s*)?")


class Context(Protocol):
    """The condition keys of a request; their names are case-insensitive."""

    def values(self, key: str) -> tuple[str, ...] | None:
        """The values of a key; None if the request does not have it.

        Raises:
            PolicyError: AWS supports the key for the request, the embedded cloud does not.
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
        """Replace the variables, and keep the wildcards.

        Returns:
            None if a variable has no value in this request.
        """
        filled = self._filled(context)
        if filled is None:
            return None
        return "".join(_LITERAL.get(part.kind, part.text) for part in filled)

    def matches(self, value: str, context: Context, *, ignore_case: bool = False) -> bool:
        """Whether `value` matches; `*` stands for any characters, `?` for one."""
        if self._is_constant:
            pattern = self._any_case if ignore_case else self._same_case
            return pattern.fullmatch(value) is not None
        filled = self._filled(context)
        return filled is not None and _glob(filled, ignore_case).fullmatch(value) is not None

    def matches_arn(self, value: str, context: Context) -> bool:
        """Whether the ARN `value` matches, as in a policy's `Resource`.

        A wildcard inside one of the first five parts stays in that part. At the end of a part, or in the
        resource part, it matches anything.
        """
        if self._is_constant:
            return self._arn.fullmatch(value) is not None
        filled = self._filled(context)
        return filled is not None and _arn_glob(filled).fullmatch(value) is not None

    # Templates without variables, which are most, compile their expressions once.

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
        """The parts with variables replaced by text, in which `*` is not a wildcard."""
        result = []
        for part in self.parts:
            if part.kind is _Kind.VARIABLE:
                values = context.values(part.text)
                # Keys with several values are not valid as variables.
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
    """Parse a string of a policy.

    Args:
        text: as in the policy.
        variables: whether `${…}` is a variable (policy version 2012-10-17) or plain text.

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
            # The documented escapes of these characters.
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
        is_unbounded = colons >= ARN_COLONS or (part.kind is _Kind.MANY and ends_part)
        pattern += ("." if is_unbounded else "[^:]") + ("*" if part.kind is _Kind.MANY else "")
    return re.compile(pattern, re.DOTALL)
