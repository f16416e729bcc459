"""Store a state that Terraform could not write, in the state bucket that it belongs to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from toolkit import documents
from toolkit.aws import state_bucket, state_lock
from toolkit.deployment import locks
from toolkit.deployment.context import Context
from toolkit.deployment.recovery.orphans import Stack, ownership_tags
from toolkit.errors import InputError, StateError, TerraformError
from toolkit.files import require_file
from toolkit.terraform import state_file, unstored_state
from toolkit.terraform.state_file import Document


def require_stored(context: Context, stack: Stack = "inference") -> None:
    """Return unless the stored state lacks what an earlier command did and could not store.

    Raises:
        StateError: a file in the build folder continues the stored state, or is the first one.
    """
    workspace = context.workspace(stack)
    files = unstored_state.find(workspace.directory)
    if not files:
        return
    stored = _stored(context, stack)
    # An embedded cloud without a state is a new one: the resources are lost, too.
    is_first = stored is None and not context.environment.is_local
    for path in reversed(files):
        state = _read(path, context, "delete it; the next plan imports what the stored state lacks")
        if is_first or (stored is not None and _refusal(state, stored) is None):
            raise StateError(
                "the state bucket lacks the state of an earlier command, which could not store it",
                where=context.project.relative(path),
                remedy=f"store it: {workspace.push} {context.project.relative(path)}; "
                "or delete the file, to import what it contains instead",
            )


def push(context: Context, stack: Stack, path: Path) -> None:
    """Store the state in a file, and delete the file; the environment must be locked.

    The file stays if it replaces a damaged state.

    Raises:
        InputError: the file is not a state, or is that of another environment or stack, or has no resources
            and would replace a damaged state.
        StateError: its lineage or serial does not fit the stored state.
        TerraformError: the state cannot be written.
    """
    location = context.project.relative(path.absolute())
    require_file(path, "push the state", location)
    state = _read(path, context, "name a file that an apply kept, or an earlier version of the stored state")
    expected, resources = ownership_tags(context, stack), list(_tags(state))
    for tags in resources:
        if not expected.items() <= tags.items():
            owner = ", ".join(f"{name} {tags[name]}" for name in expected if name in tags)
            raise InputError(
                "cannot push the state: it belongs to another environment or stack",
                where=location,
                details=[f"its resources are tagged: {owner}"],
                remedy="select its owner with --env and --stack",
            )
    try:
        stored = _stored(context, stack)
    except TerraformError:
        if not resources:
            raise InputError(
                "cannot replace the damaged state: the file has no resources of this stack",
                where=location,
                remedy="push an earlier version of the stored state (docs/how-to/restore.md)",
            ) from None
        _replace(context, stack, path)
        return
    refusal = _refusal(state, stored) if stored is not None else None
    if refusal is not None:
        raise StateError(
            f"cannot push the state: {refusal}",
            where=location,
            remedy="keep the stored state and plan again: the plan imports resources that are missing in it",
        )
    workspace = context.workspace(stack)
    workspace.init()
    workspace.push_state(path)
    path.unlink()


def _read(path: Path, context: Context, remedy: str) -> Document:
    location = context.project.relative(path.absolute())
    error = InputError("cannot read the file: it is not a Terraform state", where=location, remedy=remedy)
    return documents.read(documents.load(path), Document, error)


def _replace(context: Context, stack: Stack, path: Path) -> None:
    """Replace a damaged state, which Terraform refuses to do.

    Raises:
        StateError: it is locked, or not damaged any longer.
    """
    bucket, key = locks.location(context, stack)
    timeout = context.lock_timeout_seconds
    with state_lock.held(context.access, bucket, key, "state push", context.console, timeout):
        # While this run waited for the lock, another one may have restored it, and applied.
        try:
            _stored(context, stack)
        except TerraformError:
            state_bucket.write(context.access, bucket, key, path.read_bytes())
        else:
            raise StateError(
                "cannot push the state: another run has restored it",
                where=f"s3://{bucket}/{key}",
                remedy="plan again, with the stored state",
            )
    context.console.warning(f"replaced the damaged state s3://{bucket}/{key}; the bucket keeps its versions")


def _stored(context: Context, stack: Stack) -> Document | None:
    bucket, key = locks.location(context, stack)
    content = state_bucket.read(context.access, bucket, key)
    return None if content is None else state_file.document(content, f"s3://{bucket}/{key}")


def _refusal(state: Document, stored: Document) -> str | None:
    """Why a state does not continue the stored one; Terraform accepts any over an empty one."""
    if state["lineage"] != stored["lineage"]:
        return f"its lineage {state['lineage']} is not that of the stored state, {stored['lineage']}"
    if state["serial"] <= stored["serial"]:
        return f"its serial {state['serial']} is not newer than that of the stored state, {stored['serial']}"
    return None


def _tags(state: Document) -> Iterator[dict[str, str]]:
    """Tags of the resources that a stack's default tags mark as its own."""
    for resource in state["resources"]:
        for instance in resource["instances"]:
            attributes = instance.get("attributes")
            tags = (attributes and attributes.get("tags_all")) or {}
            if resource["mode"] == "managed" and "managed-by" in tags:
                yield tags
