"""The deployed API against its contract, with requests that schemathesis makes up from it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.e2e.api.conftest import Api
from tests.support.checkout import ROOT, clean_environment
from toolkit import tool_venvs
from toolkit.console import Console
from toolkit.project import Project

pytestmark = pytest.mark.e2e

CONTRACT = ROOT / "docs" / "reference" / "openapi.json"
# What must hold of every answer: no error of the server's own, no status, content type or body that the
# contract does not name, no way around the key.
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "ignored_auth",
]
EXAMPLES = "25"


def test_the_api_is_what_its_contract_says(api: Api, tmp_path: Path) -> None:
    contract = json.loads(CONTRACT.read_text())
    # Any other name is just not found.
    contract["components"]["schemas"]["ModelName"]["enum"] = ["echo", "embedder", "no-such-model"]
    (tmp_path / "openapi.json").write_text(json.dumps(contract))
    tools = tool_venvs.ensure(Project(ROOT), "schemathesis", Console())
    command = [tools.python, "-m", "schemathesis.cli", "run", "openapi.json"]
    command += ["--url", api.base_url.removesuffix("/v1"), "--header", f"Authorization: Bearer {api.key}"]
    command += ["--checks", ",".join(CHECKS)]
    command += ["--max-examples", EXAMPLES, "--generation-deterministic", "--no-color"]
    result = subprocess.run(
        command,
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert result.returncode == 0, result.stdout[-8000:] + result.stderr[-2000:]
