from __future__ import annotations

import json
import re
from pathlib import Path

from checkov.common.models.enums import CheckCategories

from _containers import MODEL, containers
from _rule import Conf, Rule, unknown, value

_CATALOGUE = Path(__file__).parents[2] / "toolkit" / "serving" / "images.json"
_ECR = re.compile(r"^(?P<account>\d{12})\.dkr[.-]ecr(-fips)?\.(?P<region>[a-z0-9-]+)\.[a-z0-9.-]+/")
_ACCOUNT_OF_ROLE = re.compile(r"^arn:[\w-]+:iam::(\d{12}):")


class ModelImageRegistry(Rule):
    id = "CKV_LLM_3"
    name = "Model images come from AWS's serving registries or the account's own"
    severity = "HIGH"
    reason = "The registry's owner can move the tag to other code, which sees all prompts."
    remedy = "Use an image from toolkit/serving/images.json, or copy the image to the account's ECR."
    category = CheckCategories.SUPPLY_CHAIN
    resources = (MODEL,)

    def problems(self, conf: Conf) -> list[str] | None:
        images = [str(value(item, "image")) for item in containers(conf) if value(item, "image")]
        role = _ACCOUNT_OF_ROLE.match(str(value(conf, "execution_role_arn")))
        if any(map(unknown, images)):
            return None
        return [f"image from {_registry(image)}" for image in images if not _trusted(image, role and role[1])]


def _trusted(image: str, own_account: str | None) -> bool:
    match = _ECR.match(image)
    return bool(match) and match["account"] in {own_account, *_accounts(match["region"])}


def _accounts(region: str) -> set[str]:
    registries = json.loads(_CATALOGUE.read_text(encoding="utf-8"))["registries"].values()
    return {accounts[region] for accounts in registries if region in accounts}


def _registry(image: str) -> str:
    host, slash, _ = image.partition("/")
    return host if slash and "." in host else "docker.io"


check = ModelImageRegistry()
