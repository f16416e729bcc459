from __future__ import annotations

import re

from checkov.common.models.enums import CheckCategories

from _containers import MODEL, containers, environment
from _rule import Conf, Rule, unknown

# Where each container takes the model's name on a hub from, and where its revision. llama.cpp's has no
# way to name a revision.
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
    name = "A model from a hub is pinned to a commit"
    severity = "HIGH"
    reason = (
        "An instance that starts tomorrow loads other weights, or other code, than the one that was tested."
    )
    remedy = "Set the container's revision variable to a commit (40 hex digits), or stage the weights."
    category = CheckCategories.SUPPLY_CHAIN
    resources = (MODEL,)

    def problems(self, conf: Conf) -> list[str]:
        return [
            f"{name} without a commit{f' in {revisions[0]}' if revisions else ''}"
            for variables in map(environment, containers(conf))
            for name, revisions in _REVISIONS.items()
            if _from_hub(variables.get(name)) and not any(_pinned(variables.get(each)) for each in revisions)
        ]


def _from_hub(model: str | None) -> bool:
    return bool(model) and not str(model).startswith(_NOT_A_HUB)


def _pinned(revision: str | None) -> bool:
    return bool(revision) and (unknown(revision) or bool(_COMMIT.fullmatch(str(revision))))


check = ModelRevision()
