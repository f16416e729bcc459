"""Brings the keys of an environment to what its file says."""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.keys.store import ApiKey, Keys


def reconcile(keys: Keys) -> list[str]:
    """Make keys that the file declares, put each into its usage plan, revoke those that were taken out of it.

    Keys made with `toolkit keys create` stay, in the plan `default`.

    Returns:
        What was changed, in words.
    """
    found = keys.list()
    return [*_missing(keys, found), *(line for key in found for line in _corrected(keys, key))]


def _missing(keys: Keys, found: list[ApiKey]) -> Iterator[str]:
    there = {key.name for key in found}
    for name in sorted(keys.declared):
        # After a rollback the deployed API may have fewer usage plans than the file.
        if name not in there and keys.declared[name] in keys.usage_plan_ids:
            made = keys.add(name)
            yield f"API key {name} is made, in the usage plan {made.usage_plan}"


def _corrected(keys: Keys, key: ApiKey) -> Iterator[str]:
    if key.declared and key.name not in keys.declared:
        keys.delete(key)
        yield f"API key {key.name} is revoked: the environment file has it no more"
        return
    if not key.declared and key.name in keys.declared:
        keys.adopt(key)
    plan = keys.declared.get(key.name, "default")
    if key.usage_plan != plan and plan in keys.usage_plan_ids:
        keys.move(key)
        yield f"API key {key.name} is in the usage plan {plan} now"
