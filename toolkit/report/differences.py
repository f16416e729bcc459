"""Differences between two versions of a resource; sensitive values are never shown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from toolkit import documents

SENSITIVE = "(sensitive)"
UNKNOWN = "(known after apply)"
# Longer values are truncated; Terraform shows them in full.
MAX_LENGTH = 200

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Difference:
    """One attribute that changes.

    Attributes:
        path: 'primary_container[0].environment.SM_VLLM_MAX_MODEL_LEN'.
        old: its current value as text; None if unset.
        new: its planned value as text; None if unset.
        forces_replacement: whether it cannot be updated in place.
    """

    path: str
    old: str | None
    new: str | None
    forces_replacement: bool = False


def differences(change: Mapping[str, Any]) -> list[Difference]:
    """The attributes that differ in a change of a JSON plan.

    Args:
        change: a resource's `change`, with `before`, `after`, `after_unknown`, `before_sensitive`,
            `after_sensitive` and `replace_paths`.
    """
    forced = [tuple(path) for path in change.get("replace_paths") or ()]
    changed = []
    for path, old, new in _pairs((), _Side.before(change), _Side.after(change)):
        if path and path[0] in ("tags_all", "id", "arn"):  # derived from other attributes
            continue
        is_forced = any(path[: len(prefix)] == prefix or prefix[: len(path)] == path for prefix in forced)
        changed.append(Difference(_format(path), old, new, is_forced))
    return changed


def _format(path: Path) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


@dataclass(frozen=True)
class _Side:
    """A value, with the parts of it that are sensitive or unknown."""

    value: Any
    sensitive: Any
    unknown: Any

    @classmethod
    def before(cls, change: Mapping[str, Any]) -> _Side:
        return cls(change.get("before"), change.get("before_sensitive"), False)

    @classmethod
    def after(cls, change: Mapping[str, Any]) -> _Side:
        return cls(change.get("after"), change.get("after_sensitive"), change.get("after_unknown"))

    @property
    def is_empty(self) -> bool:
        """Whether it is unset, which providers represent in several ways."""
        return self.unknown is not True and self.value in (None, "", [], {})

    @property
    def has_parts(self) -> bool:
        return isinstance(self.value, (dict, list)) or isinstance(self.unknown, (dict, list))

    def keys(self) -> list[str | int]:
        keys: dict[str | int, None] = {}
        for part in (self.value, self.unknown):
            keys |= dict.fromkeys(
                part if isinstance(part, dict) else range(len(part)) if isinstance(part, list) else ()
            )
        return list(keys)

    def part(self, key: str | int) -> _Side:
        return _Side(_item(self.value, key), _item(self.sensitive, key), _item(self.unknown, key))

    def parsed(self) -> _Side:
        """A JSON document in a string, such as a policy, as its content."""
        if not isinstance(self.value, str) or not self.value.startswith(("{", "[")):
            return self
        try:
            return _Side(documents.parse(self.value, object), self.sensitive, self.unknown)
        except documents.DamagedError:
            return self

    def text(self) -> str | None:
        if self.sensitive:
            return SENSITIVE
        if self.unknown is True:
            return UNKNOWN
        if self.is_empty:
            return None
        text = json.dumps(self.value, ensure_ascii=False, sort_keys=True)
        return text if len(text) <= MAX_LENGTH else f"{text[:MAX_LENGTH]}… ({len(text)} characters)"


def _pairs(path: Path, old: _Side, new: _Side) -> Iterator[tuple[Path, str | None, str | None]]:
    if old.sensitive is True or new.sensitive is True:
        if new.unknown is True or old.value != new.value:
            yield path, old.value and SENSITIVE, SENSITIVE if new.value or new.unknown else None
        return
    old, new = old.parsed(), new.parsed()
    if old.is_empty and new.is_empty and not new.has_parts:
        return
    # If only one side has parts, each of them differs.
    has_parts = (
        (old.has_parts or old.is_empty) and (new.has_parts or new.is_empty) and new.unknown is not True
    )
    if has_parts and (old.has_parts or new.has_parts):
        for key in dict.fromkeys([*old.keys(), *new.keys()]):
            yield from _pairs((*path, key), old.part(key), new.part(key))
    elif new.unknown is True or old.value != new.value:
        yield path, old.text(), new.text()


def _item(container: Any, key: str | int) -> Any:
    if container is True:  # sensitive or unknown as a whole
        return True
    if isinstance(container, dict):
        return container.get(str(key)) if isinstance(key, str) else None
    if isinstance(container, list) and isinstance(key, int) and key < len(container):
        return container[key]
    return None
