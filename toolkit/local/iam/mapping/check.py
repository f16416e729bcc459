"""One thing that a request needs to be allowed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from toolkit.local.iam.mapping.reference import Action


@dataclass(frozen=True)
class Check:
    """An action on a resource.

    Attributes:
        action: of the Service Authorization Reference.
        resource: its ARN; `*` if policies can name no resource for the action.
        keys: condition keys of this check alone, such as `iam:PassedToService`.
    """

    action: Action
    resource: str
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
