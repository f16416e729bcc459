"""in-toto attestations: statements in DSSE envelopes, signed by KMS and verified without a network.

Formats: https://github.com/in-toto/attestation/tree/main/spec/v1 (statement, resource descriptor, bundle),
https://github.com/in-toto/attestation/blob/main/spec/predicates/test-result.md, and
https://github.com/secure-systems-lab/dsse/blob/master/protocol.md (envelope).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Final, Generic, Literal, TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from toolkit import documents
from toolkit.aws.errors import explain
from toolkit.documents import DamagedError
from toolkit.errors import InputError, PreflightError

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
# Its fields are described in docs/how-to/release-evidence.md.
RELEASE_TYPE = "urn:sagemaker-llm-toolkit:release:v1"
TEST_RESULT_TYPE = "https://in-toto.io/attestation/test-result/v0.1"
# AWS's name of ECDSA with P-256 and SHA-256, the algorithm of cosign's keys.
ALGORITHM, KEY_SPEC = "ECDSA_SHA_256", "ECC_NIST_P256"

# File names below a folder: no absolute path, and nothing hidden.
Name = Annotated[str, StringConstraints(pattern=r"^\w[\w.-]*(/\w[\w.-]*)*$", max_length=512)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
P = TypeVar("P")
S = TypeVar("S", bound="Statement[Any]")


@dataclass(frozen=True)
class Digest:
    """The digest of a document."""

    sha256: Sha256


@dataclass(frozen=True)
class Subject:
    """A document that a statement is about.

    Attributes:
        name: its name in the folder of a release's evidence.
        digest: of its content.
    """

    name: Name
    digest: Digest


class Statement(BaseModel, Generic[P]):
    """A statement about documents.

    Attributes:
        type: the version of the format.
        subject: the documents.
        predicate_type: the type of the predicate.
        predicate: what is stated.
    """

    model_config = ConfigDict(frozen=True)

    type: Literal["https://in-toto.io/Statement/v1"] = Field(alias="_type")
    subject: list[Subject]
    predicate_type: str = Field(alias="predicateType")
    predicate: P

    @property
    def digests(self) -> dict[str, str]:
        """SHA-256 of each document, by name."""
        return {subject.name: subject.digest.sha256 for subject in self.subject}


@dataclass(frozen=True)
class Signature:
    """A signature. The signed statement names the key: `keyid` would only be a hint, not authenticated."""

    keyid: Literal[""]
    sig: str


@dataclass(frozen=True)
class Envelope:
    """A statement with its signatures."""

    payloadType: Literal["application/vnd.in-toto+json"]  # noqa: N815 - DSSE's name
    payload: str
    signatures: list[Signature]

    @classmethod
    def of(cls, payload: bytes, signatures: list[Signature]) -> Envelope:
        """The envelope of a serialized statement."""
        return cls(PAYLOAD_TYPE, base64.b64encode(payload).decode(), signatures)

    def to_json(self) -> bytes:
        """The stored form."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, content: bytes) -> Envelope:
        """Read the stored form.

        Raises:
            DamagedError: it is not exactly that, although it may mean the same.
        """
        envelope = documents.parse(content, cls)
        if envelope.to_json() != content:
            raise DamagedError("not as it was stored")
        return envelope

    @property
    def content(self) -> bytes:
        """The serialized statement.

        Raises:
            DamagedError: the payload is not Base64.
        """
        return _decoded(self.payload, "payload")

    def statement(self, kind: type[S], predicate_type: str) -> S:
        """The statement.

        Raises:
            DamagedError: it is not a statement of this type.
        """
        statement = documents.parse(self.content, kind)
        if statement.predicate_type != predicate_type:
            raise DamagedError(f"predicateType: is {statement.predicate_type!r}")
        return statement


@dataclass(frozen=True)
class Signer:
    """Signs with an asymmetric KMS key of the type ECC_NIST_P256.

    Attributes:
        kms: client of KMS.
        key_arn: the key.
    """

    kms: Any
    key_arn: str

    def check(self) -> None:
        """Check that the key signs, before anything depends on it.

        Raises:
            PreflightError: it does not.
        """
        try:
            # "Checks if your request will succeed" (botocore's model of Sign): the success is an exception.
            self._sign(b"", DryRun=True)
        except self.kms.exceptions.DryRunOperationException:
            return
        except (BotoCoreError, ClientError) as error:
            raise self._failure(error) from error

    def sign(self, payload: bytes) -> Signature:
        """Sign a statement.

        Raises:
            PreflightError: KMS refused.
        """
        try:
            response = self._sign(payload)
        except (BotoCoreError, ClientError) as error:
            raise self._failure(error) from error
        return Signature("", base64.b64encode(response["Signature"]).decode())

    def public_key(self) -> bytes:
        """The public key, PEM.

        Raises:
            PreflightError: KMS refused.
        """
        try:
            der = self.kms.get_public_key(KeyId=self.key_arn)["PublicKey"]
        except (BotoCoreError, ClientError) as error:
            raise PreflightError(
                f"cannot read the public key of the signer: {explain(error) or error}",
                where=self.key_arn,
                remedy="grant kms:GetPublicKey on the key, or pass its public key with --key FILE",
            ) from error
        lines = base64.encodebytes(der).decode()
        return f"-----BEGIN PUBLIC KEY-----\n{lines}-----END PUBLIC KEY-----\n".encode()

    def _sign(self, payload: bytes, **options: Any) -> Any:
        # KMS itself hashes messages of up to 4,096 bytes only.
        digest = hashlib.sha256(pre_authentication_encoding(payload)).digest()
        return self.kms.sign(
            KeyId=self.key_arn, Message=digest, MessageType="DIGEST", SigningAlgorithm=ALGORITHM, **options
        )

    def _failure(self, error: Exception) -> PreflightError:
        return PreflightError(
            f"cannot sign the evidence of the release: {explain(error) or error}",
            where=self.key_arn,
            remedy="correct evidence.kms_key_arn, the key, or its permissions "
            "(docs/how-to/release-evidence.md), then run the command again",
        )


def pre_authentication_encoding(payload: bytes) -> bytes:
    """The bytes that DSSE signs."""
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)


def sha256(content: bytes) -> str:
    """SHA-256 of a document, hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def seal(
    predicate_type: str, subjects: Mapping[str, str], predicate: Mapping[str, Any], signer: Signer | None
) -> bytes:
    """State something about documents, and sign it.

    Args:
        predicate_type: the type of the predicate.
        subjects: SHA-256 of the documents, hexadecimal, by name.
        predicate: what is stated.
        signer: signs the statement; without one it has no signature.

    Returns:
        The envelope, as it is stored.

    Raises:
        PreflightError: KMS refused to sign.
    """
    statement = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": name, "digest": {"sha256": digest}} for name, digest in subjects.items()],
        "predicateType": predicate_type,
        "predicate": predicate,
    }
    payload = json.dumps(statement, ensure_ascii=False).encode()
    return Envelope.of(payload, [] if signer is None else [signer.sign(payload)]).to_json()


class PublicKey:
    """Verifies signatures.

    Args:
        pem: an elliptic-curve key on P-256, PEM.

    Raises:
        InputError: it is not.
    """

    def __init__(self, pem: bytes) -> None:
        # Loaded by the commands that verify only.
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        refused = InputError(
            f"cannot read the public key: not an {KEY_SPEC} key in PEM format",
            remedy="export it with `toolkit releases public-key`",
        )
        try:
            key = load_pem_public_key(pem)
        except (ValueError, UnsupportedAlgorithm):
            raise refused from None
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise refused
        self._key = key

    def problem(self, envelope: Envelope) -> str | None:
        """Why no signature of an envelope is one of this key; None if there is one."""
        if not envelope.signatures:
            return "not signed"
        problems = [self._problem(envelope.content, signature) for signature in envelope.signatures]
        return None if None in problems else problems[0]

    def _problem(self, payload: bytes, signature: Signature) -> str | None:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec

        try:
            content = _decoded(signature.sig, "signatures")
        except DamagedError as damage:
            return str(damage)
        try:
            self._key.verify(content, pre_authentication_encoding(payload), ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return "the statement or its signature was changed, or another key signed it"
        return None


def _decoded(text: str, member: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise DamagedError(f"{member}: not Base64") from None


def test_result(checks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The predicate of a test, with the names that in-toto gives to its members."""
    names = {True: "passedTests", False: "failedTests"}
    results: dict[str, list[str]] = {name: [] for name in names.values()}
    for check in checks:
        if check["ok"] is not None:
            results[names[check["ok"]]].append(f"{check.get('model') or 'API'}: {check['name']}")
    return {"result": "FAILED" if results["failedTests"] else "PASSED", "configuration": [], **results}
