"""Amazon Bedrock's guardrails as a service of the cloud.

Operations: CreateGuardrail, GetGuardrail, CreateGuardrailVersion, DeleteGuardrail, ApplyGuardrail.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable, Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from toolkit.local.awsapi import ApiError, Handler, Members, SignedRoute
from toolkit.local.bedrock import models
from toolkit.local.bedrock.models import Guardrail
from toolkit.local.service import ACCOUNT_ID
from toolkit.local.signature import Signature
from toolkit.local.status import Item
from toolkit.local.validation import members_of

# Bedrock judges texts by models, which are not here.
_NOT_EMULATED = {
    "topicPolicyConfig": None,
    "contentPolicyConfig": None,
    "contextualGroundingPolicyConfig": None,
    "automatedReasoningPolicyConfig": None,
    "crossRegionConfig": None,
    "wordPolicyConfig": "managedWordListsConfig",
    "sensitiveInformationPolicyConfig": "piiEntitiesConfig",
}
_ID_BYTES = 6


class BedrockService:
    """Guardrails in all regions."""

    def __init__(self) -> None:
        self._guardrails: dict[tuple[str, str], Guardrail] = {}

    def routes(self) -> Sequence[BaseRoute]:
        """See `toolkit.local.service.Service`."""
        one = "/guardrails/{guardrail:path}"
        operations: list[tuple[str, str, Callable[[str, Members], Members], int]] = [
            ("POST", "/guardrails", self._create, 202),
            ("GET", one, self._get, 200),
            ("POST", one, self._create_version, 202),
            ("DELETE", one, self._delete, 202),
            ("POST", "/guardrail/{guardrail:path}/version/{version}/apply", self._apply, 200),
        ]
        return [
            SignedRoute("bedrock", path, _handler(run, status), methods=[method])
            for method, path, run, status in operations
        ]

    async def start(self) -> None:
        """See `toolkit.local.service.Service`."""

    async def stop(self) -> None:
        """See `toolkit.local.service.Service`."""

    def status(self) -> Iterable[Item]:
        """See `toolkit.local.service.Service`."""
        return []

    def _create(self, region: str, members: Members) -> Members:
        for policy, part in _NOT_EMULATED.items():
            if policy in members and (part is None or part in members[policy]):
                reason = "the embedded cloud has words and regular expressions only"
                raise ApiError("ValidationException", f"{part or policy} is not emulated: {reason}")
        for rule in members.get("sensitiveInformationPolicyConfig", {}).get("regexesConfig", ()):
            try:
                re.compile(rule["pattern"])
            except re.error as error:
                raise ApiError("ValidationException", f"Invalid regex {rule['name']}: {error}") from error
        guardrail_id = secrets.token_hex(_ID_BYTES)
        arn = f"arn:aws:bedrock:{region}:{ACCOUNT_ID}:guardrail/{guardrail_id}"
        guardrail = Guardrail(guardrail_id, arn, members)
        self._guardrails[region, guardrail_id] = guardrail
        return {
            "guardrailId": guardrail_id,
            "guardrailArn": arn,
            "version": "DRAFT",
            "createdAt": guardrail.created_at,
        }

    def _get(self, region: str, members: Members) -> Members:
        guardrail, version, configuration = self._find(region, members)
        policies = {
            name.removesuffix("Config"): {
                part.removesuffix("Config"): rules for part, rules in policy.items()
            }
            for name, policy in configuration.items()
            if name.endswith("PolicyConfig")
        }
        others = ("name", "description", "blockedInputMessaging", "blockedOutputsMessaging")
        return {
            **{name: configuration[name] for name in others if name in configuration},
            **policies,
            "guardrailId": guardrail.id,
            "guardrailArn": guardrail.arn,
            "version": version or "DRAFT",
            "status": "READY",
            "createdAt": guardrail.created_at,
            "updatedAt": guardrail.created_at,
        }

    def _create_version(self, region: str, members: Members) -> Members:
        guardrail, _, _ = self._find(region, members)
        return {"guardrailId": guardrail.id, "version": guardrail.add_version()}

    def _delete(self, region: str, members: Members) -> Members:
        guardrail, version, _ = self._find(region, members)
        if version:
            del guardrail.versions[version]
        else:
            del self._guardrails[region, guardrail.id]
        return {}

    def _apply(self, region: str, members: Members) -> Members:
        _, _, configuration = self._find(region, members)
        texts = [block["text"]["text"] for block in members["content"] if "text" in block]
        if len(texts) != len(members["content"]):
            raise ApiError("ValidationException", "images are not emulated: send text")
        return models.apply(configuration, members["source"], texts)

    def _find(self, region: str, members: Members) -> tuple[Guardrail, str, Members]:
        """A guardrail, and the version that a request names."""
        identifier, version = members["guardrailIdentifier"], members.get("guardrailVersion", "")
        guardrail = self._guardrails.get((region, identifier.rpartition("/")[2]))
        configuration = None if guardrail is None else guardrail.version(version)
        if guardrail is None or configuration is None:
            message = "The guardrail identifier or version provided in the request does not exist."
            raise ApiError("ResourceNotFoundException", message, status=404)
        return guardrail, version, configuration


def _handler(run: Callable[[str, Members], Members], status: int) -> Handler:
    async def handle(request: Request) -> Response:
        region = Signature.of(request.scope).region
        return JSONResponse(run(region, members_of(request)), status_code=status)

    return handle
