from __future__ import annotations

from checkov.common.models.enums import CheckCategories

from _rule import Conf, Rule, blocks, value


class VariantScalingMaximum(Rule):
    id = "CKV_LLM_6"
    name = "Managed instance scaling has a maximum"
    severity = "HIGH"
    reason = "Load, or an attacker, determines the number and cost of GPU instances."
    remedy = "Set managed_instance_scaling.max_instance_count."
    category = CheckCategories.GENERAL_SECURITY
    resources = ("aws_sagemaker_endpoint_configuration",)

    def problems(self, conf: Conf) -> list[str]:
        return [
            f"variant {value(variant, 'variant_name') or '?'} has no maximum"
            for variant in blocks(conf, "production_variants")
            for scaling in blocks(variant, "managed_instance_scaling")
            if value(scaling, "status") != "DISABLED" and not value(scaling, "max_instance_count")
        ]


check = VariantScalingMaximum()
