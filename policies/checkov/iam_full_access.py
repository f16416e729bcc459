from __future__ import annotations

import re

from checkov.common.models.enums import CheckCategories

from _iam import ROLE
from _rule import Conf, Rule, value, values

_FULL = re.compile(r":iam::aws:policy/(?:.*/)?(\w*FullAccess|AdministratorAccess|PowerUserAccess)$")


class IamFullAccess(Rule):
    id = "CKV_LLM_15"
    name = "AWS's FullAccess policies are not attached"
    severity = "HIGH"
    reason = "They grant far more than LLM hosting needs, in the whole account, and AWS can extend them."
    remedy = "Attach a least-privilege policy for the required actions and resources."
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
        return [match[1] for match in (_FULL.search(str(arn)) for arn in arns) if match]


check = IamFullAccess()
