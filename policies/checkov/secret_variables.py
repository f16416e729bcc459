from __future__ import annotations

import re

from checkov.common.models.enums import CheckCategories

from _containers import MODEL, containers, environment
from _rule import Conf, Rule, blocks

# Matches the environment file's check for secrets.
_WORDS = {"SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIAL", "CREDENTIALS", "APIKEY"}
_KEYS = {"API", "ACCESS", "AUTH", "ENCRYPTION", "PRIVATE", "SECRET"}
# A tokenizer's tokens are not secrets.
_PUBLIC_TOKENS = {"BOS", "EOS", "MASK", "PAD", "SEP", "STOP", "UNK"}
_VALUE = re.compile(r"\bhf_[A-Za-z0-9]{30,}|\bA(KIA|SIA)[A-Z0-9]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY")
# References to secrets.
_REFERENCE = re.compile(r"^(arn:|\{\{resolve:)")


class SecretVariables(Rule):
    id = "CKV_LLM_17"
    name = "Environment variables contain no secrets"
    severity = "CRITICAL"
    reason = "Anyone who can describe the resource or read Terraform's state can read the secret."
    remedy = "Stage gated weights with your own token; fetch secrets from Secrets Manager at run time."
    category = CheckCategories.SECRETS
    resources = (MODEL, "aws_lambda_function")

    def problems(self, conf: Conf) -> list[str]:
        if self.entity_type == MODEL:
            variables = [environment(container) for container in containers(conf)]
        else:
            variables = [environment(block) for block in blocks(conf, "environment")]
        return [name for items in variables for name, value in items.items() if _secret(name, value)]


def _secret(name: str, value: str) -> bool:
    if not value or _REFERENCE.match(value):
        return False
    *before, last = name.upper().split("_")
    previous = before[-1] if before else ""
    return (
        (last == "TOKEN" and previous not in _PUBLIC_TOKENS)
        or (last == "KEY" and previous in _KEYS)
        or not _WORDS.isdisjoint([*before, last])
        or bool(_VALUE.search(value))
    )


check = SecretVariables()
