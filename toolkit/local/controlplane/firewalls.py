"""Web ACLs stay as long as they protect something, as AWS's do; moto lets them go at any time."""

from __future__ import annotations

from typing import Any

from moto.wafv2.exceptions import WAFv2ClientError
from moto.wafv2.models import WAFV2Backend


class _StillProtectingError(WAFv2ClientError):
    def __init__(self) -> None:
        super().__init__(
            "WAFAssociatedItemException",
            "AWS WAF couldn't perform the operation because your resource is being used by another resource "
            "or it's associated with another resource.",
        )


def apply() -> None:
    """Make moto's stay, too."""
    delete = WAFV2Backend.delete_web_acl

    def delete_free(self: WAFV2Backend, name: str, scope: str, _id: str, *given: Any, **named: Any) -> None:
        found = next((acl for acl in self.wacls.values() if (acl.name, acl.id) == (name, _id)), None)
        # What is gone by itself, as a stage with its API, is protected no longer.
        if found is not None and any(map(self._find_apigw_stage, found.associated_resources)):
            raise _StillProtectingError
        delete(self, name, scope, _id, *given, **named)

    WAFV2Backend.delete_web_acl = delete_free  # type: ignore[method-assign]
