"""Bring the keys of an environment in line with its file."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from toolkit.keys.store import ApiKey, Keys


def reconcile(keys: Keys, on_change: Callable[[ApiKey], None] = lambda _: None) -> list[str]:
    """Create the keys that the file declares, attach each to its usage plan, and revoke those it dropped.

    Keys created with `toolkit keys create` stay, in the plan `default`.

    Args:
        keys: the environment's keys.
        on_change: called with each key that is new or in another plan.

    Returns:
        A line for each change.
    """
    existing = keys.list()
    created = _create_missing(keys, existing, on_change)
    return [*created, *(line for key in existing for line in _correct(keys, key, on_change))]


def _create_missing(keys: Keys, existing: list[ApiKey], on_change: Callable[[ApiKey], None]) -> Iterator[str]:
    names = {key.name for key in existing}
    for name in sorted(keys.declared):
        # After a rollback the deployed API may have fewer usage plans than the file.
        if name not in names and keys.declared[name] in keys.usage_plan_ids:
            key = keys.add(name)
            on_change(key)
            yield f"created the API key {name} in the usage plan {key.usage_plan}"


def _correct(keys: Keys, key: ApiKey, on_change: Callable[[ApiKey], None]) -> Iterator[str]:
    if key.declared and key.name not in keys.declared:
        keys.delete(key)
        yield f"revoked the API key {key.name}: it is no longer in the environment file"
        return
    if not key.declared and key.name in keys.declared:
        keys.mark_declared(key)
    plan = keys.declared.get(key.name, "default")
    if key.usage_plan != plan and plan in keys.usage_plan_ids:
        keys.move(key)
        on_change(key)
        yield f"moved the API key {key.name} to the usage plan {plan}"
