"""The account stack: applied once by an administrator, and automatically in the embedded cloud."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from toolkit.aws import state_bucket
from toolkit.deployment import artifacts, locks
from toolkit.deployment.context import Context
from toolkit.deployment.recovery.orphans import unless_missing
from toolkit.errors import PreflightError
from toolkit.terraform import Plan, Workspace

_ADDRESS = re.compile(r'module\.(?P<module>\w+)\.(?P<type>\w+)\.this\["?(?P<key>[^"\]]+)"?\]$')


def plan(context: Context) -> Plan:
    """Create the state bucket if it is missing, and plan the account stack."""
    _ensure_state_bucket(context)
    workspace = _workspace(context)
    planned = workspace.plan()
    imports = find_imports(context, planned)
    if not imports:
        return planned
    for resources in imports.values():
        for resource in resources:
            context.console.line(f"importing {resource['id']}: an interrupted apply created it")
    path = workspace.directory / "imports.tfvars.json"
    path.write_text(json.dumps({"imports": imports}, indent=2), encoding="utf-8")
    return workspace.plan(var_files=[path])


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
    artifacts.render_account(context)
    marker = context.build / "account.applied"
    fingerprint = _fingerprint(context)
    if marker.is_file() and marker.read_text() == fingerprint:
        return
    # Commands on other environments of this checkout may bootstrap it at the same time.
    with locks.account(context):
        if _ensure_state_bucket(context):
            # The account is empty, so the plan needs no review; this saves one start of the provider.
            _workspace(context).apply_unseen()
        else:
            apply(context, plan(context))
    marker.write_text(fingerprint)


def find_imports(context: Context, plan: Plan) -> dict[str, list[dict[str, str]]]:
    """Resources that a plan would create and that exist under the stack's names and tags, by `import` block.

    The model store needs no tags: its name contains the account, and S3 confirms its owner.
    """
    imports: dict[str, list[dict[str, str]]] = {}
    for change in plan.changes:
        match = _ADDRESS.match(change.address)
        if match is None or change.action != "create":
            continue
        block, resource_id = _look_up(context, match["module"], match["type"], match["key"])
        if resource_id is not None:
            imports.setdefault(block, []).append({"id": resource_id, "key": match["key"]})
    return imports


def _look_up(context: Context, module: str, kind: str, key: str) -> tuple[str, str | None]:
    """The `import` block of a resource, and its ID if it exists and is ours."""
    environment, access = context.environment, context.access
    prefix = f"arn:{access.partition}:iam::{environment.account_id}"
    role_name = environment.account.execution_role.name or ""
    logging_role = f"{environment.project}-{environment.region}-api-logs"
    store = environment.model_store_bucket
    lookups: dict[tuple[str, str], tuple[str, Callable[[], str | None]]] = {
        ("execution_role", "aws_iam_role"): (module, lambda: _role(context, role_name)),
        ("api_logging", "aws_iam_role"): (module, lambda: _role(context, logging_role)),
        ("ci_roles", "aws_iam_role"): (module, lambda: _role(context, key)),
        ("ci_roles", "aws_iam_openid_connect_provider"): (
            "ci_providers",
            lambda: _provider(context, f"{prefix}:oidc-provider/{key}"),
        ),
        ("deployer_policies", "aws_iam_policy"): (
            module,
            lambda: _policy(context, f"{prefix}:policy/{key}"),
        ),
        ("model_store", "aws_s3_bucket"): (
            module,
            lambda: store if state_bucket.exists(access, store) else None,
        ),
    }
    block, look_up = lookups.get((module, kind), ("", lambda: None))
    return block, look_up()


def _role(context: Context, name: str) -> str | None:
    tags = unless_missing(lambda: context.access.iam.list_role_tags(RoleName=name)["Tags"])
    return name if tags is not None and _is_ours(context, tags) else None


def _policy(context: Context, arn: str) -> str | None:
    tags = unless_missing(lambda: context.access.iam.list_policy_tags(PolicyArn=arn)["Tags"])
    return arn if tags is not None and _is_ours(context, tags) else None


def _provider(context: Context, arn: str) -> str | None:
    get_provider = context.access.iam.get_open_id_connect_provider
    tags = unless_missing(lambda: get_provider(OpenIDConnectProviderArn=arn).get("Tags", []))
    return arn if tags is not None and _is_ours(context, tags) else None


def _is_ours(context: Context, tags: Any) -> bool:
    by_key: Mapping[str, str] = {tag["Key"]: tag["Value"] for tag in tags}
    expected = {"managed-by": "terraform", "stack": "account", "project": context.environment.project}
    return expected.items() <= by_key.items()


def _ensure_state_bucket(context: Context) -> bool:
    """Create the state bucket if it is missing; returns whether it was."""
    bucket = context.environment.state_bucket
    created = state_bucket.ensure(context.access, bucket)
    if created:
        context.console.line(f"created the state bucket {bucket}")
    return created


def _workspace(context: Context) -> Workspace:
    """The account stack with its variables, initialized."""
    artifacts.render_account(context)
    workspace = context.workspace("account")
    workspace.init()
    return workspace


def _fingerprint(context: Context) -> str:
    """Digest of the account stack's sources and of the embedded cloud's present run."""
    project = context.project
    sources = [context.build / "account.tfvars", context.build / "account.tfbackend"]
    sources += sorted(project.stack("account").glob("*.tf"))
    sources += sorted((project.root / "terraform" / "modules").rglob("*.tf"))
    contents = {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in sources}
    return hashlib.sha256(json.dumps([context.cloud_instance, contents]).encode()).hexdigest()
