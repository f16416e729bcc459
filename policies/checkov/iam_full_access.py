from __future__ import annotations

import re

from checkov.common.models.enums import CheckCategories

from _iam import ROLE
from _rule import Conf, Rule, value, values

_FULL = re.compile(r":iam::aws:policy/(?:.*/)?(\w*FullAccess|AdministratorAccess|PowerUserAccess)$")


class IamFullAccess(Rule):
    id = "CKV_LLM_15"
    name = "Nobody is given one of AWS's FullAccess policies"
    severity = "HIGH"
    reason = "They allow far more than this field needs, in the whole account, and AWS can add to them."
    remedy = "Write a policy of what is needed, on the resources that it is needed for."
    category = CheckCategories.IAM
    resources = (
        ROLE,
        "aws_iam_role_policy_attachment",
        "aws_iam_role_policy_attachments_exclusive",
        "aws_iam_user_policy_attachment",
        "aws_iam_group_policy_attachment",
        "aws_iam_policy_attachment",
    )

    def problems(self, conf: Conf) -> list[str]:
        arns = [value(conf, "policy_arn"), *values(conf, "policy_arns"), *values(conf, "managed_policy_arns")]
        return [found[1] for found in (_FULL.search(str(arn)) for arn in arns) if found]


check = IamFullAccess()
