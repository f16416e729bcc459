"""The pipeline files that the toolkit carries."""

from __future__ import annotations

import re
from typing import Any

import yaml

from tests.support.checkout import ROOT

FILES = ROOT / "toolkit" / "templates" / "pipelines"


def gitlab_jobs(environment: str) -> dict[str, Any]:
    """The jobs of GitLab's component, with its inputs filled in, as GitLab does after it parsed the file."""
    text = (FILES / "gitlab" / ".gitlab" / "toolkit.yml").read_text(encoding="utf-8")
    header, jobs = yaml.safe_load_all(text)
    declared = header["spec"]["inputs"]
    return dict(_filled(jobs, {name: item.get("default", environment) for name, item in declared.items()}))


def _filled(node: Any, inputs: dict[str, str]) -> Any:
    if isinstance(node, dict):
        return {_filled(key, inputs): _filled(value, inputs) for key, value in node.items()}
    if isinstance(node, list):
        return [_filled(item, inputs) for item in node]
    if isinstance(node, str):
        return re.sub(r"\$\[\[ inputs\.(\w+) \]\]", lambda match: inputs[match[1]], node)
    return node
