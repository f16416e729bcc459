from __future__ import annotations

from checkov.common.models.enums import CheckCategories

from _iam import DATA, POLICIES, ROLE, statements
from _rule import Conf, Rule

# Unrelated actions: a statement that allows all of them allows the whole service.
_PROBES = ("sagemaker:DescribeEndpoint", "sagemaker:CreatePresignedDomainUrl", "sagemaker:DeleteModel")


class IamEverySagemakerAction(Rule):
    id = "CKV_LLM_12"
    name = "Policies do not allow every SageMaker action"
    severity = "HIGH"
    reason = "Notebooks and training jobs run arbitrary code with any role that can be passed."
    remedy = "List the required actions."
    category = CheckCategories.IAM
    resources = (*POLICIES, ROLE)
    data = (DATA,)

    def problems(self, conf: Conf) -> list[str] | None:
        allowed = statements(conf, self.entity_type)
        if allowed is None:
            return None
        return [statement.label for statement in allowed if all(map(statement.allows, _PROBES))]


check = IamEverySagemakerAction()
