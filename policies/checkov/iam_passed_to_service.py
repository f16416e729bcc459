from __future__ import annotations

from checkov.common.models.enums import CheckCategories

from _iam import DATA, POLICIES, ROLE, Statement, statements
from _rule import Conf, Rule


class IamPassedToService(Rule):
    id = "CKV_LLM_14"
    name = "iam:PassRole is limited to named services"
    severity = "HIGH"
    reason = "Passing a role to any service allows running arbitrary code with the role's permissions."
    remedy = 'Add the condition StringEquals iam:PassedToService, such as "sagemaker.amazonaws.com".'
    category = CheckCategories.IAM
    resources = (*POLICIES, ROLE)
    data = (DATA,)

    def problems(self, conf: Conf) -> list[str] | None:
        allowed = statements(conf, self.entity_type)
        if allowed is None:
            return None
        return [
            statement.label
            for statement in allowed
            if statement.allows("iam:PassRole") and not _limited(statement)
        ]


def _limited(statement: Statement) -> bool:
    return "iam:passedtoservice" in statement.condition_keys() and not any(
        "*" in services for (_, key), services in statement.conditions.items() if key == "iam:passedtoservice"
    )


check = IamPassedToService()
