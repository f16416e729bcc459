"""Taking back into the account stack's state what an apply made that was cut off."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from toolkit.aws import state_bucket
from toolkit.deployment.context import Context
from toolkit.deployment.cutoff.leftovers import unless_missing
from toolkit.terraform import Plan

_ADDRESS = re.compile(r'module\.(?P<module>\w+)\.(?P<type>\w+)\.this\["?(?P<key>[^"\]]+)"?\]$')

Found = dict[str, list[dict[str, str]]]


def find(context: Context, plan: Plan) -> Found:
    """What of all that a plan would make is there already, under the stack's names and tags.

    The bucket needs no tags: its name holds the account, and it is asked whose it is.
    """
    found: Found = {}
    for change in plan.changes:
        match = _ADDRESS.match(change.address)
        if match is None or change.action != "create":
            continue
        kind, known = _look(context, match["module"], match["type"], match["key"])
        if known is not None:
            found.setdefault(kind, []).append({"id": known, "key": match["key"]})
    return found


def write(found: Found, directory: Path) -> Path:
    """The variable that hands them to the stack's `import` blocks; returns the file."""
    path = directory / "adopt.tfvars.json"
    path.write_text(json.dumps({"adopt": found}, indent=2), encoding="utf-8")
    return path


def _look(context: Context, module: str, kind: str, key: str) -> tuple[str, str | None]:
    """Which `import` block takes a resource of the stack, and its id if it is there and ours."""
    environment, access = context.environment, context.access
    prefix = f"arn:{access.partition}:iam::{environment.account_id}"
    store = environment.model_store_bucket
    looks: dict[tuple[str, str], tuple[str, Callable[[], str | None]]] = {
        ("execution_role", "aws_iam_role"): (
            module,
            lambda: _role(context, environment.account.execution_role.name or ""),
        ),
        ("api_logging", "aws_iam_role"): (
            module,
            lambda: _role(context, f"{environment.project}-{environment.region}-api-logs"),
        ),
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
    block, look = looks.get((module, kind), ("", lambda: None))
    return block, look()


def _role(context: Context, name: str) -> str | None:
    found = unless_missing(lambda: context.access.iam.list_role_tags(RoleName=name)["Tags"])
    return name if found is not None and _is_ours(context, found) else None


def _policy(context: Context, arn: str) -> str | None:
    found = unless_missing(lambda: context.access.iam.list_policy_tags(PolicyArn=arn)["Tags"])
    return arn if found is not None and _is_ours(context, found) else None


def _provider(context: Context, arn: str) -> str | None:
    ask = context.access.iam.get_open_id_connect_provider
    found = unless_missing(lambda: ask(OpenIDConnectProviderArn=arn).get("Tags", []))
    return arn if found is not None and _is_ours(context, found) else None


def _is_ours(context: Context, tags: Any) -> bool:
    known: Mapping[str, str] = {tag["Key"]: tag["Value"] for tag in tags}
    stack = {"managed-by": "terraform", "stack": "account", "project": context.environment.project}
    return stack.items() <= known.items()
