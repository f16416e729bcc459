from __future__ import annotations

from checkov.common.models.enums import CheckCategories

from _rule import Conf, Rule, blocks, values


class EndpointRolloutAlarms(Rule):
    id = "CKV_LLM_5"
    name = "An endpoint's rollout is watched by alarms"
    severity = "MEDIUM"
    reason = "A release that starts but answers badly stays: nothing tells SageMaker to go back."
    remedy = "Name CloudWatch alarms in deployment_config.auto_rollback_configuration.alarms."
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
        return [] if alarms else ["no alarm is named"]


check = EndpointRolloutAlarms()
