"""Policies and CI roles of an account, as variables of `stacks/account`."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Sequence

from toolkit.environment import Environment
from toolkit.iam import Document
from toolkit.iam.template_variables import Arns, agent_role


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
        }
        | {
            agent_role(environment): _agent_role(environment, names)
            for environment in environments
            if environment.account.agents is not None
        },
        "existing_providers": sorted(
            {host for environment in environments for host in environment.account.ci.existing_providers}
        ),
    }


def _role(environment: Environment, name: str, policies: Collection[str]) -> dict[str, object]:
    pipeline = environment.account.ci.roles[name]
    return {
        "issuer": pipeline.issuer.host,
        "audience": pipeline.issuer.audience,
        "subjects": pipeline.issuer.subjects,
        "policies": _with_parts(environment, pipeline.policies, policies),
    }


def _agent_role(environment: Environment, policies: Collection[str]) -> dict[str, object]:
    agents = environment.account.agents
    account = Arns(environment.region, environment.account_id).iam("root")
    return {
        "principals": list(agents.principals if agents else ()) or [account],
        "policies": _with_parts(environment, ["viewer"], policies),
    }


def _with_parts(environment: Environment, selected: Iterable[str], policies: Collection[str]) -> list[str]:
    """IAM names of policies, including the further parts of those that exceed the size limit."""
    chosen = {f"{environment.prefix}-{policy}" for policy in selected}
    return [name for name in sorted(policies) if re.sub(r"-\d+$", "", name) in chosen]
