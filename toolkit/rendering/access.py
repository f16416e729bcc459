"""Policies and CI roles of an account, as variables of `stacks/account`."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Sequence

from toolkit.environment import Environment
from toolkit.iam import Document


def account_access(environments: Sequence[Environment], documents: Iterable[Document]) -> dict[str, object]:
    """The policies of deployers and the roles for CI jobs.

    Args:
        environments: all that share the account stack.
        documents: their policies.
    """
    documents = list(documents)
    names = {document.policy_name for document in documents}
    return {
        "policies": {
            document.policy_name: {
                "description": document.description,
                "document": json.dumps(document.content),
            }
            for document in documents
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
    selected = [f"{environment.prefix}-{policy}" for policy in pipeline.policies]
    return {
        "issuer": pipeline.issuer.host,
        "audience": pipeline.issuer.audience,
        "subjects": pipeline.issuer.subjects,
        # Including the further parts of policies that exceed the size limit.
        "policies": [name for name in sorted(policies) if re.sub(r"-\d+$", "", name) in selected],
    }
