"""IAM authorization: a request signed with AWS credentials (Signature Version 4) by who may do that."""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as Keys
from moto.sts.models import sts_backends
from starlette.datastructures import Headers

from toolkit.local.apigateway.call import Call, Caller
from toolkit.local.apigateway.errors import GatewayError, Refusal
from toolkit.local.iam import principals
from toolkit.local.iam.account import PARTITION
from toolkit.local.iam.credentials import Credentials
from toolkit.local.iam.enforcement import Enforcement
from toolkit.local.iam.principals import AuthenticationError
from toolkit.local.service import ACCESS_KEY, ACCOUNT_ID, SECRET_KEY

_HEADER = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<credential>[^,\s]+),\s*SignedHeaders=(?P<headers>[^,\s]+),\s*"
    r"Signature=(?P<signature>[0-9a-f]{64})",
    re.ASCII,
)
_SERVICE = "execute-api"


@dataclass(frozen=True)
class _Signature:
    credentials: Credentials
    headers: tuple[str, ...]
    signature: str


class IamAuthorization:
    """Checks signatures, and while IAM is enforced the right to `execute-api:Invoke`."""

    def __init__(self, enforcement: Enforcement) -> None:
        self._enforcement = enforcement

    def authorize(self, call: Call) -> None:
        """Find out who signed a request, if its method asks for that.

        Raises:
            GatewayError: nobody that may invoke the method.
        """
        if call.method is None or not call.method.needs_signature:
            return
        signature = _read(call)
        try:
            who = principals.caller(signature.credentials, self._enforcement.account)
        except AuthenticationError as error:
            expired = error.code == "ExpiredToken"
            raise GatewayError(
                Refusal.EXPIRED_TOKEN if expired else Refusal.INVALID_SIGNATURE, error.message
            ) from error
        if not hmac.compare_digest(self._expected(call, signature), signature.signature):
            raise GatewayError(
                Refusal.INVALID_SIGNATURE,
                "The request signature we calculated does not match the signature you provided. Check your "
                "AWS Secret Access Key and signing method. Consult the service documentation for details.",
            )
        decision = self._enforcement.allowed(who, f"{_SERVICE}:Invoke", call.method_arn)
        if not decision.allowed:
            raise GatewayError(Refusal.ACCESS_DENIED, decision.message)
        call.caller = Caller(signature.credentials.access_key, who.principal.arn, who.principal.id)

    def _expected(self, call: Call, signature: _Signature) -> str:
        keys = Keys(signature.credentials.access_key, self._secret(signature.credentials.access_key))
        request = AWSRequest(
            method=call.http_method,
            url=call.url,
            headers={name: call.headers.get(name, "") for name in signature.headers},
            data=call.body,
        )
        request.context["timestamp"] = call.headers.get("x-amz-date", "")
        signer = SigV4Auth(keys, _SERVICE, signature.credentials.region)
        text = signer.string_to_sign(request, signer.canonical_request(request))
        return str(signer.signature(text, request))

    def _secret(self, access_key: str) -> str:
        if access_key == ACCESS_KEY:
            return SECRET_KEY
        session = sts_backends[ACCOUNT_ID][PARTITION].get_assumed_role_from_access_key(access_key)
        if session is not None:
            return str(session.secret_access_key)
        users = list(self._enforcement.account.iam.users.values())
        keys = [key for user in users for key in user.access_keys if key.access_key_id == access_key]
        return str(keys[0].secret_access_key)


def _read(call: Call) -> _Signature:
    match = _HEADER.fullmatch(call.headers.get("authorization", ""))
    if match is None:
        raise GatewayError(Refusal.MISSING_AUTHENTICATION_TOKEN, "Missing Authentication Token")
    headers = Headers({"authorization": f"Credential={match['credential']}"})
    scope = {
        "type": "http",
        "headers": [
            *headers.raw,
            (b"x-amz-security-token", call.headers.get("x-amz-security-token", "").encode()),
        ],
    }
    credentials = Credentials.of(scope)
    if credentials.service != _SERVICE or not call.headers.get("x-amz-date"):
        message = f"Credential should be scoped to correct service: '{_SERVICE}'."
        raise GatewayError(Refusal.INVALID_SIGNATURE, message)
    return _Signature(credentials, tuple(match["headers"].split(";")), match["signature"])
