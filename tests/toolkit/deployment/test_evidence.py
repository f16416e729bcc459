"""Evidence of releases: complete, signed by KMS, verified without a network, and every change is named."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from typer.testing import CliRunner

from tests.support.cloud import Engine, Hosting
from tests.support.contexts import Opened, deployed, opened, outputs, unchanged
from toolkit.aws.access import AwsAccess
from toolkit.cli.app import app
from toolkit.deployment import evidence, lifecycle, releases
from toolkit.deployment.attestations import Envelope, PublicKey
from toolkit.deployment.prepare import Prepared
from toolkit.environment import PathSource
from toolkit.errors import InputError, PreflightError, StateError, ToolkitError
from toolkit.packaging import Package, package_name
from toolkit.staging import StagedModel
from toolkit.staging.local import LocalFiles

pytestmark = pytest.mark.slow

PASSED: list[dict[str, Any]] = [
    {"model": "m", "name": "endpoint InService", "ok": True},
    {"model": None, "name": "chat", "ok": None},
]
FAILED = [{"model": None, "name": "keys", "ok": False}]
CODE = b"PK code of the gateway"
PACKAGE = package_name("gateway", hashlib.sha256(CODE).hexdigest())
DOCUMENTS = {
    "release.json",
    "plan.tfplan",
    "policies.zip",
    "environment.yaml",
    "weights/m.json",
    PACKAGE,
}
STATEMENTS = {"release.intoto.json", "smoke-test.intoto.json"}


@dataclass(frozen=True)
class Released:
    """A signed and tested release, and its exported evidence.

    Attributes:
        environment: the environment.
        prepared: its plan.
        folder: the exported files.
        pem: the public key of its signer.
    """

    environment: Opened
    prepared: Prepared
    folder: Path
    pem: bytes


@pytest.fixture(scope="module")
def released(
    account: AwsAccess, hosting: Hosting, engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> Released:
    """Deployed once; tests that tamper copy the exported files."""
    directory = tmp_path_factory.mktemp("evidence")
    environment = opened(
        directory / "project", account, env="signed", further=signed_by(signing_key(account))
    )
    configuration = hosting.configuration(
        container={"Environment": {"OPENAI_BASE_URL": engine.url, "OPENAI_MODEL": "m"}}
    )
    endpoint = hosting.endpoint(configuration, "llm-signed-m")
    hosting.settled(endpoint)
    prepared = unchanged(environment, {"m": deployed(endpoint, configuration)})
    prepared = replace(prepared, staged={"m": weights(environment, directory)}, packages=package(directory))
    prepared.plan.path.write_bytes(b"the plan")
    lifecycle.deploy(environment.context, prepared, smoke_test=lambda *_: PASSED)
    folder = directory / "exported"
    evidence.export(environment.context, 1, folder)
    signer = environment.context.signer
    assert signer is not None
    return Released(environment, prepared, folder, signer.public_key())


def signing_key(account: AwsAccess) -> str:
    key = account.kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    return str(key["KeyMetadata"]["Arn"])


def signed_by(arn: str) -> str:
    return f"evidence: {{kms_key_arn: {arn!r}}}\n"


def weights(environment: Opened, directory: Path) -> StagedModel:
    """Weights of a file, which the apply uploads."""
    (directory / "weights").mkdir()
    (directory / "weights" / "config.json").write_text("{}")
    source = PathSource(path=str(directory / "weights"))
    bucket = environment.context.environment.model_store_bucket
    environment.context.access.s3.create_bucket(Bucket=bucket)
    files = LocalFiles.of(source, directory, "dev.yaml")
    return StagedModel("signed", "m", bucket, "0123", source, files)


def package(directory: Path) -> dict[str, Package]:
    (directory / PACKAGE).write_bytes(CODE)
    return {PACKAGE: Package(directory / PACKAGE, hashlib.sha256(CODE).hexdigest())}


def statement(content: bytes) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(base64.b64decode(json.loads(content)["payload"]))
    return decoded


def problems(folder: Path, key: bytes | None, number: int = 1) -> dict[str, str]:
    """The problems that a verification without a network finds, by document."""
    pem = None if key is None else PublicKey(key)
    verified = evidence.verify(evidence.exported(folder), "signed", number, pem).documents
    return {document.name: document.problem for document in verified if document.problem}


def test_the_evidence_names_every_part_by_its_digest(released: Released) -> None:
    files = {
        path.relative_to(released.folder).as_posix(): path.read_bytes()
        for path in released.folder.rglob("*")
        if path.is_file()
    }
    assert files.keys() == DOCUMENTS | STATEMENTS
    assert files["plan.tfplan"] == b"the plan"
    project = released.environment.context.project
    with zipfile.ZipFile(io.BytesIO(files["policies.zip"])) as policies:
        for name in policies.namelist():
            assert policies.read(name) == (project.code / "policies" / name).read_bytes()
        assert {"builtin.yaml", "iam/viewer.json.jinja"} < set(policies.namelist())
    assert json.loads(files["weights/m.json"])["files"][0]["name"] == "config.json"
    named = statement(files["release.intoto.json"])
    assert named["_type"] == "https://in-toto.io/Statement/v1"
    digests = {subject["name"]: subject["digest"]["sha256"] for subject in named["subject"]}
    assert digests == {name: hashlib.sha256(files[name]).hexdigest() for name in DOCUMENTS}
    images = [item for item in named["predicate"]["resolvedDependencies"] if "image" in item["name"]]
    assert [item["name"] for item in images] == ["image of m/AllTraffic"]
    assert len(images[0]["digest"]["sha256"]) == 64
    tested = statement(files["smoke-test.intoto.json"])
    assert tested["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    assert tested["predicate"]["result"] == "PASSED"
    assert tested["predicate"]["passedTests"] == ["m: endpoint InService"]
    assert tested["subject"] == [{"name": "release.json", "digest": {"sha256": digests["release.json"]}}]


def test_the_signature_is_that_of_the_dsse_protocol(released: Released) -> None:
    """As the specification describes it, without code of the toolkit."""
    for name in STATEMENTS:
        envelope = json.loads((released.folder / name).read_bytes())
        kind, payload = envelope["payloadType"].encode(), base64.b64decode(envelope["payload"])
        message = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
        key = serialization.load_pem_public_key(released.pem)
        assert isinstance(key, ec.EllipticCurvePublicKey)
        signature = base64.b64decode(envelope["signatures"][0]["sig"])
        key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
        with pytest.raises(InvalidSignature):
            key.verify(signature, message + b" ", ec.ECDSA(hashes.SHA256()))


def test_an_unchanged_release_is_verified(released: Released) -> None:
    assert problems(released.folder, released.pem) == {}
    context = released.environment.context
    in_bucket = evidence.verify(evidence.stored(context, 1), "signed", 1, PublicKey(released.pem))
    assert {document.name for document in in_bucket.documents} == DOCUMENTS | STATEMENTS
    assert in_bucket.smoke_test is not None and in_bucket.smoke_test.passed
    in_bucket.raise_for_problems("signed", 1)


@pytest.mark.parametrize("name", sorted(DOCUMENTS | STATEMENTS))
@pytest.mark.parametrize("place", [0.3, 0.5, 0.9])
def test_a_changed_byte_is_named(released: Released, tmp_path: Path, name: str, place: float) -> None:
    folder = Path(shutil.copytree(released.folder, tmp_path / "copy"))
    content = bytearray((folder / name).read_bytes())
    content[int(len(content) * place)] ^= 1
    (folder / name).write_bytes(content)
    named = problems(folder, released.pem)
    # The smoke test is of the record, too.
    assert named.keys() == {name} | ({"smoke-test.intoto.json"} if name == "release.json" else set())
    (folder / name).unlink()
    if name == "release.intoto.json":
        with pytest.raises(InputError, match="cannot read the evidence"):
            problems(folder, released.pem)
    else:
        assert problems(folder, released.pem)[name] == "missing"


def changed_signature(envelope: dict[str, Any]) -> None:
    signature = bytearray(base64.b64decode(envelope["signatures"][0]["sig"]))
    signature[-1] ^= 1
    envelope["signatures"][0]["sig"] = base64.b64encode(signature).decode()


def changed_statement(envelope: dict[str, Any]) -> None:
    text = base64.b64decode(envelope["payload"]).replace(b'"toolkit": "', b'"toolkit": "9')
    text = text.replace(b'"passed": true', b'"passed":  true')
    envelope["payload"] = base64.b64encode(text).decode()


@pytest.mark.parametrize("name", sorted(STATEMENTS))
@pytest.mark.parametrize("change", [changed_signature, changed_statement])
def test_a_consistent_change_breaks_the_signature(
    released: Released, tmp_path: Path, name: str, change: Callable[[dict[str, Any]], None]
) -> None:
    folder = Path(shutil.copytree(released.folder, tmp_path / "copy"))
    envelope = json.loads((folder / name).read_bytes())
    change(envelope)
    (folder / name).write_text(json.dumps(envelope))
    assert "the statement or its signature was changed" in problems(folder, released.pem)[name]
    verification = evidence.verify(evidence.exported(folder), "signed", 1, PublicKey(released.pem))
    # A result is shown only if it is authentic.
    assert (verification.smoke_test is None) == (name == "smoke-test.intoto.json")
    # The digests alone cannot show it.
    assert problems(folder, None) == {}
    envelope["signatures"] = []
    (folder / name).write_text(json.dumps(envelope))
    assert problems(folder, released.pem) == {name: "not signed"}


def test_a_forged_statement_does_not_blame_documents(released: Released, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(released.folder, tmp_path / "copy"))
    file = folder / "release.intoto.json"
    original = file.read_bytes()
    envelope = json.loads(original)
    plan = hashlib.sha256(b"the plan").hexdigest().encode()
    payload = base64.b64decode(envelope["payload"]).replace(plan, plan[::-1])
    envelope["payload"] = base64.b64encode(payload).decode()
    file.write_text(json.dumps(envelope))
    assert problems(folder, released.pem).keys() == {"release.intoto.json"}
    payload = base64.b64decode(json.loads(original)["payload"]).replace(b'"plan.tfplan"', b'"../plan.tfplan"')
    file.write_bytes(Envelope.of(payload, []).to_json())
    assert "damaged: subject[" in problems(folder, None)["release.intoto.json"]
    # A name that readers ignore.
    file.write_bytes(original.replace(b'"keyid"', b'"keyie"'))
    assert "damaged" in problems(folder, released.pem)["release.intoto.json"]
    file.write_bytes(original.replace(b'": ', b'":  ', 1))
    assert problems(folder, released.pem) == {"release.intoto.json": "damaged: not as it was stored"}


def test_evidence_of_another_release_is_refused(released: Released, tmp_path: Path) -> None:
    named = problems(released.folder, released.pem, number=2)
    assert named["release.intoto.json"] == "is of release 1 of signed"
    assert named["smoke-test.intoto.json"] == "is of release 1"
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    form = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert problems(released.folder, other.public_bytes(*form)).keys() == STATEMENTS
    # Signed, but for other documents.
    folder = Path(shutil.copytree(released.folder, tmp_path / "copy"))
    shutil.copy(folder / "smoke-test.intoto.json", folder / "release.intoto.json")
    assert "damaged" in problems(folder, released.pem)["release.intoto.json"]


def test_a_change_in_the_state_bucket_is_named(released: Released) -> None:
    context = released.environment.context
    bucket = context.environment.state_bucket
    pages = context.access.s3.list_objects_v2(Bucket=bucket, Prefix="signed/evidence/")["Contents"]
    stored = {item["Key"]: item for item in pages}
    key = f"signed/evidence/{hashlib.sha256(b'the plan').hexdigest()}"
    assert key in stored
    context.access.s3.put_object(Bucket=bucket, Key=key, Body=b"the plaN")
    try:
        verification = evidence.verify(evidence.stored(context, 1), "signed", 1, PublicKey(released.pem))
        with pytest.raises(StateError, match="1 of 8 documents failed") as caught:
            verification.raise_for_problems("signed", 1)
        assert caught.value.details == ("plan.tfplan: changed",)
        assert caught.value.exit_code == 9
    finally:
        context.access.s3.put_object(Bucket=bucket, Key=key, Body=b"the plan")


def test_deleted_evidence_cannot_be_verified(released: Released) -> None:
    context = released.environment.context
    store = releases.of(context)
    key = store.key(1, releases.EVIDENCE)
    content = store.document(key)
    assert content is not None
    context.access.s3.delete_object(Bucket=store.bucket, Key=key)
    try:
        with pytest.raises(InputError, match="release 1 of signed has no evidence: it was deleted"):
            evidence.envelopes(context, 1)
    finally:
        context.access.s3.put_object(Bucket=store.bucket, Key=key, Body=content)
    with pytest.raises(InputError, match="signed has no release 99"):
        evidence.envelopes(context, 99)


def test_later_tests_and_rollbacks_have_evidence(released: Released) -> None:
    context = released.environment.context
    serving = releases.of(context).get(1)
    current = outputs({"m": replace_configuration(serving.endpoints)})
    releases.record_smoke_test(context, current, serving, FAILED)
    again = evidence.verify(evidence.stored(context, 1), "signed", 1, PublicKey(released.pem))
    again.raise_for_problems("signed", 1)
    assert again.smoke_test is not None and not again.smoke_test.passed
    # The release that a rollback deploys was checked, and its weights staged, before. A user who can write
    # its record chooses no other document.
    forged = dict.fromkeys(("plan.tfplan", "release.json", "environment.yaml"), "0" * 64)
    serving = replace(serving, weights={**serving.weights, **forged})
    (context.build / "inference.tfvars").write_text("number = 2")
    lifecycle.deploy(
        context, replace(released.prepared, action="rollback to 1", staged={}, packages={}, release=serving)
    )
    number = releases.of(context).list()[0].number
    rolled_back = evidence.verify(evidence.stored(context, number), "signed", number, PublicKey(released.pem))
    assert {document.name for document in rolled_back.documents} == {
        "release.intoto.json",
        "release.json",
        "plan.tfplan",
        "weights/m.json",
    }
    rolled_back.raise_for_problems("signed", number)


def replace_configuration(endpoints: Any) -> Any:
    ((endpoint, configuration),) = endpoints.items()
    return deployed(endpoint, configuration)


@pytest.mark.parametrize("damage", ["disabled", "symmetric"])
def test_a_key_that_cannot_sign_fails_before_the_deployment(
    account: AwsAccess, tmp_path: Path, damage: str
) -> None:
    key = signing_key(account)
    if damage == "disabled":
        account.kms.disable_key(KeyId=key.rpartition("/")[2])
    else:
        key = account.kms.create_key()["KeyMetadata"]["Arn"]
    environment = opened(tmp_path, account, env=damage, further=signed_by(key))
    plan = unchanged(environment, {})
    with pytest.raises(PreflightError, match="cannot sign the evidence of the release") as caught:
        lifecycle.deploy(environment.context, plan)
    assert caught.value.where == key
    assert releases.of(environment.context).list() == []


def test_interrupted_evidence_is_not_replaced(released: Released) -> None:
    """An apply was killed between the evidence and the record of its release."""
    context = released.environment.context
    store = releases.of(context)
    number = store.list()[0].number + 1
    interrupted = store.key(number, releases.EVIDENCE)
    context.access.s3.put_object(Bucket=store.bucket, Key=interrupted, Body=b"left")
    (context.build / "inference.tfvars").write_text("number = 3")
    lifecycle.deploy(context, replace(released.prepared, staged={}))
    assert store.list()[0].number == number + 1
    evidence.verify(evidence.stored(context, number + 1), "signed", number + 1, None).raise_for_problems(
        "", 0
    )
    assert store.document(interrupted) == b"left"


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["releases", *arguments])


def test_files_are_verified_without_a_project_or_a_network(
    released: Released, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    key = tmp_path / "signer.pem"
    key.write_bytes(released.pem)
    folder = Path(shutil.copytree(released.folder, tmp_path / "copy"))
    verify = ("verify", "1", "--env", "signed", "--bundle", str(folder))
    result = run(*verify, "--key", str(key))
    assert (result.exit_code, "warning" in result.stderr) == (0, False)
    assert "ok   plan.tfplan" in result.stdout
    assert "signatures were not verified" in run(*verify).stderr
    (folder / "policies.zip").write_bytes(b"")
    result = run(*verify, "--key", str(key))
    assert "FAIL policies.zip" in result.stdout
    assert isinstance(result.exception, StateError)
    key.write_text("-----BEGIN PUBLIC KEY-----")
    for arguments in ((*verify, "--key", str(key)), (*verify, "--key", "missing.pem")):
        refused = run(*arguments).exception
        assert isinstance(refused, ToolkitError) and refused.exit_code == 2 and refused.remedy
