"""Evidence of releases: collected by an apply, exported to a folder, verified there or in the state bucket.

The release's statement names its record and every document by SHA-256. The result of a smoke test is a
separate statement about the record, because it can follow the apply by days.
docs/how-to/release-evidence.md describes both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolkit import documents
from toolkit.aws import state_bucket
from toolkit.aws.concurrent import map_concurrently
from toolkit.deployment import attestations, releases
from toolkit.deployment.attestations import Envelope, PublicKey, Statement
from toolkit.deployment.context import Context
from toolkit.deployment.outputs import Outputs
from toolkit.deployment.prepare import STACK, Prepared
from toolkit.deployment.releases import RECORD, WEIGHTS, Inputs, Release, SmokeTestResult
from toolkit.documents import DamagedError
from toolkit.errors import InputError, StateError
from toolkit.files import write_atomic
from toolkit.packaging import FUNCTIONS, archive, package_name
from toolkit.staging import StagedModel

RELEASE, SMOKE_TEST = "release.intoto.json", "smoke-test.intoto.json"
_POLICIES = (".py", ".yaml", ".jinja")
# Reads a document by its name; None if it does not exist.
Source = Callable[[str, str | None], bytes | None]


@dataclass(frozen=True)
class _Predicate:
    """The part of the release's predicate that is compared."""

    environment: str
    release: int


@dataclass(frozen=True)
class Document:
    """A verified document.

    Attributes:
        name: its name in the evidence.
        problem: what is wrong; None if nothing is.
    """

    name: str
    problem: str | None = None


@dataclass(frozen=True)
class Verification:
    """The result of a verification.

    Attributes:
        documents: all documents, the statements first.
        smoke_test: the last recorded smoke test; None if there is none, or it is not authentic.
    """

    documents: list[Document] = field(default_factory=list)
    smoke_test: SmokeTestResult | None = None

    def raise_for_problems(self, env: str, number: int) -> None:
        """Raise an error if a document is not as it was.

        Raises:
            StateError: with each of these documents.
        """
        problems = [f"{item.name}: {item.problem}" for item in self.documents if item.problem]
        if problems:
            raise StateError(
                f"cannot verify release {number} of {env}: "
                f"{len(problems)} of {len(self.documents)} documents failed",
                details=problems,
                remedy="do not deploy or promote it; restore the documents (docs/how-to/restore.md)",
            )


def inputs(context: Context, prepared: Prepared, deployed: Outputs, plan: bytes) -> Inputs:
    """The inputs of a release that its evidence names.

    Args:
        context: the environment.
        prepared: the applied plan.
        deployed: what serves now.
        plan: Terraform's plan file.
    """
    project = context.project
    lock = project.stack(STACK) / ".terraform.lock.hcl"
    contents: dict[str, bytes | str] = {}
    if prepared.release is not None:
        # It was checked against the policies when it was released, whatever the files are now. Others may
        # write its record: no name in it replaces a document of this release.
        weights = prepared.release.weights
        contents |= {name: sha256 for name, sha256 in weights.items() if name.startswith(WEIGHTS)}
    contents["plan.tfplan"] = plan
    contents |= {"terraform.lock.hcl": lock.read_bytes()} if lock.is_file() else {}
    if prepared.release is None:
        contents["environment.yaml"] = project.environment_file(context.environment.name).read_bytes()
        contents["policies.zip"] = _policies(project.code / "policies")
        manifests = map_concurrently(lambda staged: _manifest(context, staged), prepared.staged.values())
        contents |= {
            f"{WEIGHTS}{name}.json": manifest
            for name, manifest in zip(prepared.staged, manifests, strict=True)
        }
    return Inputs(contents, list(_images(context, deployed)))


def _manifest(context: Context, staged: StagedModel) -> bytes:
    content = state_bucket.read(context.access, staged.bucket, staged.manifest_key)
    if content is None:
        raise StateError(
            f"cannot record the release: the manifest of the weights of {staged.name} was deleted",
            where=f"s3://{staged.bucket}/{staged.manifest_key}",
            remedy=f"run `{staged.command}`, then apply again",
        )
    return content


def _policies(folder: Path) -> bytes:
    paths = [path for path in folder.rglob("*") if path.suffix in _POLICIES]
    return archive.pack({path.relative_to(folder).as_posix(): path.read_bytes() for path in paths})


def _images(context: Context, deployed: Outputs) -> Iterator[dict[str, Any]]:
    """The images that SageMaker has resolved to digests (`DeployedImages` of DescribeEndpoint)."""
    if deployed.paused:
        return
    names = [model.endpoint_name for model in deployed.models.values()]
    sagemaker = context.access.sagemaker
    endpoints = map_concurrently(lambda name: sagemaker.describe_endpoint(EndpointName=name), names)
    for model, endpoint in zip(deployed.models, endpoints, strict=True):
        for variant in endpoint.get("ProductionVariants", []):
            for image in variant.get("DeployedImages", []):
                digest = image.get("ResolvedImage", "").partition("@sha256:")[2]
                yield {
                    "name": f"image of {model}/{variant['VariantName']}",
                    "uri": image.get("SpecifiedImage", ""),
                    "digest": {"sha256": digest} if digest else {},
                }


def stored(context: Context, number: int) -> Source:
    """Read the documents of a release from the state bucket."""
    store = releases.of(context)
    keys = {
        RELEASE: store.key(number, releases.EVIDENCE),
        SMOKE_TEST: store.key(number, releases.SMOKE_TEST),
        RECORD: store.key(number),
    }

    def read(name: str, sha256: str | None) -> bytes | None:
        key = keys.get(name)
        if key is None:
            assert sha256 is not None  # noqa: S101 - other documents are named by a statement
            packages = [package_name(function, sha256) for function in FUNCTIONS]
            key = store.package_key(sha256) if name in packages else store.document_key(sha256)
        return store.document(key)

    return read


def exported(folder: Path) -> Source:
    """Read the documents of a release from a folder that `export` has written.

    Raises:
        InputError: it is not one.
    """
    if not (folder / RELEASE).is_file():
        raise InputError(
            f"cannot read the evidence: no {RELEASE} in the folder",
            where=str(folder),
            remedy="export it with `toolkit releases evidence`",
        )

    def read(name: str, _: str | None) -> bytes | None:
        path = folder / name
        return documents.load(path) if path.is_file() else None

    return read


def envelopes(context: Context, number: int) -> dict[str, bytes]:
    """The stored attestations of a release, by name.

    Raises:
        InputError: there is no such release, or it has no evidence.
    """
    read = stored(context, number)
    contents = {name: read(name, None) for name in (RELEASE, SMOKE_TEST)}
    if contents[RELEASE] is None:
        _require_evidence(context, number)
    return {name: content for name, content in contents.items() if content is not None}


def _require_evidence(context: Context, number: int) -> None:
    release = releases.of(context).get(number)
    raise InputError(
        f"release {release.number} of {context.environment.name} has no evidence: it was deleted, or an "
        "earlier version of the toolkit recorded the release",
        remedy="restore the object if it was deleted (docs/how-to/restore.md); later releases have evidence",
    )


def export(context: Context, number: int, folder: Path) -> list[str]:
    """Write a release's attestations and documents to a folder; returns their names.

    Documents are written as they are stored: `verify` finds changes.

    Raises:
        InputError: there is no such release, or it has no evidence.
        StateError: the evidence is damaged.
    """
    contents, read = envelopes(context, number), stored(context, number)
    error = StateError(
        f"cannot read the evidence of release {number}: it was changed after it was stored",
        remedy="restore the object's earlier version (docs/how-to/restore.md)",
    )
    with documents.raising(error):
        subjects = _statement(Envelope.from_json(contents[RELEASE])).digests
    stored_contents = map_concurrently(lambda item: read(*item), subjects.items())
    contents |= {
        name: content for name, content in zip(subjects, stored_contents, strict=True) if content is not None
    }
    for name, content in contents.items():
        write_atomic(folder / name, content)
    return list(contents)


def verify(source: Source, env: str, number: int, key: PublicKey | None) -> Verification:
    """Verify the evidence of a release.

    Args:
        source: reads its documents.
        env: the environment.
        number: the release.
        key: verifies the signatures; None to compare digests only.
    """
    content, record = source(RELEASE, None), source(RECORD, None)
    statements, subjects = [Document(RELEASE, "missing")], {}
    if content is not None:
        try:
            envelope = Envelope.from_json(content)
            statement = _statement(envelope)
            problem = _problem(statement, env, number) or (key.problem(envelope) if key else None)
            # The digests in a statement that is not authentic would blame other documents.
            statements, subjects = [Document(RELEASE, problem)], {} if problem else statement.digests
        except DamagedError as damage:
            statements = [Document(RELEASE, f"damaged: {damage}")]
    content, tested = source(SMOKE_TEST, None), None
    if content is not None:
        document, tested = _verify_smoke_test(content, record, number, key)
        statements.append(document)
    elif record is not None and _was_tested(record):
        statements.append(Document(SMOKE_TEST, "missing"))
    contents = map_concurrently(lambda item: source(*item), subjects.items())
    named = [_compared(*item) for item in zip(subjects.items(), contents, strict=True)]
    return Verification([*statements, *named], tested)


def _statement(envelope: Envelope) -> Statement[_Predicate]:
    return envelope.statement(Statement[_Predicate], attestations.RELEASE_TYPE)


def _problem(statement: Statement[_Predicate], env: str, number: int) -> str | None:
    predicate = statement.predicate
    if predicate != _Predicate(env, number):
        return f"is of release {predicate.release} of {predicate.environment}"
    return None if RECORD in statement.digests else f"does not name {RECORD}"


def _compared(subject: tuple[str, str], content: bytes | None) -> Document:
    name, sha256 = subject
    if content is None:
        return Document(name, "missing")
    return Document(name, None if attestations.sha256(content) == sha256 else "changed")


def _was_tested(record: bytes) -> bool:
    try:
        return documents.parse(record, Release).smoke_test is not None
    except DamagedError:
        return False  # its digest differs


def _verify_smoke_test(
    content: bytes, record: bytes | None, number: int, key: PublicKey | None
) -> tuple[Document, SmokeTestResult | None]:
    try:
        envelope = Envelope.from_json(content)
        statement = releases.read_smoke_test(envelope)
        problem = key.problem(envelope) if key else None
    except DamagedError as damage:
        return Document(SMOKE_TEST, f"damaged: {damage}"), None
    result = statement.predicate.smokeTest
    if result.release != number:
        problem = problem or f"is of release {result.release}"
    if record is not None and statement.digests.get(RECORD) != attestations.sha256(record):
        problem = problem or f"is of another {RECORD}"
    return Document(SMOKE_TEST, problem), None if problem else result
