"""A saved plan: one file with everything an apply needs, and fingerprints of its inputs.

It is a zip file. `manifest.json` holds the environment that the plan is for, the state version it starts from
and the fingerprints; next to it are Terraform's plan, the variables and the Lambda packages. So another
machine can apply it. Terraform's plan may contain sensitive values: only the owner may read the file, and a
pipeline should keep it among its protected artifacts.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from toolkit.deployment import artifacts, releases
from toolkit.deployment.context import Context
from toolkit.deployment.plans.manifest import (
    FORMAT,
    MANIFEST,
    PACKAGES,
    PLAN,
    VARIABLES,
    Manifest,
    StateVersion,
    read,
)
from toolkit.deployment.plans.review import Review
from toolkit.deployment.prepare import STACK, Prepared, endpoint_addresses
from toolkit.deployment.rollout import waiters
from toolkit.errors import PLAN_AGAIN, StalePlanError, StateError
from toolkit.files import write_atomic
from toolkit.packaging import FUNCTIONS, Package, package_file
from toolkit.rendering import RuntimeVariables
from toolkit.staging import StagedModel
from toolkit.terraform import Plan


def default_path(context: Context) -> Path:
    """The file in which `toolkit plan` saves an environment's plan."""
    return context.build / "plan"


def save(context: Context, review: Review, path: Path) -> str:
    """Save a plan; returns the SHA-256 of its manifest, which has digests of everything else; hexadecimal."""
    prepared = review.prepared
    contents = {PLAN: prepared.plan.path.read_bytes(), VARIABLES: _variables(context).read_bytes()}
    contents |= {
        f"{PACKAGES}{name}": package.path.read_bytes() for name, package in prepared.packages.items()
    }
    manifest = _manifest(context, review, contents).model_dump_json(indent=2).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in {MANIFEST: manifest, **contents}.items():
            archive.writestr(name, content)
    write_atomic(path, packed.getvalue(), mode=0o600)
    return hashlib.sha256(manifest).hexdigest()


def load(context: Context, path: Path) -> Prepared:
    """Load a saved plan to apply it exactly.

    Raises:
        InputError: there is no such file, or `toolkit plan` did not create it.
        StateError: it is for another environment, or of another version of the toolkit.
        StalePlanError: its inputs have changed.
    """
    location = context.project.relative(path.absolute())
    manifest, contents = read(path, location)
    _check_subject(context, manifest, location)
    digests = {function: manifest.package_digest(function) for function in FUNCTIONS}
    built = [Package(package_file(context.project.lambda_build, *item), item[1]) for item in digests.items()]
    packages = {package.path.name: package for package in built}
    rendered = artifacts.render(context, packages)
    workspace = context.workspace(STACK)
    workspace.init()
    failed = _check_current(context, manifest, compute_fingerprints(context, rendered.staged), location)
    for name, package in packages.items():
        write_atomic(package.path, contents[PACKAGES + name])
    # The saved bytes, so that the release records what is applied.
    write_atomic(_variables(context), contents[VARIABLES])
    target = workspace.directory / "plan.tfplan"
    write_atomic(target, contents[PLAN], mode=0o600)
    plan = Plan(
        path=target,
        has_changes=manifest.has_changes,
        destroy=False,
        counts=manifest.counts,
        changes=tuple(manifest.changes),
        drift=(),
    )
    return Prepared(
        workspace,
        plan,
        manifest.action,
        rendered.staged,
        packages,
        RuntimeVariables(manifest.instance_counts),
        endpoint_addresses(failed),
    )


def _manifest(context: Context, review: Review, contents: Mapping[str, bytes]) -> Manifest:
    prepared = review.prepared
    lineage, serial = prepared.plan.state_version()
    return Manifest(
        format=FORMAT,
        subject=subject(context),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        uncommitted=review.summary.subject.uncommitted,
        action=prepared.action,
        has_changes=prepared.plan.has_changes,
        counts=prepared.plan.counts,
        changes=list(prepared.plan.changes),
        instance_counts={model: dict(counts) for model, counts in prepared.runtime.instance_counts.items()},
        rolls_out=_rolls_out(review),
        state=StateVersion(lineage=lineage, serial=serial),
        inputs=compute_fingerprints(context, prepared.staged),
        contents={name: hashlib.sha256(content).hexdigest() for name, content in contents.items()},
    )


def subject(context: Context) -> dict[str, str]:
    """The environment that a plan is for, and which run of the embedded cloud."""
    environment = context.environment
    return {
        "environment": environment.name,
        "account": environment.account_id,
        "region": environment.region,
        "prefix": environment.prefix,
        "state": context.state_uri,
        "embedded cloud": context.cloud_instance or "none",
    }


def _rolls_out(review: Review) -> bool:
    """Whether an endpoint gets a new configuration, which contains the instance counts of the plan."""
    changes = review.summary.changes
    return any(change.type == "aws_sagemaker_endpoint_configuration" for change in changes)


def _check_subject(context: Context, manifest: Manifest, location: str) -> None:
    differing = changed_fingerprints(manifest.subject, subject(context))
    if differing:
        env = manifest.subject.get("environment")
        other = (
            f"environment {env}"
            if env != context.environment.name
            else "a different account, region or state"
        )
        raise StateError(
            f"the plan was created for {other}", where=location, details=differing, remedy=PLAN_AGAIN
        )


def _check_current(context: Context, manifest: Manifest, now: Mapping[str, str], location: str) -> list[str]:
    """Check that nothing has changed since the plan; returns the models whose endpoints are Failed."""
    stale = changed_fingerprints(manifest.inputs, now)
    stale += context.state_changes(manifest.state.lineage, manifest.state.serial)
    descriptions = waiters.wait_until_stable(context, waiters.endpoint_names(context).values())
    counts = waiters.instance_counts(context, descriptions)
    if manifest.rolls_out and counts != manifest.instance_counts:
        planned = json.dumps(manifest.instance_counts)
        stale.append(f"instances: {planned} when planned, {json.dumps(counts)} now")
    if stale:
        raise StalePlanError(where=location, details=stale)
    return waiters.failed_models(context, descriptions)


def _variables(context: Context) -> Path:
    return context.build / f"{STACK}.tfvars"


def compute_fingerprints(context: Context, staged: Mapping[str, StagedModel]) -> dict[str, str]:
    """Versions, and SHA-256 of files, that a plan is created from, by name.

    Args:
        context: the environment; its variables are rendered and its stack is initialized.
        staged: the weights that the variables refer to.
    """
    project, environment = context.project, context.environment
    stack = project.stack("inference")
    commit, _ = releases.checkout_commit(project.root)
    return {
        "environment file": _digest([project.environment_file(environment.name)], project.root),
        "variables": _digest([_variables(context)], project.root),
        "Terraform code": _digest(_terraform_files(stack, project.terraform / "modules"), project.terraform),
        "provider lock": _digest([stack / ".terraform.lock.hcl"], project.terraform),
        "Lambda code": _digest(_source_files(project.code / "lambda_src"), project.code),
        "model weights": json.dumps({name: model.uri for name, model in sorted(staged.items())}),
        "commit": commit or "none",
        "toolkit": version("sagemaker-llm-toolkit"),
        "Terraform": f"{context.program.product} {context.program.version}",
    }


def changed_fingerprints(planned: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """A line for each fingerprint that differs."""
    return [
        f"{name}: {_difference(planned.get(name), now.get(name))}"
        for name in dict.fromkeys([*planned, *now])
        if planned.get(name) != now.get(name)
    ]


def _difference(planned: str | None, now: str | None) -> str:
    if planned is None or now is None or len(planned) == len(now) == hashlib.sha256().digest_size * 2:
        return "changed"
    return f"{planned} when planned, {now} now"


def _terraform_files(stack: Path, modules: Path) -> list[Path]:
    files = [path for folder in (stack, modules) for path in folder.rglob("*") if path.is_file()]
    return [path for path in files if path.suffix in (".tf", ".tftpl", ".json", ".yaml", ".py")]


def _source_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]


def _digest(files: Iterable[Path], root: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(files):
        content = path.read_bytes() if path.is_file() else b""
        name = path.relative_to(root).as_posix()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()
