"""The steps of the pipeline files, run as pipelines would: what each changes, reports and refuses."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support import apiclients, github
from tests.support.deployers import complete
from tests.support.github import PULL_REQUEST, GitHubServer
from tests.support.lab import Lab, opened
from tests.support.pipelines import FILES, Job, Runner

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

MAIN, CHANGE = "refs/heads/main", f"refs/pull/{PULL_REQUEST}/merge"
GROUP = "/aws/lambda/llm-local-gateway"
ROLES = """\
  ci:
    roles:
      plan: {github: {repository: o/r, branches: [main], pull_requests: true}, policies: [planner]}
      deploy: {github: {repository: o/r, environments: [local]}, policies: [sagemaker-deployer]}
      operate: {github: {repository: o/r, branches: [main]}, policies: [viewer, operator]}
      reap: {github: {repository: o/r, branches: [main]}, policies: [sagemaker-deployer]}
"""


@dataclass
class Story:
    """A repository whose pipelines ran: deployed, changed, broken, and changed by hand.

    Attributes:
        first: Atlantis' first deployment.
        forbidden: the plan of a pull request that a policy forbids, and the comment on it.
        corrected: the plan of the corrected pull request, and the comments on it.
        merged: GitHub's plan and apply after the merge.
        stale: an apply of a plan after the resources have changed.
        planned: GitLab's plan of a change that breaks the model.
        broken: GitLab's apply of that change.
        drifted: GitHub's and Jenkins' job for drift, and the issue.
        restored: GitHub's job without drift.
        releases: the releases, newest first.
        scheduled: jobs of schedules that have nothing to do, by what they say.
        paused: GitHub's job that pauses, and the endpoints afterwards.
    """

    first: Job
    forbidden: tuple[Job, str]
    corrected: tuple[Job, list[str]]
    merged: dict[str, Job]
    stale: Job
    planned: Job
    broken: Job
    drifted: tuple[Job, Job, dict[str, Any]]
    restored: Job
    releases: list[dict[str, Any]]
    scheduled: dict[str, Job]
    paused: tuple[Job, list[str]]
    server: GitHubServer


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    with opened(tmp_path_factory.mktemp("pipelines")) as lab, github.serving() as server:
        lab.engine.behaviour = complete
        repository = lab.toolkit.project
        shutil.copytree(FILES / "github" / ".github", repository / ".github", dirs_exist_ok=True)
        subprocess.run(["git", "init", "--quiet"], cwd=repository, check=True)
        yield run(lab, Runner(repository, tmp_path_factory.mktemp("runner"), server), server)


def run(lab: Lab, runner: Runner, server: GitHubServer) -> Story:
    logs = {"logGroupName": GROUP, "retentionInDays": 7}

    def push(days: int, further: str = "") -> None:
        lab.declare(
            f"api: {{log_retention_days: {days}}}\n{further}",
            **{"  lifecycle_rules: false\n": f"  lifecycle_rules: false\n{ROLES}"},
        )
        runner.commit()

    push(30)
    lab.toolkit.succeed("local", "up")
    first = Job(runner.clone())
    for stage in ("plan", "apply"):
        runner.atlantis("local", stage, first)

    push(60, "policy: {fail_at: medium}\n")
    forbidden = runner.workflow("toolkit-plan", CHANGE, without="rehearse", environment="local")["plan"]
    (comment,) = [comment["body"] for comment in server.comments[PULL_REQUEST]]
    push(60)
    corrected = runner.workflow("toolkit-plan", CHANGE, without="rehearse", environment="local")["plan"]
    comments = [comment["body"] for comment in server.comments[PULL_REQUEST]]
    merged = runner.workflow("toolkit-deploy", MAIN, environment="local")

    push(90)
    planned = runner.gitlab("plan", "local")
    lab.aws("logs").put_retention_policy(**logs)
    stale = runner.gitlab("deploy", "local", planned)
    drifted = runner.workflow("toolkit-drift", MAIN, environment="local")["drift"]
    jenkins = runner.jenkins("Drift", "local")
    issue = dict(server.issues[0])
    lab.aws("logs").put_retention_policy(**{**logs, "retentionInDays": 60})
    restored = runner.workflow("toolkit-drift", MAIN, environment="local")["drift"]

    lab.engine.behaviour = apiclients.broken
    broken = runner.gitlab("deploy", "local", planned)
    records = json.loads(lab.toolkit.succeed("releases", "--env", "local", "--json"))

    reap = runner.workflow("toolkit-operate", MAIN, environment="local", command="reap")["operate"]
    scheduled = {
        "local is not paused": runner.gitlab("operate", "local", TASK="resume"),
        "local is in use": runner.jenkins("Pause what is idle", "local", "Jenkinsfile.schedules"),
        "no environment has a ttl": reap,
    }
    pause = runner.workflow("toolkit-operate", MAIN, environment="local", command="pause")["operate"]
    endpoints = lab.aws("sagemaker").list_endpoints()["Endpoints"]
    return Story(
        first,
        (forbidden, comment),
        (corrected, comments),
        merged,
        stale,
        planned,
        broken,
        (drifted, jenkins, issue),
        restored,
        records,
        scheduled,
        (pause, [endpoint["EndpointName"] for endpoint in endpoints]),
        server,
    )


def test_atlantis_applies_the_plan_that_it_made(story: Story) -> None:
    assert story.first.exit_code == 0, story.first.output
    assert story.releases[-1]["smoke_test"] == "passed"


def test_a_failing_policy_stops_a_pull_request_and_is_commented(story: Story) -> None:
    job, comment = story.forbidden
    assert job.exit_code == 3, job.output
    assert "Policy check failed" in comment
    assert job.summary == comment


def test_the_comment_of_a_plan_is_updated_in_place(story: Story) -> None:
    job, comments = story.corrected
    assert job.exit_code == 0, job.output
    assert job.roles == ["arn:aws:iam::123456789012:role/llm-local-ci-plan"]
    (comment,) = comments
    assert "Policy check failed" not in comment
    assert "retention_in_days" in comment


def test_a_merge_applies_the_approved_plan_and_tests_it(story: Story) -> None:
    plan, apply = story.merged["plan"], story.merged["apply"]
    assert (plan.exit_code, plan.outputs) == (0, {"needed": "true"}), plan.output
    assert apply.exit_code == 0, apply.output
    assert apply.roles == ["arn:aws:iam::123456789012:role/llm-local-ci-deploy"]
    assert "ok   API:" in apply.output
    # Only reports are passed on: the plan itself can contain sensitive values.
    received = {file.name for file in (apply.workspace / "reviewed").iterdir()}
    assert received == {"plan.html", "plan.json", "plan.md"}


def test_a_plan_that_became_stale_is_not_applied(story: Story) -> None:
    assert story.planned.exit_code == 0, story.planned.output
    assert story.stale.exit_code == 9, story.stale.output
    assert "planned changes: changed" in story.stale.output


def test_a_failed_smoke_test_rolls_back(story: Story) -> None:
    assert story.broken.exit_code == 7, story.broken.output
    assert "serves again" in story.broken.output
    latest, merged = story.releases[:2]
    assert latest["action"] == f"rollback to {merged['number']}"
    assert latest["variables"] == merged["variables"]


def test_drift_opens_an_issue_and_its_end_closes_it(story: Story) -> None:
    job, jenkins, issue = story.drifted
    assert (job.exit_code, jenkins.exit_code) == (8, 8), job.output + jenkins.output
    assert (issue["title"], issue["state"]) == ("Drift of local", "open")
    assert GROUP in issue["body"]
    assert story.restored.exit_code == 0, story.restored.output
    (closed,) = story.server.issues
    assert closed["state"] == "closed"


def test_schedules_succeed_without_anything_to_do(story: Story) -> None:
    for text, job in story.scheduled.items():
        assert job.exit_code == 0, job.output
        assert text in job.output
    (role,) = story.scheduled["no environment has a ttl"].roles
    assert role == "arn:aws:iam::123456789012:role/llm-local-ci-reap"


def test_a_schedule_pauses_with_the_rights_of_an_operator(story: Story) -> None:
    job, endpoints = story.paused
    assert job.exit_code == 0, job.output
    assert job.roles == ["arn:aws:iam::123456789012:role/llm-local-ci-operate"]
    assert endpoints == []
