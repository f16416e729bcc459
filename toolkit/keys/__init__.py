"""API keys of an environment and clients that use them; no key value ever enters Terraform's state."""

from __future__ import annotations

from toolkit.keys.client import accepts, open_api
from toolkit.keys.reconcile import reconcile
from toolkit.keys.rotation import rotate
from toolkit.keys.store import DEFAULT_KEY, ApiKey, Keys, of

__all__ = ["DEFAULT_KEY", "ApiKey", "Keys", "accepts", "of", "open_api", "reconcile", "rotate"]
