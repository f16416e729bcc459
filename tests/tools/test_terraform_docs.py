"""The generated part of the READMEs below terraform/."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools import terraform_docs

pytestmark = pytest.mark.slow


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """A module whose README was never generated."""
    folder = tmp_path / "terraform" / "modules" / "pond"
    (folder / "examples" / "basic").mkdir(parents=True)
    (folder / "README.md").write_text(f"# pond\n\n{terraform_docs.BEGIN}\n{terraform_docs.END}\n")
    (folder / "examples" / "basic" / "main.tf").write_text('module "pond" {\n  source = "../.."\n}\n')
    (folder / "outputs.tf").write_text('output "depth" {\n  description = "How deep."\n  value = 1\n}\n')
    (folder / "variables.tf").write_text(
        """
variable "name" {
  description = "What it is \\"called\\"."
  type        = string
}

variable "fish" {
  description = <<-EOT
    Who | swims:
    - `carp`: some.
  EOT
  type        = object({ carp = optional(number, 2) })
  default     = {}
}

variable "owner" {
  description = "Null is nobody."
  type        = string
  default     = null
}
"""
    )
    return folder


def test_readmes_are_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert terraform_docs.main(["--check"]) == 0, capsys.readouterr().err


def test_inputs_and_outputs_are_documented(module: Path, tmp_path: Path) -> None:
    assert terraform_docs.main([], tmp_path) == 0
    readme = (module / "README.md").read_text()
    assert 'source = "../../modules/pond"' in readme
    assert (
        "| `fish` | `object({carp = optional(number, 2)})` | `{}` | Who \\| swims:<br>• `carp`: some. |\n"
        '| `name` | `string` | required | What it is "called". |\n'
        "| `owner` | `string` | `null` | Null is nobody. |\n"
    ) in readme
    assert "| `depth` | How deep. |\n" in readme


def test_check_reports_a_stale_readme_without_writing(
    module: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    terraform_docs.main([], tmp_path)
    assert terraform_docs.main(["--check"], tmp_path) == 0
    (module / "outputs.tf").write_text('output "width" {\n  description = "How wide."\n  value = 1\n}\n')
    before = (module / "README.md").read_text()
    assert terraform_docs.main(["--check"], tmp_path) == 1
    assert "run `make generate`" in capsys.readouterr().err
    assert (module / "README.md").read_text() == before


def test_a_readme_without_markers_is_an_error(module: Path, tmp_path: Path) -> None:
    (module / "README.md").write_text("# pond\n")
    with pytest.raises(ValueError, match="needs the two lines"):
        terraform_docs.main([], tmp_path)
