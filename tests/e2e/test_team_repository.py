"""A team's own repository, with the wheel alone: created, deployed to the embedded cloud, upgraded."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.checkout import ROOT, clean_environment, copy_checkout
from toolkit import packaging, repository
from toolkit.console import Console
from toolkit.environment import load
from toolkit.project import Project

pytestmark = pytest.mark.e2e

OWN_RULE = '''"""A rule of the team."""
from checkov.common.models.enums import CheckCategories
from _rule import Rule

class TeamTag(Rule):
    id = "TEAM_1"
    name = "Log groups carry a team"
    category = CheckCategories.LOGGING
    severity = "LOW"
    reason = "A page at night needs an owner."
    remedy = "Add tags.team to the environment file."
    resources = ("aws_cloudwatch_log_group",)

    def problems(self, conf):
        return ["no team"]

check = TeamTag()
'''


@dataclass(frozen=True)
class Team:
    """A team's repository, and the program installed from the wheel."""

    root: Path
    python: Path
    wheels: Path

    def __call__(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.python, "-m", "toolkit", *arguments],
            cwd=cwd or self.root,
            env=clean_environment(PIP_FIND_LINKS=str(self.wheels)),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def succeed(self, *arguments: str, cwd: Path | None = None) -> str:
        result = self(*arguments, cwd=cwd)
        assert result.returncode == 0, f"toolkit {' '.join(arguments)}:\n{result.stdout}\n{result.stderr}"
        return result.stdout + result.stderr


def build_wheel(source: Path, wheels: Path) -> Path:
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(wheels)]
    before = set(wheels.glob("*.whl"))
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(source)], check=True)
    (wheel,) = set(wheels.glob("*.whl")) - before
    return wheel


def source_distribution(source: Path) -> Path:
    options = ["--quiet", "sdist", "--dist-dir", str(source / "dist")]
    subprocess.run([sys.executable, "setup.py", *options], cwd=source, check=True)
    (archive,) = (source / "dist").glob("*.tar.gz")
    return archive


def install(wheel: Path, folder: Path) -> Path:
    """A virtual environment with the wheel; it shares the dependencies, but not this checkout's toolkit."""
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    (packages,) = folder.glob("lib/*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-index", str(wheel)], check=True)
    return python


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    folder = tmp_path_factory.mktemp("team")
    wheels = folder / "wheels"
    wheels.mkdir()
    source = copy_checkout(folder / "source")
    # Everything that the wheel carries is in the source distribution, too.
    first = build_wheel(source_distribution(source), wheels)
    pyproject = (source / "pyproject.toml").read_text()
    version = re.search(r'^version = "(.*)"$', pyproject, re.MULTILINE)
    assert version is not None
    (source / "pyproject.toml").write_text(pyproject.replace(version[0], 'version = "99.1"', 1))
    makefile = source / "toolkit" / "templates" / "project" / "Makefile"
    makefile.write_text(makefile.read_text() + "# A comment of version 99.1\n")
    readme = makefile.with_name("README.md")
    readme.write_text(readme.read_text() + "\nA line of version 99.1\n")
    build_wheel(source, wheels)
    shutil.rmtree(source)
    program = Team(folder / "repository", install(first, folder / "venv"), wheels)
    pipelines = ["--ci", "github"] if "github" in repository.ci_systems() else []
    program.succeed("new", "repository", "--name", "acme", *pipelines, cwd=folder)
    yield program
    program.succeed("local", "down")


def test_the_wheel_has_all_code_that_is_deployed(team: Team) -> None:
    (wheel,) = (path for path in team.wheels.glob("*.whl") if "-99.1-" not in path.name)
    names = set(zipfile.ZipFile(wheel).namelist())
    folders = ("terraform/stacks", "terraform/modules", "lambda_src", "policies")
    output = subprocess.run(
        ["git", "ls-files", "-z", *folders], cwd=ROOT, capture_output=True, text=True, check=True
    )
    code = [Path(name) for name in output.stdout.split("\0") if name and "/examples/" not in name]
    assert code
    missing = [path for path in code if f"toolkit/bundle/{path.as_posix()}" not in names]
    assert [path for path in missing if path.suffix not in (".md", ".in")] == []
    package = subprocess.run(
        ["git", "ls-files", "-z", "toolkit"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    data = {name for name in package.stdout.split("\0") if name and not name.endswith(".md")}
    data |= {name for name in package.stdout.split("\0") if name.startswith("toolkit/templates/")}
    assert sorted(data - names) == []


def test_the_repository_is_complete(team: Team) -> None:
    for system in {"github"}.intersection(repository.ci_systems()):
        for path in (repository.PIPELINES / system).rglob("*.yml"):
            name = path.relative_to(repository.PIPELINES / system)
            assert (team.root / name).read_bytes() == path.read_bytes()
    assert 'name: "acme"' in (team.root / "environments" / "dev.yaml").read_text()
    pinned = (team.root / "requirements.txt").read_text()
    assert re.fullmatch(r"sagemaker-llm-toolkit==\S+ --hash=sha256:[0-9a-f]{64}\n", pinned)


def test_a_folder_that_is_not_empty_is_refused(team: Team) -> None:
    result = team("new", ".")
    assert result.returncode == 2
    assert "cannot create a project: the folder is not empty" in result.stderr


def test_an_invalid_name_writes_nothing(team: Team, tmp_path: Path) -> None:
    result = team("new", str(tmp_path / "other"), "--name", "Not valid")
    assert result.returncode == 2
    assert "name" in result.stderr
    assert not (tmp_path / "other").exists()


@pytest.mark.timeout(900)
def test_a_team_deploys_and_upgrades(team: Team) -> None:
    team.succeed("init", "staging")
    team.succeed("validate", "--env", "staging")
    (team.root / "policies" / "checkov" / "team_tag.py").write_text(OWN_RULE)
    own = team.root / "terraform" / "inference" / "team.tf"
    own.parent.mkdir(parents=True)
    own.write_text('resource "terraform_data" "team" {}\n')

    assert "terraform_data.team: created" in team.succeed("apply", "--env", "local")
    assert "no changes" in team.succeed("plan", "--env", "local").lower()

    assert '"TEAM_1"' in (team.root / "build" / "local" / "plan.json").read_text()

    # The Lambda packages are those of a checkout, and are at the same path relative to the stack.
    clone = Project(copy_checkout(team.root.parent / "clone"))
    packages = packaging.build(clone, Console(), load(clone, "local"))
    variables = (team.root / "build" / "local" / "inference.tfvars").read_text()
    assert f'"../../../build/lambda/{packages.gateway.path.name}"' in variables
    assert f'"../../../build/lambda/{packages.authorizer.path.name}"' in variables

    installed = Path(
        subprocess.run(
            [team.python, "-c", "import toolkit; print(*toolkit.__path__)"],
            cwd=team.root,
            env=clean_environment(),
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    )
    assert not list(installed.rglob(".terraform"))
    assert not list(installed.rglob("errored.tfstate"))

    readme = team.root / "README.md"
    readme.write_text("# Our models\n")
    for env in ("dev", "staging"):
        (team.root / "environments" / f"{env}.yaml").unlink()
    output = team.succeed("upgrade", "99.1")
    assert "sagemaker-llm-toolkit==99.1 --hash=sha256:" in (team.root / "requirements.txt").read_text()
    assert "# A comment of version 99.1" in (team.root / "Makefile").read_text()
    assert readme.read_text() == "# Our models\n"
    assert "+A line of version 99.1" in output
    assert "no changes" in output.lower()
