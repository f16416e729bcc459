from __future__ import annotations

from checkov.common.models.enums import CheckCategories

from _iam import DATA, POLICIES, ROLE, statements
from _rule import Conf, Rule

# Far apart: a pattern that covers both covers the service.
_PROBES = ("sagemaker:DescribeEndpoint", "sagemaker:CreatePresignedDomainUrl", "sagemaker:DeleteModel")


class IamEverySagemakerAction(Rule):
    id = "CKV_LLM_12"
    name = "No policy allows every SageMaker action"
    severity = "HIGH"
    reason = (
        "It includes notebooks and training jobs, with which one can run any code under any passable role."
    )
    remedy = "List the actions that are called."
    category = CheckCategories.IAM
    resources = (*POLICIES, ROLE)
    data = (DATA,)

    def problems(self, conf: Conf) -> list[str] | None:
        found = statements(conf, self.entity_type)
        if found is None:
            return None
        return [each.label for each in found if all(map(each.allows, _PROBES))]


check = IamEverySagemakerAction()
