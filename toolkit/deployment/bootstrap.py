"""The account stack: what an administrator applies once, and a laptop applies by itself."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from toolkit import iam, rendering
from toolkit.aws import state_bucket
from toolkit.deployment.context import Context
from toolkit.deployment.cutoff import accountadoption
from toolkit.deployment.locks import locking
from toolkit.environment import neighbours
from toolkit.errors import PreflightError
from toolkit.terraform import Plan, Workspace


def plan(context: Context) -> Plan:
    """Make the state bucket if it is missing, and plan the account stack."""
    _ensure_state_bucket(context)
    workspace = _workspace(context)
    planned = workspace.plan()
    left = accountadoption.find(context, planned)
    if not left:
        return planned
    for known in left.values():
        for each in known:
            context.console.line(f"adopting {each['id']}: an apply that was cut off made it")
    return workspace.plan(var_files=[accountadoption.write(left, workspace.directory)])


def apply(context: Context, plan: Plan) -> None:
    """Apply a planned account stack."""
    if plan.has_changes:
        context.workspace("account").apply(plan)


def ensure(context: Context) -> None:
    """See that the account is ready for the inference stack.

    The embedded cloud's account is bootstrapped on the way, once for each of its lives and for each
    change of the stack; on AWS, and for users of the embedded cloud with rights of their own, that is an
    administrator's to do.

    Raises:
        PreflightError: the account on AWS was not bootstrapped.
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
    mark = _render(context) / "account.applied"
    fingerprint = _fingerprint(context)
    if mark.is_file() and mark.read_text() == fingerprint:
        return
    # Other environments' commands of this checkout may be about to do the same.
    with locking.account(context):
        if _ensure_state_bucket(context):
            # Nothing can be there that its state would have to know, and nobody is asked: one start of
            # Terraform and of its provider less.
            _workspace(context).apply_unseen()
        else:
            apply(context, plan(context))
    mark.write_text(fingerprint)


def _ensure_state_bucket(context: Context) -> bool:
    """Make the state bucket if it is missing; returns whether it was."""
    bucket = context.environment.state_bucket
    made = state_bucket.ensure(context.access, bucket)
    if made:
        context.console.line(f"created the state bucket {bucket}")
    return made


def _workspace(context: Context) -> Workspace:
    """The account stack with its variables, initialised."""
    _render(context)
    workspace = context.workspace("account")
    workspace.init()
    return workspace


def _render(context: Context) -> Path:
    """Write what the account stack is given; returns where."""
    directory = context.project.environment_build(context.environment.name)
    others = neighbours(context.project, context.environment)
    documents = iam.documents(context.project, [context.environment, *others])
    rendering.render_account(context.environment, directory, others, documents)
    return directory


def _fingerprint(context: Context) -> str:
    """Digest of all that the account stack is made from, and of the embedded cloud's present life."""
    project = context.project
    directory = project.environment_build(context.environment.name)
    sources = [directory / "account.tfvars", directory / "account.tfbackend"]
    sources += sorted(project.stack("account").glob("*.tf"))
    sources += sorted((project.root / "terraform" / "modules").rglob("*.tf"))
    contents = {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in sources}
    return hashlib.sha256(json.dumps([context.cloud_instance, contents]).encode()).hexdigest()
