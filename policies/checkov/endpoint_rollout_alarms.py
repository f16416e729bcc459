from __future__ import annotations

from checkov.common.models.enums import CheckCategories

from _rule import Conf, Rule, blocks, values


class EndpointRolloutAlarms(Rule):
    id = "CKV_LLM_5"
    name = "Alarms roll back failing endpoint updates"
    severity = "MEDIUM"
    reason = "SageMaker keeps a release that starts but serves errors."
    remedy = "List CloudWatch alarms in deployment_config.auto_rollback_configuration.alarms."
    category = CheckCategories.GENERAL_SECURITY
    resources = ("aws_sagemaker_endpoint",)

    def problems(self, conf: Conf) -> list[str]:
        alarms = [
            alarm
            for deployment in blocks(conf, "deployment_config")
            for rollback in blocks(deployment, "auto_rollback_configuration")
            for alarm in blocks(rollback, "alarms")
            if values(alarm, "alarm_name")
        ]
        return [] if alarms else ["no alarms"]


check = EndpointRolloutAlarms()
