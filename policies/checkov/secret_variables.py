from __future__ import annotations

import re

from checkov.common.models.enums import CheckCategories

from _containers import MODEL, containers, environment
from _rule import Conf, Rule, blocks

# The same idea of a secret as the environment file's (toolkit/environment/container.py).
_WORDS = {"SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIAL", "CREDENTIALS", "APIKEY"}
_KEYS = {"API", "ACCESS", "AUTH", "ENCRYPTION", "PRIVATE", "SECRET"}
# A tokeniser's tokens are no secrets.
_PUBLIC_TOKENS = {"BOS", "EOS", "MASK", "PAD", "SEP", "STOP", "UNK"}
_VALUE = re.compile(r"\bhf_[A-Za-z0-9]{30,}|\bA(KIA|SIA)[A-Z0-9]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY")
# Where a secret is, not what it is.
_REFERENCE = re.compile(r"^(arn:|\{\{resolve:)")


class SecretVariables(Rule):
    id = "CKV_LLM_17"
    name = "No environment variable holds a secret"
    severity = "CRITICAL"
    reason = "Whoever may describe the resource can read it back, and it lies in Terraform's state."
    remedy = "Stage gated weights with your own token; let code fetch its secrets from Secrets Manager."
    category = CheckCategories.SECRETS
    resources = (MODEL, "aws_lambda_function")

    def problems(self, conf: Conf) -> list[str]:
        if self.entity_type == MODEL:
            variables = [environment(container) for container in containers(conf)]
        else:
            variables = [environment(block) for block in blocks(conf, "environment")]
        return [name for each in variables for name, value in each.items() if _secret(name, value)]


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
