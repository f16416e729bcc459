from __future__ import annotations

from checkov.common.models.enums import CheckCategories

from _rule import Conf, Rule, value


class FunctionUrlAuth(Rule):
    id = "CKV_LLM_11"
    name = "Function URLs require IAM authorization"
    severity = "CRITICAL"
    reason = "The URL bypasses the API's keys, throttling and quotas: anyone can use the model."
    remedy = 'Set authorization_type = "AWS_IAM", or remove the URL and call the function through the API.'
    category = CheckCategories.API_SECURITY
    resources = ("aws_lambda_function_url",)
    replaces = ("CKV_AWS_258",)

    def problems(self, conf: Conf) -> list[str]:
        return ["authorization_type is NONE"] if value(conf, "authorization_type") == "NONE" else []


check = FunctionUrlAuth()
