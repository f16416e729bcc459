"""API keys of an environment, made and read through API Gateway: no value ever enters Terraform's state."""

from __future__ import annotations

from toolkit.keys.reconcile import reconcile
from toolkit.keys.rotation import rotate
from toolkit.keys.store import DEFAULT_KEY, ApiKey, Keys

__all__ = ["DEFAULT_KEY", "ApiKey", "Keys", "reconcile", "rotate"]
