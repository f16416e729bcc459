"""Signatures of KMS as on AWS: of given digests, dry runs, and keys whose id the caller chooses.

Sources: the documentation of CreateKey (the default of `KeyUsage`), Sign (`MessageType`, `DryRun`) and
GetPublicKey in botocore's service model.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from moto.core.exceptions import JsonRESTError
from moto.kms.exceptions import InvalidKeyUsageException, ValidationException
from moto.kms.models import Key, KmsBackend
from moto.kms.responses import KmsResponse
from moto.kms.utils import ECDSAPrivateKey

# moto's tag for ids that the caller chooses, which it knows for other services.
CUSTOM_ID = "_custom_id_"
_HASHES: dict[str, Callable[[], hashes.HashAlgorithm]] = {
    "ECDSA_SHA_256": hashes.SHA256,
    "ECDSA_SHA_384": hashes.SHA384,
    "ECDSA_SHA_512": hashes.SHA512,
}


def extend() -> None:
    """Extend moto in this process."""
    sign, get_public_key = KmsResponse.sign, KmsResponse.get_public_key
    create_key = KmsBackend.create_key

    def sign_like_aws(self: KmsResponse) -> str:
        key_id, algorithm = self._get_param("KeyId"), self._get_param("SigningAlgorithm")
        self._validate_key_id(key_id)
        key = self.kms_backend.describe_key(key_id)
        _require_usable(key, algorithm)
        message, digest = self._get_param("Message"), self._get_param("MessageType") == "DIGEST"
        if digest and algorithm in _HASHES and len(message) != _HASHES[algorithm]().digest_size:
            raise ValidationException("Digest is invalid length for algorithm " + algorithm + ".")
        if self._get_param("DryRun"):
            message = "The request would have succeeded, but the DryRun option is set."
            raise JsonRESTError("DryRunOperationException", message)
        if not digest:
            return str(sign(self))
        private_key = key.private_key
        if not isinstance(private_key, ECDSAPrivateKey):
            message = "The embedded cloud signs digests with elliptic-curve keys only."
            raise JsonRESTError("UnsupportedOperationException", message)
        signature = private_key.private_key.sign(message, ec.ECDSA(Prehashed(_HASHES[algorithm]())))
        encoded = b64encode(signature).decode()
        return json.dumps({"KeyId": key.arn, "Signature": encoded, "SigningAlgorithm": algorithm})

    def get_public_key_like_aws(self: KmsResponse) -> str:
        response = json.loads(get_public_key(self))
        key = self.kms_backend.describe_key(self._get_param("KeyId"))
        return json.dumps({**response, "KeyId": key.arn, "KeySpec": key.key_spec})

    def create_key_with_id(self: KmsBackend, *args: Any, **kwargs: Any) -> Key:
        key = create_key(self, *args, **kwargs)
        key.key_usage = key.key_usage or "ENCRYPT_DECRYPT"
        custom = self.tagger.get_tag_dict_for_resource(key.id).get(CUSTOM_ID)
        if custom is not None:
            self.keys[custom] = self.keys.pop(key.id)
            self.tagger.copy_tags(key.id, custom)
            key.id, key.arn = custom, f"{key.arn.rpartition('/')[0]}/{custom}"
        return key

    KmsResponse.sign = sign_like_aws  # type: ignore[method-assign]
    KmsResponse.get_public_key = get_public_key_like_aws  # type: ignore[method-assign]
    KmsBackend.create_key = create_key_with_id  # type: ignore[method-assign]


def _require_usable(key: Key, algorithm: str) -> None:
    if not key.enabled:
        raise JsonRESTError("DisabledException", f"{key.arn} is disabled.")
    if key.key_usage != "SIGN_VERIFY" or algorithm not in key.signing_algorithms:
        raise InvalidKeyUsageException
