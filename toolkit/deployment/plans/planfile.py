"""A saved plan: one file with all that an apply needs, and with what it was made of.

It is a zip file. `manifest.json` says what the plan is for, which state it starts from and what it was made
of; beside it lie Terraform's own plan, the variables and the Lambda packages. So the machine that applies
need not be the one that planned. Terraform's plan holds values that may be sensitive: the file is for its
owner's eyes alone, and belongs among a pipeline's protected artefacts.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from toolkit.deployment import files, fleet
from toolkit.deployment.context import Context
from toolkit.deployment.inference import STACK, Prepared
from toolkit.deployment.outputs import stored
from toolkit.deployment.plans import inputs
from toolkit.deployment.plans.review import Review
from toolkit.deployment.rollout import settle
from toolkit.deployment.rollout.settle import settled
from toolkit.errors import InputError, StateError
from toolkit.packaging import Package
from toolkit.terraform import Change, Counts, Plan

FORMAT = 1
MANIFEST, PLAN, VARIABLES, PACKAGES = "manifest.json", "terraform.tfplan", "inference.tfvars", "packages/"
AGAIN = "plan again, then apply that plan"
# All that reading a zip file raises that was cut off or changed, and what another program's lacks.
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, KeyError, ValueError, TypeError)


@dataclass(frozen=True)
class Saved:
    """A plan that was saved.

    Attributes:
        path: the file.
        digest: SHA-256 of its manifest, which has digests of all else; hexadecimal.
    """

    path: Path
    digest: str


def default_path(context: Context) -> Path:
    """Where `toolkit plan` saves an environment's plan."""
    return context.project.environment_build(context.environment.name) / "plan"


def save(context: Context, review: Review, path: Path) -> Saved:
    """Save a plan."""
    prepared = review.prepared
    contents = {PLAN: prepared.plan.path.read_bytes(), VARIABLES: _variables(context).read_bytes()}
    contents |= {f"{PACKAGES}{name}": each.path.read_bytes() for name, each in prepared.packages.items()}
    manifest = json.dumps(_manifest(context, review, contents), indent=2).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with open(partial, "wb", opener=_private) as file, zipfile.ZipFile(file, "w") as archive:
        for name, content in {MANIFEST: manifest, **contents}.items():
            archive.writestr(name, content)
    partial.replace(path)
    return Saved(path, hashlib.sha256(manifest).hexdigest())


def load(context: Context, path: Path) -> Prepared:
    """A saved plan, ready to be applied exactly as it is.

    Raises:
        InputError: there is no such file.
        StateError: it is no plan of `toolkit plan`, is of another environment, or something that it was
            made of has changed since.
    """
    where = context.project.relative(path.absolute())
    manifest, contents = _read(path, where)
    _check_subject(context, manifest, where)
    packages = _restore_packages(context, contents)
    counts = manifest["instance_counts"]
    written = files.render(context.project, context.environment, packages, counts)
    workspace = context.workspace(STACK)
    workspace.init()
    _check_inputs(context, manifest, inputs.parts(context, written.staged), where)
    # The very bytes, so that the release records what is applied.
    _variables(context).write_bytes(contents[VARIABLES])
    target = workspace.directory / "plan.tfplan"
    with open(target, "wb", opener=_private) as file:
        file.write(contents[PLAN])
    plan = Plan(
        path=target,
        has_changes=manifest["has_changes"],
        destroy=False,
        counts=Counts(**manifest["counts"]),
        changes=tuple(Change(**each) for each in manifest["changes"]),
        drift=(),
    )
    return Prepared(workspace, plan, manifest["action"], written.staged, packages, counts)


def _manifest(context: Context, review: Review, contents: Mapping[str, bytes]) -> dict[str, Any]:
    prepared = review.prepared
    lineage, serial = prepared.plan.state_version()
    return {
        "format": FORMAT,
        "subject": _subject(context),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "uncommitted": review.summary.subject.uncommitted,
        "action": prepared.action,
        "has_changes": prepared.plan.has_changes,
        "counts": asdict(prepared.plan.counts),
        "changes": [asdict(change) for change in prepared.plan.changes],
        "instance_counts": prepared.instance_counts,
        "rolls_out": _rolls_out(review),
        "state": {"lineage": lineage, "serial": serial},
        "inputs": inputs.parts(context, prepared.staged),
        "contents": {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()},
    }


def _subject(context: Context) -> dict[str, str]:
    """What a plan is for; another environment's, or one of a cloud that is gone, is foreign."""
    environment = context.environment
    return {
        "environment": environment.name,
        "account": environment.account_id,
        "region": environment.region,
        "prefix": environment.prefix,
        "state": f"s3://{environment.state_bucket}/{environment.state_key}",
        "embedded cloud": context.cloud_instance or "none",
    }


def _rolls_out(review: Review) -> bool:
    """Whether an endpoint gets a new configuration, whose instance counts were those of the time."""
    changes = review.summary.changes
    return any(each.type == "aws_sagemaker_endpoint_configuration" for each in changes)


def _read(path: Path, where: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    if not path.is_file():
        raise InputError("there is no such plan", where=where, remedy="`toolkit plan` makes one")
    packed = io.BytesIO(path.read_bytes())
    try:
        with zipfile.ZipFile(packed) as archive:
            manifest = dict(json.loads(archive.read(MANIFEST)))
            contents = {name: archive.read(name) for name in dict(manifest["contents"])}
    except _DAMAGED:
        raise StateError("this is no plan of `toolkit plan`", where=where, remedy=AGAIN) from None
    if manifest.get("format") != FORMAT:
        raise StateError("the plan is of another version of the toolkit", where=where, remedy=AGAIN)
    broken = [
        name
        for name, digest in manifest["contents"].items()
        if hashlib.sha256(contents[name]).hexdigest() != digest
    ]
    if broken:
        raise StateError(f"the plan was changed: {', '.join(broken)}", where=where, remedy=AGAIN)
    return manifest, contents


def _check_subject(context: Context, manifest: Mapping[str, Any], where: str) -> None:
    differing = inputs.changed(manifest["subject"], _subject(context))
    if differing:
        env = manifest["subject"].get("environment")
        other = f"of environment {env}" if env != context.environment.name else "of another place"
        raise StateError(f"the plan is {other}", where=where, details=differing, remedy=AGAIN)


def _check_inputs(context: Context, manifest: Mapping[str, Any], now: Mapping[str, str], where: str) -> None:
    stale = inputs.changed(manifest["inputs"], now)
    state, present = manifest["state"], stored(context)
    if present.serial != state["serial"] or (present.lineage and present.lineage != state["lineage"]):
        stale.append(f"state: serial {state['serial']} when it was planned, {present.serial} now")
    counts = fleet.instance_counts(context, settled(context, settle.names(context).values()))
    if manifest["rolls_out"] and counts != manifest["instance_counts"]:
        planned = json.dumps(manifest["instance_counts"])
        stale.append(f"instances that run: {planned} when it was planned, {json.dumps(counts)} now")
    if stale:
        raise StateError(
            "the plan is stale: what it was made of has changed", where=where, details=stale, remedy=AGAIN
        )


def _restore_packages(context: Context, contents: Mapping[str, bytes]) -> dict[str, Package]:
    """Put the plan's Lambda packages where it refers to; they are named by their content."""
    packages = {}
    for name, content in contents.items():
        if name.startswith(PACKAGES):
            path = context.project.lambda_build / name.removeprefix(PACKAGES)
            if not path.is_file() or path.read_bytes() != content:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            packages[path.name] = Package(path, hashlib.sha256(content).hexdigest())
    return packages


def _variables(context: Context) -> Path:
    return context.project.environment_build(context.environment.name) / f"{STACK}.tfvars"


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
