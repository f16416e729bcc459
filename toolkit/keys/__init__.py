"""API keys of an environment; no key value ever enters Terraform's state."""

from __future__ import annotations

from toolkit.keys.budgets import Usage, usage
from toolkit.keys.reconcile import reconcile
from toolkit.keys.rotation import rotate, wait_until_accepted
from toolkit.keys.store import DEFAULT_KEY, ApiKey, Keys, is_for_jwts, of

__all__ = [
    "DEFAULT_KEY",
    "ApiKey",
    "Keys",
    "Usage",
    "is_for_jwts",
    "of",
    "reconcile",
    "rotate",
    "usage",
    "wait_until_accepted",
]
