from __future__ import annotations

import re

from checkov.common.models.enums import CheckCategories

from _rule import Conf, Rule, blocks, value

# Families with local NVMe storage, which hardware encrypts, and a key does not (API reference, KmsKeyId of
# CreateEndpointConfig). Most have a "d" after the generation, the listed ones do not.
_LOCAL_STORAGE = re.compile(
    r"^ml\.([a-z]+\d+[a-z]*d[a-z]*|g5|g6|g6e|gr6|g7|g7e|p5|p5e|p5en|p6[a-z0-9-]*|trn\d[a-z]*)\."
)


class EndpointConfigurationKey(Rule):
    id = "CKV_LLM_1"
    name = "Storage volumes of endpoints are encrypted with a customer managed key"
    severity = "MEDIUM"
    reason = "The account has no control over the key that protects weights and prompts on the volumes."
    remedy = "Set kms_key_arn to a key that the execution role is allowed to use."
    category = CheckCategories.ENCRYPTION
    resources = ("aws_sagemaker_endpoint_configuration",)
    replaces = ("CKV_AWS_98",)

    def problems(self, conf: Conf) -> list[str]:
        variants = [*blocks(conf, "production_variants"), *blocks(conf, "shadow_production_variants")]
        types = [
            str(value(variant, "instance_type")) for variant in variants if value(variant, "instance_type")
        ]
        # A variant with local storage rules out a key for all variants; serverless variants have no volumes.
        if value(conf, "kms_key_arn") or not types or any(map(_LOCAL_STORAGE.match, types)):
            return []
        return ["kms_key_arn is not set"]


check = EndpointConfigurationKey()
