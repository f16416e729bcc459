"""Code changes without Terraform while the API is in use, and the logs."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.interrupts import has, interrupted, start_toolkit, wait_for
from tests.support.patience import HANG_SECONDS
from tests.support.toolkit import Deployed

pytestmark = pytest.mark.e2e

MARK = '"owned_by": "sagemaker"'


@pytest.fixture
def source(deployed: Deployed) -> Iterator[Path]:
    """The gateway's file with the owner of the models; restored at the end."""
    folder = deployed.toolkit.project / "lambda_src" / "gateway"
    [path] = [path for path in folder.glob("*.py") if MARK in path.read_text()]
    code = path.read_text()
    yield path
    path.write_text(code)
    deployed.toolkit.succeed("sync", "--env", "local")


def models(deployed: Deployed) -> httpx.Response:
    address = f"{deployed.outputs['api_base_url']}/models"
    return httpx.get(address, headers={"authorization": f"Bearer {deployed.api_key}"}, timeout=HANG_SECONDS)


def owned_by(deployed: Deployed) -> str:
    response = models(deployed)
    assert response.status_code == 200, response.text
    return str(response.json()["data"][0]["owned_by"])


def change_owner(source: Path, owner: str) -> None:
    source.write_text(source.read_text().replace(MARK, f'"owned_by": "{owner}"'))


class Clients:
    """Sends requests from another thread until the block ends."""

    def __init__(self, deployed: Deployed) -> None:
        self._deployed = deployed
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self.statuses: list[int] = []

    def _ask(self) -> None:
        while not self._stop.is_set():
            self.statuses.append(models(self._deployed).status_code)

    def __enter__(self) -> Clients:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def test_sync_loses_no_request_and_leaves_an_empty_plan(deployed: Deployed, source: Path) -> None:
    assert owned_by(deployed) == "sagemaker"
    change_owner(source, "new-owner")
    with Clients(deployed) as clients:
        synced = deployed.toolkit("sync", "--env", "local")
        assert owned_by(deployed) == "new-owner"
    assert synced.returncode == 0, synced.stderr
    assert f"gateway: gateway/{source.name} (" in synced.stderr
    assert "authorizer" not in synced.stderr
    assert set(clients.statuses) == {200}

    planned = deployed.toolkit("plan", "--env", "local")
    assert planned.returncode == 0, planned.stderr
    assert "no changes" in planned.stdout + planned.stderr
    second = deployed.toolkit("sync", "--env", "local")
    assert "up to date" in second.stderr


def test_watching_continues_after_errors(deployed: Deployed, source: Path, tmp_path: Path) -> None:
    output_file = tmp_path / "output"
    source_text = source.read_text()
    with output_file.open("w") as output:
        watching = start_toolkit(
            "sync", "--env", "local", "--watch", cwd=deployed.toolkit.project, output=output
        )
    try:
        wait_for(has(output_file, "watching lambda_src"), "the watcher")
        source.write_text(source_text + "\ndef broken(:\n")
        wait_for(has(output_file, f"lambda_src/gateway/{source.name}:"), "the error message")
        source.write_text(source_text)
        change_owner(source, "the-watcher")
        wait_for(has(output_file, "active in"), "the new code")
        assert owned_by(deployed) == "the-watcher"
    finally:
        code = interrupted(watching)
    assert code == 130, output_file.read_text()
    assert "Traceback" not in output_file.read_text()


def test_watch_never_deploys_an_emptied_module(deployed: Deployed, source: Path, tmp_path: Path) -> None:
    output_file = tmp_path / "output"
    code = source.read_text()
    with output_file.open("w") as output, Clients(deployed) as clients:
        watching = start_toolkit(
            "sync", "--env", "local", "--watch", cwd=deployed.toolkit.project, output=output
        )
        try:
            wait_for(has(output_file, "watching lambda_src"), "the watcher")
            source.write_text("")
            wait_for(has(output_file, f"lambda_src/gateway/{source.name}: cannot deploy"), "the refusal")
            source.write_text(code.replace(MARK, '"owned_by": "saved-later"'))
            wait_for(has(output_file, "active in"), "the new code")
        finally:
            interrupted(watching)
    assert owned_by(deployed) == "saved-later"
    assert set(clients.statuses) == {200}


def test_sync_refuses_protected_environments(deployed: Deployed) -> None:
    environments = deployed.toolkit.project / "terraform" / "environments"
    guarded = environments / "guarded.yaml"
    guarded.write_text((environments / "local.yaml").read_text() + "\nprotected: true\n")
    refused = deployed.toolkit("sync", "--env", "guarded")
    guarded.unlink()
    assert refused.returncode == 3
    assert "guarded is protected" in refused.stderr


def log_lines(deployed: Deployed, *arguments: str) -> list[str]:
    return deployed.toolkit.succeed("logs", "--env", "local", "--since", "1h", *arguments).splitlines()


def test_logs_of_all_sources_and_of_one(deployed: Deployed) -> None:
    identifier = models(deployed).headers["x-amzn-requestid"]
    [request] = [line for line in log_lines(deployed) if f"request_id={identifier}" in line]
    assert "gateway " in request
    assert "GET /v1/models 200" in request
    raw = [json.loads(line) for line in log_lines(deployed, "gateway", "--json")]
    assert {entry["source"] for entry in raw} == {"gateway"}
    requests: list[Any] = [entry["message"] for entry in raw if isinstance(entry["message"], dict)]
    assert [message["status"] for message in requests if message["request_id"] == identifier] == [200]
    assert any("model loaded" in line for line in log_lines(deployed, "smollm2"))
    unknown = deployed.toolkit("logs", "nobody", "--env", "local")
    assert (unknown.returncode, "gateway" in unknown.stderr) == (2, True)


def test_followed_logs_appear_once(deployed: Deployed, tmp_path: Path) -> None:
    output_file = tmp_path / "output"
    with output_file.open("w") as output:
        following = start_toolkit(
            "logs",
            "gateway",
            "--env",
            "local",
            "--follow",
            "--json",
            cwd=deployed.toolkit.project,
            output=output,
        )
    try:
        request_ids = []
        for _ in range(5):
            request_ids.append(models(deployed).headers["x-amzn-requestid"])
            wait_for(has(output_file, request_ids[-1]), "the request's line")
    finally:
        code = interrupted(following)
    assert code == 130
    text = output_file.read_text()
    assert [text.count(f'"request_id": "{identifier}"') for identifier in request_ids] == [1] * 5
    assert "Traceback" not in text
