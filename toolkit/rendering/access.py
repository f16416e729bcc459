"""Who may act for the environments of an account, as `stacks/account` takes it."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Sequence

from toolkit.environment import Environment
from toolkit.iam import Document


def account_access(environments: Sequence[Environment], documents: Iterable[Document]) -> dict[str, object]:
    """The deployers' policies and the roles for pipelines.

    Args:
        environments: all that share the account stack.
        documents: their policies.
    """
    documents = list(documents)
    names = {each.policy_name for each in documents}
    return {
        "policies": {
            each.policy_name: {"description": each.description, "document": json.dumps(each.content)}
            for each in documents
        },
        "ci_roles": {
            f"{environment.prefix}-ci-{name}": _role(environment, name, names)
            for environment in environments
            for name in environment.account.ci.roles
        },
        "existing_providers": sorted(
            {host for environment in environments for host in environment.account.ci.existing_providers}
        ),
    }


def _role(environment: Environment, name: str, policies: Collection[str]) -> dict[str, object]:
    pipeline = environment.account.ci.roles[name]
    wanted = [f"{environment.prefix}-{policy}" for policy in pipeline.policies]
    return {
        "issuer": pipeline.issuer.host,
        "audience": pipeline.issuer.audience,
        "subjects": pipeline.issuer.subjects,
        # With the further parts of those that are too large for one.
        "policies": [name for name in sorted(policies) if re.sub(r"-\d+$", "", name) in wanted],
    }
