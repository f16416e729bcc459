from __future__ import annotations

from checkov.common.models.enums import CheckCategories

from _rule import Conf, Rule, blocks


class ApiStageAccessLog(Rule):
    id = "CKV_LLM_9"
    name = "API stages write an access log"
    severity = "MEDIUM"
    reason = "Attacks and misused keys leave no trace, and requests that API Gateway rejects are not logged."
    remedy = "Add access_log_settings; a REST API also needs API Gateway's account-wide logging role."
    category = CheckCategories.LOGGING
    resources = ("aws_api_gateway_stage", "aws_apigatewayv2_stage")
    replaces = ("CKV_AWS_76",)

    def problems(self, conf: Conf) -> list[str]:
        return [] if blocks(conf, "access_log_settings") else ["no access_log_settings"]


check = ApiStageAccessLog()
