from __future__ import annotations

import re

from checkov.common.models.enums import CheckCategories

from _containers import MODEL, containers, environment
from _rule import Conf, Rule, unknown

# By variable with a hub model's name: variables with its revision. llama.cpp does not support revisions.
_REVISIONS = {
    "HF_MODEL_ID": ("HF_MODEL_REVISION", "HF_REVISION", "OPTION_REVISION", "SM_VLLM_REVISION", "REVISION"),
    "OPTION_MODEL_ID": ("OPTION_REVISION", "HF_REVISION"),
    "MODEL_ID": ("REVISION",),
    "SM_VLLM_MODEL": ("SM_VLLM_REVISION",),
    "SM_SGLANG_MODEL_PATH": ("SM_SGLANG_REVISION",),
    "SM_LLAMA_CPP_HF_REPO": (),
}
_COMMIT = re.compile(r"[0-9a-f]{40}")
_NOT_A_HUB = ("/", "s3://")


class ModelRevision(Rule):
    id = "CKV_LLM_4"
    name = "Models from a hub are pinned to a commit"
    severity = "HIGH"
    reason = "An instance that starts later may load other weights or code than the tested ones."
    remedy = "Set the container's revision variable to a commit (40 hex digits), or stage the weights."
    category = CheckCategories.SUPPLY_CHAIN
    resources = (MODEL,)

    def problems(self, conf: Conf) -> list[str]:
        return [
            f"{name} without a commit{f' in {revisions[0]}' if revisions else ''}"
            for variables in map(environment, containers(conf))
            for name, revisions in _REVISIONS.items()
            if _from_hub(variables.get(name)) and not any(_pinned(variables.get(key)) for key in revisions)
        ]


def _from_hub(model: str | None) -> bool:
    return bool(model) and not str(model).startswith(_NOT_A_HUB)


def _pinned(revision: str | None) -> bool:
    return bool(revision) and (unknown(revision) or bool(_COMMIT.fullmatch(str(revision))))


check = ModelRevision()
