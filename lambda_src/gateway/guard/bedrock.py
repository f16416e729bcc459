"""Amazon Bedrock's guardrails: ApplyGuardrail, which checks texts without a model of Bedrock's.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ApplyGuardrail.html
"""

from __future__ import annotations

import asyncio
import json
import random
import ssl
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from gateway.aws_service import AwsService
from gateway.errors import ContentFilterError, GuardError
from gateway.guard import Content
from gateway.http_client import HttpError
from gateway.schema import encode
from gateway.settings import BedrockGuardrail
from gateway.signing import CredentialsError

# Of one call. Bedrock counts text units of 1,000 characters, and the smallest default quota is 25 of them per
# second (https://docs.aws.amazon.com/general/latest/gr/bedrock.html; AWS's post on ApplyGuardrail with
# long-context inputs splits there, too).
MAX_CHARACTERS: Final = 25_000
# Of a longer text, the end of a part is the beginning of the next, so that nothing is cut in two.
_OVERLAP: Final = 500
_MAX_RESPONSE_BYTES: Final = 16 * 1024 * 1024
# As botocore's standard mode: https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
_ATTEMPTS: Final = 3
_RETRIED: Final = (429, 500, 502, 503, 504)
_MAX_DELAY_SECONDS: Final = 20.0


class BedrockGuard:
    """A guardrail of the account.

    Args:
        guardrail: the guardrail.
        environ: environment variables; see `AwsService`.
    """

    def __init__(self, guardrail: BedrockGuardrail, environ: Mapping[str, str]) -> None:
        self._service = AwsService(environ, "bedrock-runtime", "bedrock", "BEDROCK_RUNTIME")
        self._path = f"/guardrail/{guardrail.id}/version/{guardrail.version}/apply"

    async def check(self, texts: Sequence[str], content: Content) -> list[str]:
        """See `Guard.check`."""
        checked: list[str] = []
        for group in _groups(texts):
            checked += await self._check(group, content)
        return checked

    async def _check(self, texts: list[str], content: Content) -> list[str]:
        if len(texts) == 1 and len(texts[0]) > MAX_CHARACTERS:
            return [await self._check_long(texts[0], content)]
        response = await self._apply(texts, content)
        if response.get("action") == "NONE":
            return texts
        outputs = [output.get("text") for output in response.get("outputs") or ()]
        actions = list(_actions(response.get("assessments")))
        if actions and all(action == "ANONYMIZED" for _, action in actions):
            # One output per block, in their order.
            if len(outputs) == len(texts) and all(isinstance(text, str) for text in outputs):
                return outputs
            if len(texts) > 1:
                return [checked for text in texts for checked in await self._check([text], content)]
        message = " ".join(text for text in outputs if isinstance(text, str))
        policies = sorted({policy for policy, action in actions if action != "ANONYMIZED"})
        raise ContentFilterError(message, cause=f"guardrail: {', '.join(policies) or 'unknown policy'}")

    async def _check_long(self, rest: str, content: Content) -> str:
        passed = kept = ""
        while rest:
            part, rest = kept + rest[: MAX_CHARACTERS - _OVERLAP], rest[MAX_CHARACTERS - _OVERLAP :]
            (checked,) = await self._check([part], content)
            end = max(0, len(checked) - _OVERLAP) if rest else len(checked)
            passed, kept = passed + checked[:end], checked[end:]
        return passed

    async def _apply(self, texts: list[str], content: Content) -> dict[str, Any]:
        body = encode(
            {"source": content.source.upper(), "content": [{"text": {"text": text}} for text in texts]}
        )
        for attempt in range(1, _ATTEMPTS + 1):
            cause, retry = await self._call(body)
            if isinstance(cause, dict):
                return cause
            if not retry or attempt == _ATTEMPTS:
                break
            # Full jitter, as botocore's.
            await asyncio.sleep(random.random() * min(2 ** (attempt - 1), _MAX_DELAY_SECONDS))  # noqa: S311
        raise GuardError(cause=f"ApplyGuardrail: {cause}")

    async def _call(self, body: bytes) -> tuple[dict[str, Any] | str, bool]:
        """The response, or why there is none; and whether to try again."""
        try:
            response = await self._service.post(self._path, {"content-type": "application/json"}, body)
        except (CredentialsError, ssl.SSLError) as error:
            return type(error).__name__, False
        except HttpError as error:
            return f"{type(error).__name__}: {error}", True
        try:
            await response.head()
            data = b""
            while part := await response.read():
                data += part
                if len(data) > _MAX_RESPONSE_BYTES:
                    return "the response is too long", False
        except HttpError as error:
            return f"{type(error).__name__}: {error}", True
        finally:
            response.close()
        if response.status != 200:
            code = response.headers.get("x-amzn-errortype", "").partition(":")[0]
            return f"status {response.status} {code}".rstrip(), response.status in _RETRIED
        try:
            document = json.loads(data)
        except (ValueError, RecursionError):
            document = None
        valid = isinstance(document, dict) and document.get("action") in ("NONE", "GUARDRAIL_INTERVENED")
        return (document, False) if valid else ("the response is not valid", False)


def _groups(texts: Sequence[str]) -> Iterator[list[str]]:
    """Texts that fit into one call; a longer one is alone."""
    group: list[str] = []
    size = 0
    for text in texts:
        if group and size + len(text) > MAX_CHARACTERS:
            yield group
            group, size = [], 0
        group.append(text)
        size += len(text)
    yield group


def _actions(assessments: Any) -> Iterator[tuple[str, str]]:
    """The interventions: the policy and its action. Every policy reports them in objects with an `action`."""
    for assessment in assessments if isinstance(assessments, list) else ():
        for policy, details in assessment.items() if isinstance(assessment, dict) else ():
            for action in _members(details):
                if action != "NONE":
                    yield policy, action


def _members(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _members(item)
    elif isinstance(value, dict):
        if isinstance(value.get("action"), str):
            yield value["action"]
        for member in value.values():
            yield from _members(member)
