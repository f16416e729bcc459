from __future__ import annotations

from checkov.common.models.enums import CheckCategories

from _rule import Conf, Rule, unknown, value


class LogGroupRetention(Rule):
    id = "CKV_LLM_16"
    name = "Log groups have a retention period"
    severity = "MEDIUM"
    reason = "Prompts may be kept, and charged for, indefinitely."
    remedy = "Set retention_in_days."
    category = CheckCategories.LOGGING
    resources = ("aws_cloudwatch_log_group",)
    replaces = ("CKV_AWS_66",)

    def problems(self, conf: Conf) -> list[str]:
        days = value(conf, "retention_in_days")
        return [] if unknown(days) or str(days or 0) != "0" else ["retention_in_days is not set"]


check = LogGroupRetention()
