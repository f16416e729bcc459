"""When a stage was made and last changed: moto keeps neither."""

from __future__ import annotations

import time
from typing import Any

from moto.apigateway.models import Stage

_CREATED, _UPDATED = "toolkit_created", "toolkit_updated"


def extend() -> None:
    """Extend moto in this process."""
    own, apply_operations, to_json = Stage.__init__, Stage.apply_operations, Stage.to_json

    def dated(self: Stage, *args: Any, **kwargs: Any) -> None:
        own(self, *args, **kwargs)
        now = _now()  # once: a second may begin in between
        setattr(self, _CREATED, now)
        setattr(self, _UPDATED, now)

    def change(self: Stage, patch_operations: list[dict[str, Any]]) -> Stage:
        changed = apply_operations(self, patch_operations)
        setattr(self, _UPDATED, _now())
        return changed

    def with_dates(self: Stage) -> dict[str, Any]:
        dates = {"createdDate": getattr(self, _CREATED), "lastUpdatedDate": getattr(self, _UPDATED)}
        return {**to_json(self), **dates}

    Stage.__init__ = dated  # type: ignore[method-assign]
    Stage.apply_operations = change  # type: ignore[method-assign]
    Stage.to_json = with_dates  # type: ignore[method-assign]


def _now() -> int:
    return int(time.time())
