from __future__ import annotations

from checkov.common.models.enums import CheckCategories

from _rule import Conf, Rule, blocks, enabled, value


class DataCaptureKey(Rule):
    id = "CKV_LLM_7"
    name = "Captured prompts and responses are encrypted with a customer managed key"
    severity = "HIGH"
    reason = "Anyone who can read the bucket can read users' prompts."
    remedy = "Set data_capture_config.kms_key_id, or disable data capture."
    category = CheckCategories.ENCRYPTION
    resources = ("aws_sagemaker_endpoint_configuration",)

    def problems(self, conf: Conf) -> list[str]:
        return [
            "data_capture_config has no kms_key_id"
            for capture in blocks(conf, "data_capture_config")
            if enabled(value(capture, "enable_capture")) and not value(capture, "kms_key_id")
        ]


check = DataCaptureKey()
