"""The account stack: applied once by an administrator, and automatically in the embedded cloud."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from toolkit.aws import state_bucket
from toolkit.deployment import artifacts, locks
from toolkit.deployment.context import Context
from toolkit.deployment.recovery import imports, unstored_state
from toolkit.errors import PreflightError
from toolkit.files import write_atomic
from toolkit.terraform import Plan, Workspace


def plan(context: Context) -> Plan:
    """Create the state bucket if it is missing, and plan the account stack with its rendered variables."""
    _ensure_state_bucket(context)
    unstored_state.require_stored(context, "account")
    workspace = _workspace(context)
    planned = workspace.plan()
    resources = imports.find(context, planned, "account")
    if not resources:
        return planned
    for line in imports.describe(resources):
        context.console.line(line)
    return workspace.plan(var_files=[imports.write(resources, workspace.directory)])


def apply(context: Context, plan: Plan) -> None:
    """Apply a planned account stack."""
    if plan.has_changes:
        context.workspace("account").apply(plan)


def ensure(context: Context) -> None:
    """Make sure that the account is ready for the inference stack.

    The embedded cloud's account is bootstrapped automatically, once per run of the cloud and per change of
    the stack. On AWS, and for IAM users of the embedded cloud, that is an administrator's task.

    Raises:
        PreflightError: the account on AWS is not bootstrapped.
    """
    environment = context.environment
    if context.cloud_instance is None or not context.access.is_local_root:
        if not state_bucket.exists(context.access, environment.state_bucket):
            raise PreflightError(
                f"account {environment.account_id} has no state bucket {environment.state_bucket}",
                where=str(environment.file),
                remedy=f"an administrator of the account runs `make bootstrap ENV={environment.name}` once",
            )
        return
    marker = context.build / "account.applied"
    fingerprint = _fingerprint(context, artifacts.write_account(context))
    if marker.is_file() and marker.read_bytes() == fingerprint.encode():
        return
    # Commands on other environments of this checkout may bootstrap it at the same time.
    with locks.account(context):
        if _ensure_state_bucket(context):
            # The account is empty, so the plan needs no review; this saves one start of the provider.
            _workspace(context).apply_unseen()
        else:
            apply(context, plan(context))
    write_atomic(marker, fingerprint)


def _ensure_state_bucket(context: Context) -> bool:
    """Create the state bucket if it is missing; returns whether it was."""
    bucket = context.environment.state_bucket
    created = state_bucket.ensure(context.access, bucket)
    if created:
        context.console.line(f"created the state bucket {bucket}")
    return created


def _workspace(context: Context) -> Workspace:
    """The account stack, initialized."""
    workspace = context.workspace("account")
    workspace.init()
    return workspace


def _fingerprint(context: Context, variables: Path) -> str:
    """Digest of the account stack's sources and of the embedded cloud's present run."""
    project = context.project
    sources = [variables, *sorted(project.stack("account").glob("*.tf"))]
    sources += sorted((project.terraform / "modules").rglob("*.tf"))
    contents = {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in sources}
    return hashlib.sha256(json.dumps([context.cloud_instance, contents]).encode()).hexdigest()
