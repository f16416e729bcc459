from __future__ import annotations

from checkov.common.models.enums import CheckCategories

from _rule import Conf, Rule, blocks, number, unknown, value

_LIMITS = ("throttling_rate_limit", "throttling_burst_limit")


class HttpStageThrottling(Rule):
    id = "CKV_LLM_10"
    name = "HTTP API stages are throttled"
    severity = "HIGH"
    reason = "One client can block all others and drive up the cost of autoscaling."
    remedy = "Set throttling_rate_limit and throttling_burst_limit in default_route_settings."
    category = CheckCategories.API_SECURITY
    resources = ("aws_apigatewayv2_stage",)

    def problems(self, conf: Conf) -> list[str]:
        settings = blocks(conf, "default_route_settings") or [{}]
        return [f"{limit} is not set" for limit in _LIMITS if not _limited(value(settings[0], limit))]


def _limited(limit: object) -> bool:
    return unknown(limit) or (number(limit) or 0) > 0


check = HttpStageThrottling()
