from __future__ import annotations

from checkov.common.models.enums import CheckCategories

from _rule import Conf, Rule, blocks


class ApiStageAccessLog(Rule):
    id = "CKV_LLM_9"
    name = "An API stage logs who called what"
    severity = "MEDIUM"
    reason = (
        "Misuse of a key, or an attack, leaves no trace; requests that API Gateway refuses are seen nowhere."
    )
    remedy = "Add access_log_settings; a REST API needs API Gateway's account-wide logging role for it."
    category = CheckCategories.LOGGING
    resources = ("aws_api_gateway_stage", "aws_apigatewayv2_stage")
    replaces = ("CKV_AWS_76",)

    def problems(self, conf: Conf) -> list[str]:
        return [] if blocks(conf, "access_log_settings") else ["no access_log_settings"]


check = ApiStageAccessLog()
