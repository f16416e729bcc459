"""The pipeline files that the toolkit carries, and a runner for their steps.

A job runs as on a runner of its system: in a fresh clone, without a terminal, with the variables of its
system, and with artifacts of earlier jobs only. Third-party actions do what their documentation says.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.support.checkout import ROOT, clean_environment
from tests.support.github import GitHubServer

FILES = ROOT / "toolkit" / "templates" / "pipelines"
_INPUT = re.compile(r"\$\[\[ inputs\.(\w+) \]\]")
_EXPRESSION = re.compile(r"\$\{\{ (.*?) \}\}")
_STAMPS = (".toolkit.installed", ".local.installed")


def gitlab_jobs(environment: str) -> dict[str, Any]:
    """The jobs of GitLab's component, with its inputs filled in, as GitLab does after it parsed the file."""
    text = (FILES / "gitlab" / ".gitlab" / "toolkit.yml").read_text(encoding="utf-8")
    header, jobs = yaml.safe_load_all(text)
    declared = header["spec"]["inputs"]
    return dict(_filled(jobs, {name: item.get("default", environment) for name, item in declared.items()}))


def _filled(node: Any, inputs: Mapping[str, str]) -> Any:
    if isinstance(node, dict):
        return {_filled(key, inputs): _filled(value, inputs) for key, value in node.items()}
    if isinstance(node, list):
        return [_filled(item, inputs) for item in node]
    if isinstance(node, str):
        return _INPUT.sub(lambda match: inputs[match[1]], node)
    return node


@dataclass
class Job:
    """A job that ran.

    Attributes:
        workspace: its clone.
        exit_code: of the step that failed; 0 if none did.
        output: what its steps printed.
        outputs: its outputs.
        roles: the roles that it assumed.
        summary: its step summary.
    """

    workspace: Path
    exit_code: int = 0
    output: str = ""
    outputs: dict[str, str] = field(default_factory=dict)
    roles: list[str] = field(default_factory=list)
    summary: str = ""


@dataclass
class Runner:
    """Runs jobs in clones of a repository, which share its embedded cloud.

    Attributes:
        repository: the repository; its cloud stands for the AWS account.
        directory: where the clones are.
        server: GitHub.
    """

    repository: Path
    directory: Path
    server: GitHubServer
    _count: int = 0
    _artifacts: dict[str, Path] = field(default_factory=dict)

    def commit(self) -> None:
        """Commit all files of the repository."""
        self._git("add", "--all")
        identity = ("-c", "user.name=Tester", "-c", "user.email=tester@example.com")
        self._git(*identity, "commit", "--quiet", "--allow-empty", "--message=change")

    def clone(self) -> Path:
        """A fresh clone, in which `make setup` has nothing value to install."""
        self._count += 1
        target = self.directory / str(self._count)
        self._git("clone", "--quiet", str(self.repository), str(target))
        programs = target / ".venv" / "bin"
        programs.mkdir(parents=True)
        (programs / "python").symlink_to(sys.executable)
        (programs / "toolkit").write_text(f'#!/bin/sh\nexec {sys.executable} -m toolkit "$@"\n')
        (programs / "toolkit").chmod(0o755)
        for name in _STAMPS:
            (target / ".venv" / name).touch()
        (target / "build").mkdir()
        (target / "build" / ".cloud").symlink_to(self.repository / "build" / ".cloud")
        return target

    def shell(self, job: Job, script: str, **environment: str) -> int:
        """Run a script in a job's clone, until a command fails; returns its exit code."""
        result = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=job.workspace,
            env=clean_environment(CI="true", **environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        job.output += result.stdout + result.stderr
        return result.returncode

    def workflow(self, name: str, ref: str, without: str = "", **inputs: Any) -> dict[str, Job]:
        """Call a reusable workflow of GitHub, without one of its jobs; returns the jobs that ran."""
        file = FILES / "github" / ".github" / "workflows" / f"{name}.yml"
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        declared = content[True]["workflow_call"]["inputs"]  # YAML 1.1 reads `on` as true
        values = {f"inputs.{key}": inputs.get(key, item.get("default")) for key, item in declared.items()}
        values |= {"github.token": self.server.environment()["GITHUB_TOKEN"], "github.ref": ref}
        jobs: dict[str, Job] = {}
        for identifier, declaration in content["jobs"].items():
            failed = "needs" in declaration and jobs[declaration["needs"]].exit_code
            if failed or identifier == without:
                continue
            if not _evaluate(declaration.get("if", "true"), values):
                continue
            environment = {key: _fill(text, values) for key, text in content["env"].items()}
            job = jobs[identifier] = Job(self.directory / "none")
            steps = dict(values)
            self._steps(job, declaration["steps"], steps, environment, ref)
            for key, text in declaration.get("outputs", {}).items():
                values[f"needs.{identifier}.outputs.{key}"] = job.outputs[key] = _fill(text, steps)
        return jobs

    def _steps(
        self, job: Job, steps: list[dict[str, Any]], values: dict[str, Any], env: dict[str, str], ref: str
    ) -> None:
        for step in steps:
            condition = step.get("if", "success()")
            values["!cancelled()"] = True
            values["success()"] = job.exit_code == 0
            if not _evaluate(_EXPRESSION.sub(r"\1", condition), values):
                continue
            if job.exit_code and "cancelled" not in condition:
                continue
            options = {key: _fill(text, values) for key, text in step.get("with", {}).items()}
            if "run" in step:
                own = {key: _fill(text, values) for key, text in step.get("env", {}).items()}
                code = self._run(job, step, values, {**env, **own}, ref)
                job.exit_code = job.exit_code or code
            elif step["uses"].startswith("./"):
                action = yaml.safe_load((job.workspace / step["uses"] / "action.yml").read_text())
                inner = {
                    f"inputs.{key}": options.get(key, item.get("default", ""))
                    for key, item in action["inputs"].items()
                }
                self._steps(job, action["runs"]["steps"], {**values, **inner}, env, ref)
            else:
                self._use(job, step["uses"].partition("@")[0], options)

    def _run(
        self, job: Job, step: dict[str, Any], values: dict[str, Any], env: dict[str, str], ref: str
    ) -> int:
        files = {name: self.directory / name.lower() for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        for file in files.values():
            file.write_text("")
        server = self.server.environment(ref)
        server.pop("GITHUB_TOKEN")  # only steps that ask for the token have it
        paths = {name: str(file) for name, file in files.items()}
        temporary = self.directory / "temporary"
        temporary.mkdir(exist_ok=True)
        code = self.shell(job, step["run"], **{**server, **paths, "RUNNER_TEMP": str(temporary), **env})
        for line in files["GITHUB_OUTPUT"].read_text().splitlines():
            key, _, value = line.partition("=")
            values[f"steps.{step['id']}.outputs.{key}"] = value
        job.summary += files["GITHUB_STEP_SUMMARY"].read_text()
        return code

    def _use(self, job: Job, action: str, options: dict[str, str]) -> None:
        match action:
            case "actions/checkout":
                job.workspace = self.clone()
            case "aws-actions/configure-aws-credentials":
                job.roles.append(options["role-to-assume"])
            case "actions/upload-artifact":
                stored = self.directory / "artifacts" / options["name"]
                shutil.rmtree(stored, ignore_errors=True)
                stored.mkdir(parents=True)
                for file in job.workspace.glob(options["path"]):
                    shutil.copy(file, stored)
            case "actions/download-artifact":
                stored = self.directory / "artifacts" / options["name"]
                shutil.copytree(stored, job.workspace / options["path"])
            case "actions/setup-python" | "actions/cache":
                pass
            case _:
                raise AssertionError(f"unknown action: {action}")

    def gitlab(self, name: str, environment: str, *needed: Job, **schedule: str) -> Job:
        """Run a job of GitLab's component with the artifacts of the jobs that it needs.

        Args:
            name: the job without its environment.
            environment: the environment.
            needed: the jobs that it needs.
            schedule: variables of the pipeline's schedule.
        """
        jobs = gitlab_jobs(environment)
        own = jobs[f"{name}-{environment}"]
        base = jobs[own["extends"]]
        job = Job(self.clone())
        for earlier in needed:
            for path in jobs[f"plan-{environment}"]["artifacts"]["paths"]:
                (job.workspace / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(earlier.workspace / path, job.workspace / path)
        builds = self.directory / "builds"
        builds.mkdir(exist_ok=True)
        predefined = {
            "CI_BUILDS_DIR": str(builds),
            "CI_JOB_ID": str(self._count),
            "CI_PROJECT_DIR": str(job.workspace),
            "TOOLKIT_TOKEN": "token",
        }
        variables = {**base["variables"], **own["variables"], **schedule}
        variables.pop("TOOLKIT_CACHE_DIR")  # the cache of this machine
        # GitLab joins both scripts, and runs them until a command fails.
        script = "\n".join([*base["before_script"], *own["script"]])
        job.exit_code = self.shell(job, script, **predefined, **variables)
        self.shell(job, "\n".join(base["after_script"]), **predefined)
        assert list(builds.iterdir()) == []
        return job

    def atlantis(self, workspace: str, stage: str, job: Job) -> None:
        """Run a stage of Atlantis' custom workflow; both stages of a project share a clone."""
        config = yaml.safe_load((FILES / "atlantis" / "atlantis.yaml").read_text())
        variables = {"WORKSPACE": workspace, "PLANFILE": str(self.directory / f"{workspace}.tfplan")}
        for step in config["workflows"]["toolkit"][stage]["steps"]:
            job.exit_code = job.exit_code or self.shell(job, step["run"], **variables)

    def jenkins(self, stage: str, environment: str, file: str = "Jenkinsfile") -> Job:
        """Run the shell steps of a stage of a Jenkinsfile."""
        text = (FILES / "jenkins" / file).read_text()
        (block,) = re.findall(rf"stage\('{stage}'\) \{{\n(.*?)^    \}}\n", text, re.MULTILINE | re.DOTALL)
        job = Job(self.clone())
        for script in re.findall(r"^\s*sh '(.*)'$", block, re.MULTILINE):
            job.exit_code = job.exit_code or self.shell(job, script, TOOLKIT_ENV=environment)
        return job

    def _git(self, *arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=self.repository, check=True, capture_output=True)


def _fill(text: Any, values: Mapping[str, Any]) -> str:
    return _EXPRESSION.sub(lambda match: _text(_evaluate(match[1], values)), str(text))


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _evaluate(expression: str, values: Mapping[str, Any]) -> Any:
    """The value of an expression of GitHub Actions, as far as the files use them."""
    for operator in (" || ", " && "):
        if operator in expression:
            first, _, rest = expression.partition(operator)
            value = _evaluate(first, values)
            keep = value if operator == " || " else not value
            return value if keep else _evaluate(rest, values)
    for operator in (" == ", " != "):
        if operator in expression:
            first, rest = (_text(_evaluate(part, values)) for part in expression.split(operator))
            return (first == rest) == (operator == " == ")
    if expression.startswith("'"):
        return expression.strip("'")
    if expression.startswith(("hashFiles(", "runner.")) or expression == "true":
        return expression
    return values[expression]
