from __future__ import annotations

import re

from checkov.common.models.enums import CheckCategories
from policy_sentry.analysis.expand import expand
from policy_sentry.shared.iam_data import get_service_prefix_data

from _iam import DATA, POLICIES, ROLE, Statement, statements
from _rule import Conf, Rule

_EVERYTHING = re.compile(r"\*|arn:[^:]*:[^:]*:\*?:\*?:\*")
_SHOWN = 4


class IamResourceWildcard(Rule):
    id = "CKV_LLM_13"
    name = "Policies limit actions to resources where AWS supports it"
    severity = "HIGH"
    reason = "Other teams' endpoints, functions and data in the account are accessible."
    remedy = "List ARNs with the environment's prefix; if they cannot be known, add a tag condition."
    category = CheckCategories.IAM
    resources = (*POLICIES, ROLE)
    data = (DATA,)
    replaces = ("CKV_AWS_355",)

    def problems(self, conf: Conf) -> list[str] | None:
        allowed = statements(conf, self.entity_type)
        if allowed is None:
            return None
        return [
            f"{statement.label}: {_shortened(actions)}"
            for statement in allowed
            if any(map(_EVERYTHING.fullmatch, statement.resources)) and not _limited_by_tag(statement)
            if (actions := _narrowable(statement))
        ]


def _limited_by_tag(statement: Statement) -> bool:
    keys = statement.condition_keys()
    return any(":resourcetag/" in key for key in keys) or "kms:viaservice" in keys


def _narrowable(statement: Statement) -> list[str]:
    """The actions that support resource-level permissions."""
    if statement.not_actions:
        return ["all but NotAction"]
    return [action for pattern in statement.actions for action in expand(pattern) if _has_resources(action)]


def _has_resources(action: str) -> bool:
    service, _, name = action.lower().partition(":")
    data = get_service_prefix_data(service)
    if not data or name not in data["privileges_lower_name"]:
        return False
    return any(data["privileges"][data["privileges_lower_name"][name]]["resource_types"])


def _shortened(actions: list[str]) -> str:
    more = len(actions) - _SHOWN
    return ", ".join(actions[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


check = IamResourceWildcard()
