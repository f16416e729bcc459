"""Releases: every verified apply, recorded in the state bucket so that any machine can roll back to it.

Records are under `<env>/releases/`, each with its attestations, the Lambda packages they refer to under
`<env>/packages/`, and the other documents that the attestations name under `<env>/evidence/`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any

from botocore.exceptions import ClientError

from toolkit import documents, git
from toolkit.aws import bodies, state_bucket
from toolkit.aws.access import AwsAccess
from toolkit.aws.concurrent import map_concurrently
from toolkit.deployment import attestations
from toolkit.deployment.attestations import Envelope, Signer, Statement
from toolkit.deployment.context import Context
from toolkit.deployment.outputs import Outputs
from toolkit.errors import InputError, StateError
from toolkit.files import write_atomic
from toolkit.packaging import FUNCTIONS, Package, package_name

# HTTP statuses of a conditional write to an existing key: try the next number.
_TAKEN = (409, 412)
_NUMBERED = re.compile(r"/(\d+)\.json$", re.ASCII)
# The attestations next to a release's record; they are not records themselves.
EVIDENCE, SMOKE_TEST = ".intoto", ".smoke-test.intoto"
# In the attestations, the record and the folder of the weights' manifests.
RECORD, WEIGHTS = "release.json", "weights/"
_RESTORE = "restore the object's earlier version (docs/how-to/restore.md)"
# The code that a release's variables are applied with.
# In a clone, and in a team's repository, whose pin selects the toolkit's code.
_CODE = (
    "terraform/stacks",
    "terraform/modules",
    "terraform/account",
    "terraform/inference",
    "requirements.txt",
)


@dataclass(frozen=True)
class SmokeTestResult:
    """The smoke test of a release.

    Attributes:
        release: number of the release.
        passed: whether no check failed.
        tested_at: UTC, ISO 8601.
        tested_by: ARN of the caller.
        endpoints: the tested endpoint configuration of each endpoint.
        checks: the checks, as `toolkit smoke-test --json` prints them.
    """

    release: int
    passed: bool
    tested_at: str
    tested_by: str
    endpoints: Mapping[str, str]
    checks: list[dict[str, Any]]


@dataclass(frozen=True)
class TestPredicate:
    """The member of a smoke test's predicate that in-toto does not define."""

    smokeTest: SmokeTestResult  # noqa: N815 - a name in JSON


@dataclass(frozen=True)
class Inputs:
    """The inputs of a release, besides its Lambda packages.

    Attributes:
        documents: by name, such as `plan.tfplan` or `weights/chat.json`; or the SHA-256 of stored ones.
        resources: in-toto descriptors of inputs that the toolkit does not store, such as images.
    """

    documents: Mapping[str, bytes | str] = field(default_factory=dict)
    resources: Sequence[Mapping[str, Any]] = ()

    @property
    def digests(self) -> dict[str, str]:
        """SHA-256 of each document, by name."""
        return {
            name: content if isinstance(content, str) else attestations.sha256(content)
            for name, content in self.documents.items()
        }


@dataclass(frozen=True)
class Release:
    """One verified apply.

    Attributes:
        number: counts up from 1 within an environment.
        created_at: UTC, ISO 8601.
        created_by: ARN of the caller.
        action: "apply", "rollback to 3", "pause", "resume".
        commit: the checkout's commit; None outside of git.
        uncommitted: whether the checkout had uncommitted changes.
        plan_digest: SHA-256 of the applied plan file, hexadecimal.
        variables: the inference stack's variables, as rendered, without those in `runtime.tfvars.json`.
        packages: SHA-256 of each Lambda package, by its file name.
        endpoints: endpoint configuration of each endpoint after the apply.
        smoke_test: "passed", or None if it was not run.
        quality: endpoint configuration of each endpoint whose model met its expectations, now or earlier.
        definitions: digest of the promoted part of each model's definition, by model.
        weights: SHA-256 of the manifests of staged weights, by their names in the evidence.
    """

    number: int
    created_at: str
    created_by: str
    action: str
    commit: str | None
    uncommitted: bool
    plan_digest: str
    variables: str
    packages: Mapping[str, str]
    endpoints: Mapping[str, str] = field(default_factory=dict)
    smoke_test: str | None = None
    quality: Mapping[str, str] = field(default_factory=dict)
    definitions: Mapping[str, str] = field(default_factory=dict)
    weights: Mapping[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """ "release 3, commit 0123456789ab and changes"."""
        commit = f", commit {self.commit[:12]}" if self.commit else ""
        return f"release {self.number}{commit}{' and changes' if self.uncommitted else ''}"

    @property
    def paused(self) -> bool:
        """Whether it left the environment without endpoints."""
        return self.action == "pause"

    def to_json(self) -> str:
        """The stored form."""
        return json.dumps(asdict(self), indent=2, sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: bytes | str, where: str) -> Release:
        """Read the stored form; unknown fields, of later versions, are ignored.

        Args:
            text: the record.
            where: its address, which ends with its number.

        Raises:
            StateError: it is damaged, or of another number.
        """
        number = _number(where)
        error = StateError(
            f"cannot read release {number}: its record was changed after it was stored",
            where=where,
            remedy=_RESTORE,
        )
        release = documents.read(text, cls, error)
        if release.number != number:
            error.details = (f"number: is {release.number}",)
            raise error
        return release


@dataclass(frozen=True)
class Releases:
    """The releases of one environment.

    Attributes:
        access: the account.
        bucket: the state bucket.
        env: the environment's name.
    """

    access: AwsAccess
    bucket: str
    env: str

    def list(self) -> list[Release]:
        """All releases, newest first.

        Raises:
            StateError: a record is damaged.
        """
        return [self._read(key) for key in sorted(self._keys(), reverse=True)]

    def latest(self) -> Release | None:
        """The newest release; None before the first.

        Raises:
            StateError: its record is damaged.
        """
        keys = sorted(self._keys())
        return self._read(keys[-1]) if keys else None

    def get(self, number: int) -> Release:
        """One release.

        Raises:
            InputError: no release has that number.
        """
        if self.key(number) in set(self._keys()):
            return self._read(self.key(number))
        numbers = ", ".join(str(release.number) for release in self.list()) or "none yet"
        raise InputError(f"{self.env} has no release {number}", remedy=f"choose one of: {numbers}")

    def record(
        self,
        release: Release,
        packages: Mapping[str, Path],
        attest: Callable[[Release], Mapping[str, bytes]] = lambda _: {},
    ) -> Release:
        """Store a release under the next free number, its packages and attestations first.

        Args:
            release: the release; its number is ignored.
            packages: the package files, by the names in `release.packages`.
            attest: the attestations of the numbered release, by the suffix of their keys.

        Returns:
            The release with its number.
        """
        for name, path in packages.items():
            self._store_package(release.packages[name], path)
        # Numbers come from the object names, so a damaged record does not block the next one.
        numbered = replace(release, number=max(map(_number, self._keys()), default=0) + 1)
        while not self._create(numbered, attest(numbered)):
            numbered = replace(numbered, number=numbered.number + 1)
        return numbered

    def restore_packages(self, release: Release, directory: Path) -> None:
        """Write a release's packages into `directory`, unless they exist.

        Raises:
            StateError: a stored package does not match its record.
        """
        directory.mkdir(parents=True, exist_ok=True)
        for name, sha256 in release.packages.items():
            key = self.package_key(sha256)
            # A record is untrusted input: its names must not point outside the folder.
            if name not in (package_name(function, sha256) for function in FUNCTIONS):
                raise StateError(
                    f"release {release.number} names an unknown package: {name!r}",
                    where=f"s3://{self.bucket}/{self.key(release.number)}",
                    remedy=_RESTORE,
                )
            path = directory / name
            if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256:
                continue
            content = self._object(key)
            if hashlib.sha256(content).hexdigest() != sha256:
                raise StateError(
                    f"the package {name} of release {release.number} was changed after it was stored",
                    where=f"s3://{self.bucket}/{key}",
                    remedy=_RESTORE,
                )
            write_atomic(path, content)

    def smoke_test(self, number: int) -> SmokeTestResult | None:
        """The last recorded smoke test of a release; None if there is none.

        Raises:
            StateError: it is damaged.
        """
        key = self.key(number, SMOKE_TEST)
        content = self.document(key)
        if content is None:
            return None
        where = f"s3://{self.bucket}/{key}"
        message = f"cannot read the smoke test of release {number}: it was changed after it was stored"
        with documents.raising(StateError(message, where=where, remedy=_RESTORE)):
            return read_smoke_test(Envelope.from_json(content)).predicate.smokeTest

    def record_smoke_test(self, result: SmokeTestResult, signer: Signer | None) -> None:
        """Store the result of a smoke test next to its release; it replaces an earlier one."""
        record = self._object(self.key(result.release))
        self._put(self.key(result.release, SMOKE_TEST), attest_smoke_test(result, record, signer))

    def store_documents(self, contents: Mapping[str, bytes | str]) -> None:
        """Store the documents that a release's evidence names, except for those that are given by digest."""
        new = [content for content in contents.values() if isinstance(content, bytes)]
        map_concurrently(lambda item: self._put(self.document_key(attestations.sha256(item)), item), new)

    def document(self, key: str) -> bytes | None:
        """An object of the state bucket; None if it does not exist."""
        return state_bucket.read(self.access, self.bucket, key)

    def key(self, number: int, document: str = "") -> str:
        """Key of a release's record, or of a document next to it."""
        return f"{self.env}/releases/{number:06d}{document}.json"

    def package_key(self, sha256: str) -> str:
        """Key of a Lambda package."""
        return f"{self.env}/packages/{sha256}.zip"

    def document_key(self, sha256: str) -> str:
        """Key of a document that a release's evidence names."""
        return f"{self.env}/evidence/{sha256}"

    def _create(self, release: Release, evidence: Mapping[str, bytes] = MappingProxyType({})) -> bool:
        # The record comes last, so that every release has its evidence. The number of evidence that an
        # interrupted apply has left stays taken: evidence is never replaced.
        contents = {self.key(release.number, suffix): content for suffix, content in evidence.items()}
        contents[self.key(release.number)] = release.to_json().encode()
        return all(self._put_new(key, content) for key, content in contents.items())

    def _put_new(self, key: str, content: bytes) -> bool:
        try:
            self._put(key, content, IfNoneMatch="*")
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] in _TAKEN:
                return False
            raise
        return True

    def _put(self, key: str, content: bytes, **condition: Any) -> None:
        self.access.s3.put_object(
            Bucket=self.bucket, Key=key, Body=content, ContentType="application/json", **condition
        )

    def _store_package(self, sha256: str, path: Path) -> None:
        # Keys are content digests, so an existing object is the same.
        key = self.package_key(sha256)
        try:
            self.access.s3.head_object(Bucket=self.bucket, Key=key)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                raise
            self.access.s3.put_object(Bucket=self.bucket, Key=key, Body=path.read_bytes())

    def _keys(self) -> Iterator[str]:
        pages = self.access.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=f"{self.env}/releases/"
        )
        for page in pages:
            # Other objects in that folder are ignored.
            yield from (item["Key"] for item in page.get("Contents", []) if _NUMBERED.search(item["Key"]))

    def _read(self, key: str) -> Release:
        return Release.from_json(self._object(key), f"s3://{self.bucket}/{key}")

    def _object(self, key: str) -> bytes:
        return bodies.read(lambda: self.access.s3.get_object(Bucket=self.bucket, Key=key))


def _number(key: str) -> int:
    match = _NUMBERED.search(key)
    return int(match[1]) if match else 0


def attest_smoke_test(result: SmokeTestResult, record: bytes, signer: Signer | None) -> bytes:
    """State the result of a smoke test of the release with this record."""
    predicate = {**attestations.test_result(result.checks), "smokeTest": asdict(result)}
    subjects = {RECORD: attestations.sha256(record)}
    return attestations.seal(attestations.TEST_RESULT_TYPE, subjects, predicate, signer)


def read_smoke_test(envelope: Envelope) -> Statement[TestPredicate]:
    """The statement of a smoke test.

    Raises:
        DamagedError: it is not one.
    """
    return envelope.statement(Statement[TestPredicate], attestations.TEST_RESULT_TYPE)


def of(context: Context) -> Releases:
    """The environment's releases."""
    return Releases(context.access, context.environment.state_bucket, context.environment.name)


def record(  # noqa: PLR0913 - each named by the caller
    context: Context,
    outputs: Outputs,
    *,
    action: str,
    changed: bool,
    plan_digest: str,
    packages: Mapping[str, Package],
    smoke_test: Sequence[Mapping[str, Any]] | None,
    quality: Mapping[str, str] = MappingProxyType({}),
    definitions: Mapping[str, str] = MappingProxyType({}),
    inputs: Inputs = Inputs(),
) -> Release | None:
    """Record a verified apply; returns None if the last release is the same.

    An apply without changes is recorded too if the last release differs from it: the apply before was
    interrupted before it could be recorded, or `sync` has updated the code.

    Args:
        context: the environment.
        outputs: what serves now.
        action: "apply", "rollback to 3", "pause", "resume".
        changed: whether the apply changed anything.
        plan_digest: SHA-256 of the plan file.
        packages: the Lambda packages, by file name.
        smoke_test: the checks of a passed smoke test; None if it was not run.
        quality: endpoint configuration of each endpoint whose model met its expectations, now or earlier.
        definitions: digest of the promoted part of each model's definition, by model.
        inputs: what the evidence names besides.
    """
    releases = of(context)
    variables = (context.build / "inference.tfvars").read_text(encoding="utf-8")
    digests = {name: package.sha256 for name, package in packages.items()}
    latest = None if changed else releases.latest()
    if latest is not None and (latest.packages, latest.variables) == (digests, variables):
        return None
    commit, uncommitted = checkout_commit(context.project.root)
    release = Release(
        number=0,
        created_at=_now(),
        created_by=context.access.sts.get_caller_identity()["Arn"],
        action=action,
        commit=commit,
        uncommitted=uncommitted,
        plan_digest=plan_digest,
        variables=variables,
        packages=digests,
        endpoints=configurations(outputs),
        smoke_test=None if smoke_test is None else "passed",
        quality=dict(quality),
        definitions=dict(definitions),
        weights={name: sha256 for name, sha256 in inputs.digests.items() if name.startswith(WEIGHTS)},
    )

    def attest(numbered: Release) -> dict[str, bytes]:
        result = {EVIDENCE: _evidence(context, numbered, inputs)}
        if smoke_test is not None:
            tested = smoke_test_result(context, outputs, numbered.number, smoke_test)
            record = numbered.to_json().encode()
            result[SMOKE_TEST] = attest_smoke_test(tested, record, context.signer)
        return result

    releases.store_documents(inputs.documents)
    recorded = releases.record(release, {name: package.path for name, package in packages.items()}, attest)
    context.console.line(f"recorded as release {recorded.number}")
    return recorded


def _evidence(context: Context, release: Release, inputs: Inputs) -> bytes:
    """State what a release consists of and was created from."""
    environment = context.environment
    commit = {"name": "commit", "digest": {"gitCommit": release.commit}}
    predicate = {
        "environment": environment.name,
        "account": environment.account_id,
        "region": environment.region,
        "release": release.number,
        "action": release.action,
        "createdAt": release.created_at,
        "createdBy": release.created_by,
        "uncommittedChanges": release.uncommitted,
        "toolkit": version("sagemaker-llm-toolkit"),
        "signer": environment.evidence.kms_key_arn,
        "resolvedDependencies": [*inputs.resources, *([commit] if release.commit else [])],
    }
    record = attestations.sha256(release.to_json().encode())
    subjects = {**release.packages, **inputs.digests, RECORD: record}
    return attestations.seal(attestations.RELEASE_TYPE, subjects, predicate, context.signer)


def configurations(outputs: Outputs) -> dict[str, str]:
    """The endpoint configuration of each endpoint."""
    return {model.endpoint_name: model.endpoint_config_name for model in outputs.models.values()}


def smoke_test_result(
    context: Context, outputs: Outputs, number: int, checks: Sequence[Mapping[str, Any]]
) -> SmokeTestResult:
    """The result of a smoke test that has just ended.

    Args:
        context: the environment.
        outputs: what was tested.
        number: the release that was tested.
        checks: the checks, as `toolkit smoke-test --json` prints them.
    """
    return SmokeTestResult(
        release=number,
        passed=not any(check["ok"] is False for check in checks),
        tested_at=_now(),
        tested_by=context.access.sts.get_caller_identity()["Arn"],
        endpoints=configurations(outputs),
        checks=[dict(check) for check in checks],
    )


def current(context: Context, outputs: Outputs) -> Release:
    """The newest release, which must be what the state says is deployed.

    Raises:
        InputError: there is no release, or something else is deployed.
        PreflightError: the signer, if there is one, cannot sign the result.
    """
    release = of(context).latest()
    if release is None or release.endpoints != configurations(outputs):
        raise InputError(
            f"{context.environment.name} does not serve its newest release",
            remedy=f"complete the last apply: make apply ENV={context.environment.name}",
        )
    if context.signer is not None:
        context.signer.check()
    return release


def record_smoke_test(
    context: Context, outputs: Outputs, release: Release, checks: Sequence[Mapping[str, Any]]
) -> None:
    """Record the result of a smoke test of the current release.

    Raises:
        StateError: another release was recorded meanwhile.
    """
    latest = of(context).latest()
    if latest is None or latest.number != release.number:
        raise StateError(
            "cannot record the smoke test: another release was recorded meanwhile", remedy="test again"
        )
    result = smoke_test_result(context, outputs, release.number, checks)
    of(context).record_smoke_test(result, context.signer)
    context.console.line(f"recorded with release {release.number}")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def checkout_commit(root: Path) -> tuple[str | None, bool]:
    """The checkout's commit, and whether there are uncommitted changes."""
    head = git.output(root, "rev-parse", "--verify", "HEAD")
    changes = git.output(root, "status", "--porcelain")
    return head, bool(changes)


def code_differs(root: Path, commit: str | None) -> bool:
    """Whether the checkout's Terraform code differs from a commit; False where that is unknown."""
    if commit is None:
        return False
    result = git.run(root, "diff", "--quiet", commit, "--", *_CODE)
    if result.returncode > 1:  # the commit is not in this checkout
        return False
    new = git.output(root, "ls-files", "--others", "--exclude-standard", "--", *_CODE)
    return bool(result.returncode or new)
