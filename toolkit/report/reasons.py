"""Terraform's reasons for what it does, as sentences."""

from __future__ import annotations

from toolkit.report import versions

# Ours: an object of a resource that has another one by now.
DEPOSED = "deposed"

_REASONS = {
    DEPOSED: "what replaces it is there; an apply that was cut off or failed has left it",
    versions.REASON: "it is immutable: a new version is made, then the old one removed",
    "replace_because_tainted": "its last creation did not end well",
    "replace_by_request": "it failed, and cannot be repaired",
    "replace_by_triggers": "something it depends on is replaced",
    "delete_because_no_resource_config": "it is no longer in the code",
    "delete_because_no_module": "its module is no longer in the code",
    "delete_because_wrong_repetition": "it is declared in another way",
    "delete_because_count_index": "fewer of it are wanted",
    "delete_because_each_key": "it is no longer wanted",
    "delete_because_no_move_target": "nothing takes its place",
}


def sentence(reason: str, forced_by: list[str]) -> str:
    """Why a resource is replaced or destroyed; empty if Terraform does not say.

    Args:
        reason: Terraform's `action_reason`.
        forced_by: attributes that cannot be changed in place.
    """
    if reason == "replace_because_cannot_update":
        return f"{', '.join(forced_by) or 'an attribute'} cannot be changed in place"
    return _REASONS.get(reason, "")
