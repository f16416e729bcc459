"""Examples of environment files in the documentation are valid."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.support.checkout import ROOT
from toolkit.environment import load
from toolkit.project import Project

# Settings that examples omit.
REST: dict[str, Any] = {"target": "aws", "name": "llm", "region": "us-east-1", "account_id": "123456789012"}
MODEL: dict[str, Any] = {
    "serving": {"engine": "vllm"},
    "source": {"hub": "Qwen/Qwen3-8B", "revision": "b968826d9c46dd6066d109eabc6255188de91218"},
    "instance_type": "ml.g6.2xlarge",
}
FENCED = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"^    (?:account|api|cost|models|policy):\n(?:     .*\n)+", re.MULTILINE)


def examples() -> list[tuple[str, dict[str, Any]]]:
    parts = []
    for page in sorted((ROOT / "docs").rglob("*.md")):
        text = page.read_text()
        for block in [*FENCED.findall(text), *map(textwrap.dedent, INDENTED.findall(text))]:
            part = YAML(typ="safe", pure=True).load(block)
            if part.keys() <= {"account", "api", "cost", "models", "policy"}:
                parts.append((f"{page.name}: {', '.join(part)}", part))
    return parts


EXAMPLES = examples()


@pytest.mark.parametrize("part", [part for _, part in EXAMPLES], ids=[name for name, _ in EXAMPLES])
def test_a_documented_example_is_valid(tmp_path: Path, part: dict[str, Any]) -> None:
    models = {"smollm2": {}, **part.get("models", {})}
    content = {**REST, **part, "models": {name: {**MODEL, **model} for name, model in models.items()}}
    project = Project(tmp_path)
    file = project.environment_file("dev")
    file.parent.mkdir(parents=True)
    YAML().dump(content, file)
    for path in re.findall(r"prompts: (\S+\.jsonl)", file.read_text()):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text('{"prompt": "Hallo!"}')
    assert load(project, "dev").models.keys() == models.keys()


def test_examples_of_all_pages_are_checked() -> None:
    pages = {name.partition(":")[0] for name, _ in EXAMPLES}
    assert {"exposure.md", "asynchronous-models.md", "plan-and-apply.md", "api-keys.md"} <= pages
