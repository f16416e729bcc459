"""Plans of several environments: the worst exit code, and one comment for all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.policy import quiet
from toolkit.deployment.plans import parallel
from toolkit.deployment.plans.parallel import Planned
from toolkit.errors import ToolkitError
from toolkit.project import Project


def planned(name: str, exit_code: int = 0, *, dangers: int = 0) -> Planned:
    data = {"summary": "1 to add", "dangers": [{}] * dangers} if exit_code in (0, 3) else None
    return Planned(name, exit_code, f"{name}: 1 to add" if data else "", "error: why" * bool(exit_code), data)


@pytest.mark.parametrize(
    ("codes", "worst"), [((0, 3, 0), 3), ((3, 9, 2), 9), ((1, 9), 1), ((5, 130), 130), ((2, 4), 4)]
)
def test_the_exit_code_is_the_worst_of_all_plans(codes: tuple[int, ...], worst: int) -> None:
    with pytest.raises(ToolkitError) as raised:
        parallel.raise_for_worst([planned(f"e{n}", code) for n, code in enumerate(codes)])
    assert raised.value.exit_code == worst
    assert ToolkitError.exit_code == 1


def test_successful_plans_raise_no_error() -> None:
    parallel.raise_for_worst([planned("a"), planned("b")])


def test_a_name_outside_the_folder_deletes_nothing(tmp_path: Path) -> None:
    project = Project(tmp_path / "checkout")
    foreign_file = tmp_path / "plan.json"
    foreign_file.write_text("another owner's")
    (project.build / "x").mkdir(parents=True)
    (refused,) = parallel.plan(project, quiet(), ["../.."], 1, 0)
    assert refused.exit_code == 2
    assert "'../..' is not a valid environment name" in refused.error
    assert foreign_file.read_text() == "another owner's"


def test_the_table_is_last_and_shows_failures_and_destruction() -> None:
    text = parallel.as_text([planned("a", dangers=2), planned("longer", 5)])
    assert "longer: no plan\nerror: why" in text
    assert text.endswith("a       1 to add, 2 DESTRUCTIVE\nlonger  no plan (exit 5)")


def test_a_comment_has_all_tables_and_the_plans_that_fit(tmp_path: Path) -> None:
    project = Project(tmp_path)
    names = [f"env{number}" for number in range(10)]
    for name in names:
        project.environment_build(name).mkdir(parents=True)
        (project.environment_build(name) / "plan.md").write_text(f"<!-- {name} -->" + "x" * 30_000)
    comment = parallel.as_markdown(project, [planned(name) for name in names])
    assert len(comment.encode()) <= 65_536
    assert all(f"| `{name}` | 1 to add |" in comment for name in names)
    assert "<!-- env0 -->" in comment
    assert "`env9`: build/env9/plan.md has the rest" in comment
