"""A successful apply becomes a release."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from toolkit import rendering
from toolkit.deployment.context import Context
from toolkit.deployment.outputs import Outputs
from toolkit.packaging import Package
from toolkit.release import Release, Releases

# What variables meet when they are applied.
_CODE = ("terraform/stacks", "terraform/modules")


def releases_of(context: Context) -> Releases:
    """The environment's releases."""
    return Releases(context.access, context.environment.state_bucket, context.environment.name)


def record(  # noqa: PLR0913 - a release is many things, each named by the caller
    context: Context,
    outputs: Outputs,
    *,
    action: str,
    changed: bool,
    plan_digest: str,
    packages: Mapping[str, Package],
    smoke_test: str | None,
) -> Release | None:
    """Record what was applied; None if that is the last release.

    An apply that finds nothing to change becomes one, too, if what is there is not recorded: the apply before
    it was cut off in between, or `sync` has brought it.

    Args:
        context: the environment.
        outputs: what serves now.
        action: "apply", "rollback to 3", "pause", "resume".
        changed: whether the apply changed anything.
        plan_digest: SHA-256 of the plan file.
        packages: the Lambda packages, by file name.
        smoke_test: "passed", or None if it was not run.
    """
    releases = releases_of(context)
    file = context.project.environment_build(context.environment.name) / "inference.tfvars"
    variables = file.read_text(encoding="utf-8")
    digests = {name: package.sha256 for name, package in packages.items()}
    latest = None if changed else releases.latest()
    if latest is not None and (latest.packages, content(latest.variables)) == (digests, content(variables)):
        return None
    commit, uncommitted = checkout_commit(context.project.root)
    release = Release(
        number=0,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        created_by=context.access.sts.get_caller_identity()["Arn"],
        action=action,
        commit=commit,
        uncommitted=uncommitted,
        plan_digest=plan_digest,
        variables=variables,
        packages=digests,
        endpoints={model.endpoint_name: model.endpoint_config_name for model in outputs.models.values()},
        smoke_test=smoke_test,
    )
    recorded = releases.record(release, {name: package.path for name, package in packages.items()})
    context.console.line(f"recorded as release {recorded.number}")
    return recorded


def content(variables: str) -> str:
    """What makes a release's variables other ones: not how many instances ran on its day."""
    return rendering.with_instance_counts(variables, {})


def checkout_commit(root: Path) -> tuple[str | None, bool]:
    """The checkout's commit, and whether there are changes that it does not hold."""
    head = _git(root, "rev-parse", "--verify", "HEAD")
    changes = _git(root, "status", "--porcelain")
    return head, bool(changes)


def code_differs(root: Path, commit: str | None) -> bool:
    """Whether the checkout's Terraform code is not a commit's; False where that cannot be told."""
    if commit is None:
        return False
    compared = _run_git(root, "diff", "--quiet", commit, "--", *_CODE)
    # Other exit codes: the commit is not here.
    return compared is not None and compared.returncode == 1


def _git(root: Path, *arguments: str) -> str | None:
    result = _run_git(root, *arguments)
    return result.stdout.strip() if result is not None and result.returncode == 0 else None


def _run_git(root: Path, *arguments: str) -> subprocess.CompletedProcess[str] | None:
    try:
        return subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:  # no git here: an archive was unpacked
        return None
