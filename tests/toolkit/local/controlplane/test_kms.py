"""Signatures of KMS, as the documentation of Sign in botocore's service model describes them."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.access import enforce_iam
from toolkit.aws.access import AwsAccess

pytestmark = pytest.mark.slow
MESSAGE = b"a message"
DIGEST = hashlib.sha256(MESSAGE).digest()


@pytest.fixture(scope="module")
def key(account: AwsAccess) -> str:
    """A key that signs."""
    created = account.kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    return str(created["KeyMetadata"]["Arn"])


def sign(account: AwsAccess, key: str, **changes: Any) -> bytes:
    request = {"Message": DIGEST, "MessageType": "DIGEST", "SigningAlgorithm": "ECDSA_SHA_256"} | changes
    response = account.kms.sign(KeyId=key, **request)
    assert response["KeyId"] == key
    return bytes(response["Signature"])


def refused(account: AwsAccess, key: str, **changes: Any) -> str:
    with pytest.raises(ClientError) as caught:
        sign(account, key, **changes)
    return str(caught.value.response["Error"]["Code"])


def test_a_digest_is_not_hashed_again(account: AwsAccess, key: str) -> None:
    response = account.kms.get_public_key(KeyId=key)
    assert (response["KeyId"], response["KeySpec"]) == (key, "ECC_NIST_P256")
    public = serialization.load_der_public_key(response["PublicKey"])
    assert isinstance(public, ec.EllipticCurvePublicKey)
    for message, kind in ((DIGEST, "DIGEST"), (MESSAGE, "RAW")):
        signature = sign(account, key, Message=message, MessageType=kind)
        public.verify(signature, MESSAGE, ec.ECDSA(hashes.SHA256()))


def test_a_dry_run_succeeds_with_an_exception(account: AwsAccess, key: str) -> None:
    assert refused(account, key, DryRun=True) == "DryRunOperationException"
    for dry_run in (True, False):
        other = {"SigningAlgorithm": "ECDSA_SHA_384", "DryRun": dry_run}
        assert refused(account, key, **other) == "InvalidKeyUsageException"
        assert refused(account, key, Message=b"short", DryRun=dry_run) == "ValidationException"
        assert refused(account, f"{key[:-4]}0000", DryRun=dry_run) == "NotFoundException"


def test_keys_that_cannot_sign_are_refused(account: AwsAccess) -> None:
    symmetric = account.kms.create_key()["KeyMetadata"]
    assert (symmetric["KeyUsage"], symmetric["KeySpec"]) == ("ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT")
    assert refused(account, symmetric["Arn"], DryRun=True) == "InvalidKeyUsageException"
    disabled = account.kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]
    account.kms.disable_key(KeyId=disabled["KeyId"])
    assert refused(account, disabled["Arn"]) == "DisabledException"


def test_requests_are_validated_and_authorized(
    account: AwsAccess, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert refused(account, key, SigningAlgorithm="ECDSA") == "ValidationException"
    account.iam.create_user(UserName="signer")
    credentials = account.iam.create_access_key(UserName="signer")["AccessKey"]
    statement = {"Effect": "Allow", "Action": "kms:Sign", "Resource": key}
    allowed = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    account.iam.put_user_policy(UserName="signer", PolicyName="sign", PolicyDocument=allowed)
    monkeypatch.setenv("TOOLKIT_LOCAL_ACCESS_KEY_ID", credentials["AccessKeyId"])
    monkeypatch.setenv("TOOLKIT_LOCAL_SECRET_ACCESS_KEY", credentials["SecretAccessKey"])
    user = AwsAccess(account.region, account.account_id, account.endpoint_url)
    other = account.kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    enforce_iam(account, True)
    try:
        assert sign(user, key)
        assert refused(user, other, DryRun=True) == "AccessDeniedException"
        with pytest.raises(ClientError, match="GetPublicKey"):
            user.kms.get_public_key(KeyId=key)
    finally:
        enforce_iam(account, False)
