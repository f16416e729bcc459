from __future__ import annotations

from checkov.common.models.enums import CheckCategories

from _containers import MODEL, containers, staged
from _rule import Conf, Rule, enabled, unknown, value


class ModelNetworkIsolation(Rule):
    id = "CKV_LLM_2"
    name = "Models with staged weights run in network isolation"
    severity = "HIGH"
    reason = "Code in the image or the weights could send prompts and credentials anywhere."
    remedy = "Set enable_network_isolation = true."
    category = CheckCategories.NETWORKING
    resources = (MODEL,)
    replaces = ("CKV_AWS_370",)

    def problems(self, conf: Conf) -> list[str] | None:
        isolation = value(conf, "enable_network_isolation")
        if unknown(isolation):
            return None
        if enabled(isolation) or not all(map(staged, containers(conf))):
            return []
        # SageMaker does not support isolation there, nor any weights but archives.
        tags = value(conf, "tags")
        if isinstance(tags, dict) and value(tags, "endpoint-type") == "serverless":
            return []
        return ["enable_network_isolation is not true"]


check = ModelNetworkIsolation()
