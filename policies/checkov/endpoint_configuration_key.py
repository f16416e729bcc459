from __future__ import annotations

import re

from checkov.common.models.enums import CheckCategories

from _rule import Conf, Rule, blocks, value

# Families with local NVMe storage, which hardware encrypts: SageMaker refuses a key for them. A "d" after
# the generation says so; these say it not.
_LOCAL_STORAGE = re.compile(
    r"^ml\.([a-z]+\d+[a-z]*d[a-z]*|g5|g6|g6e|gr6|p5|p5e|p5en|p6[a-z0-9-]*|trn\d[a-z]*)\."
)


class EndpointConfigurationKey(Rule):
    id = "CKV_LLM_1"
    name = "An endpoint's storage volumes are encrypted with a key of one's own"
    severity = "MEDIUM"
    reason = "Nobody in the account decides over the key that protects weights and prompts on the volumes."
    remedy = "Set kms_key_arn to a key that the execution role may use."
    category = CheckCategories.ENCRYPTION
    resources = ("aws_sagemaker_endpoint_configuration",)
    replaces = ("CKV_AWS_98",)

    def problems(self, conf: Conf) -> list[str]:
        variants = [*blocks(conf, "production_variants"), *blocks(conf, "shadow_production_variants")]
        types = [str(each) for each in (value(variant, "instance_type") for variant in variants) if each]
        # One variant with local storage forbids the key for all; serverless variants have no volumes.
        if value(conf, "kms_key_arn") or not types or any(_LOCAL_STORAGE.match(each) for each in types):
            return []
        return ["kms_key_arn is not set"]


check = EndpointConfigurationKey()
