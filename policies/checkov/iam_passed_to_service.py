from __future__ import annotations

from checkov.common.models.enums import CheckCategories

from _iam import DATA, POLICIES, ROLE, Statement, statements
from _rule import Conf, Rule


class IamPassedToService(Rule):
    id = "CKV_LLM_14"
    name = "A role may be passed to named services only"
    severity = "HIGH"
    reason = "Who may pass a role to any service can run code of their own with the role's rights."
    remedy = 'Add the condition StringEquals iam:PassedToService, such as "sagemaker.amazonaws.com".'
    category = CheckCategories.IAM
    resources = (*POLICIES, ROLE)
    data = (DATA,)

    def problems(self, conf: Conf) -> list[str] | None:
        found = statements(conf, self.entity_type)
        if found is None:
            return None
        return [each.label for each in found if each.allows("iam:PassRole") and not _limited(each)]


def _limited(statement: Statement) -> bool:
    return "iam:passedtoservice" in statement.condition_keys() and not any(
        "*" in services for (_, key), services in statement.conditions.items() if key == "iam:passedtoservice"
    )


check = IamPassedToService()
