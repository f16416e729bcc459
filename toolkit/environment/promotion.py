"""The part of a model's definition that is promoted from one environment to another.

Keys that decide what a model answers move. Keys about fleets, accounts and networks stay: environments differ
in them on purpose.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from toolkit.environment.editor import REMOVED, update
from toolkit.environment.model import Model
from toolkit.environment.problems import KeyPath

MOVED = (
    "serving",
    "source",
    "startup_timeout_seconds",
    "download_timeout_seconds",
    "routing",
    "aliases",
    "limits",
    "fallback",
    "expectations",
    "objectives",
)
# Of each variant; its weight, instance type and capacity stay.
MOVED_OF_VARIANT = ("serving", "source")
# Keys that a new model does not get either: resources of the account, and traffic of the environment.
NOT_COPIED = ("kms_key_arn", "vpc", "data_capture", "shadow")


def digest(model: Model, weights: Mapping[str, str]) -> str:
    """SHA-256 of the promoted part of a model's definition, hexadecimal.

    Args:
        model: the definition.
        weights: digests of its weights in the model store, by their names: a path may have other content.
    """
    variants = {
        name: variant.model_dump(mode="json", exclude_defaults=True, include=set(MOVED_OF_VARIANT))
        for name, variant in model.variants.items()
    }
    own = model.model_dump(mode="json", exclude_defaults=True, include=set(MOVED))
    content = {"model": own, "variants": variants, "weights": dict(weights)}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def merged(source: Mapping[str, Any], target: Mapping[str, Any] | None) -> dict[str, Any]:
    """A model of the target's file with the promoted keys of the source's.

    Args:
        source: the model in the source's file.
        target: the model in the target's file; None if it is new there.
    """
    if target is None:
        return {key: value for key, value in source.items() if key not in NOT_COPIED}
    result = _moved(source, target, MOVED)
    variants = {
        name: _moved(variant or {}, (target.get("variants") or {})[name] or {}, MOVED_OF_VARIANT)
        if name in (target.get("variants") or {})
        else variant
        for name, variant in (source.get("variants") or {}).items()
    }
    result.pop("variants", None)
    return result | ({"variants": variants} if variants else {})


def _moved(source: Mapping[str, Any], target: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    kept = {key: value for key, value in target.items() if key not in keys}
    return kept | {key: source[key] for key in keys if key in source}


def edit(text: str, name: str, model: Mapping[str, Any], target: Mapping[str, Any] | None, file: str) -> str:
    """The text of an environment file with another definition of a model; everything else stays.

    Args:
        text: the file.
        name: the model.
        model: its new definition.
        target: its present definition; None if the file does not have it.
        file: the file's name, for errors.

    Raises:
        InputError: the model shares keys with others, by an alias.
    """
    changes: dict[KeyPath, dict[str, Any]] = {}
    for path, key, value in _changes(
        ("models",), {name: target} if target is not None else {}, {name: model}
    ):
        changes.setdefault(path, {})[key] = value
    for path, values in changes.items():
        removed = {key: value for key, value in values.items() if value is REMOVED}
        for part in (removed, {key: value for key, value in values.items() if value is not REMOVED}):
            text = update(text, path, part, file) if part else text
    return text


def _changes(
    path: KeyPath, current: Mapping[str, Any], expected: Mapping[str, Any]
) -> Iterator[tuple[KeyPath, str, Any]]:
    """The smallest mappings that differ, so that comments within others stay."""
    for key, value in expected.items():
        before = current.get(key)
        if isinstance(value, dict) and isinstance(before, dict) and value and before:
            yield from _changes((*path, key), before, value)
        elif key not in current or value != before:
            yield path, key, value
    yield from ((path, key, REMOVED) for key in current if key not in expected)
