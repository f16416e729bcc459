"""Who may act for the environments of an account, as `stacks/account` takes it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from toolkit.environment import Environment
from toolkit.permissions import Document


def account_access(environments: Sequence[Environment], documents: Iterable[Document]) -> dict[str, object]:
    """The deployers' policies and the roles for pipelines.

    Args:
        environments: all that share the account stack.
        documents: their policies.
    """
    return {
        "policies": {
            each.policy_name: {"description": each.description, "document": json.dumps(each.content)}
            for each in documents
        },
        "ci_roles": {
            f"{environment.prefix}-ci-{name}": _role(environment, name)
            for environment in environments
            for name in environment.account.ci.roles
        },
        "existing_providers": sorted(
            {host for environment in environments for host in environment.account.ci.existing_providers}
        ),
    }


def _role(environment: Environment, name: str) -> dict[str, object]:
    pipeline = environment.account.ci.roles[name]
    return {
        "issuer": pipeline.issuer.host,
        "audience": pipeline.issuer.audience,
        "subjects": pipeline.issuer.subjects,
        "policies": [f"{environment.prefix}-{policy}" for policy in pipeline.policies],
    }
