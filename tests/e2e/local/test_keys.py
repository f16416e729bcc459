"""API keys from the client's point of view."""

from __future__ import annotations

import json
import threading

import httpx
import pytest

from tests.support.patience import HANG_SECONDS
from tests.support.toolkit import Deployed

pytestmark = pytest.mark.e2e


def status(deployed: Deployed, headers: dict[str, str], path: str = "/models") -> int:
    return httpx.get(
        deployed.outputs["api_base_url"] + path, headers=headers, timeout=HANG_SECONDS
    ).status_code


def test_a_key_in_either_header(deployed: Deployed) -> None:
    key = deployed.api_key
    assert status(deployed, {"Authorization": f"Bearer {key}"}) == 200
    assert status(deployed, {"x-api-key": key}) == 200
    # OpenAI's clients send both headers if x-api-key is set.
    assert status(deployed, {"Authorization": "Bearer unused", "x-api-key": key}) == 200
    for headers in ({}, {"x-api-key": key + "x"}, {"Authorization": f"Basic {key}"}):
        assert status(deployed, headers) == 401


def test_the_health_check_needs_no_key(deployed: Deployed) -> None:
    assert status(deployed, {}, path="/../healthz") == 200


def test_a_key_is_valid_throughout_its_rotation(deployed: Deployed) -> None:
    toolkit = deployed.toolkit
    old = toolkit.succeed("keys", "create", "rotated", "--env", "local").strip()
    statuses: list[int] = []
    stop = threading.Event()

    def send_requests() -> None:
        while not stop.is_set():
            statuses.append(status(deployed, {"x-api-key": old}))

    sender = threading.Thread(target=send_requests)
    sender.start()
    try:
        new = toolkit.succeed("keys", "rotate", "rotated", "--env", "local").strip()
        assert status(deployed, {"x-api-key": new}) == 200
    finally:
        stop.set()
        sender.join()
    assert set(statuses) == {200}
    assert toolkit.succeed("keys", "show", "rotated", "--env", "local").strip() == new
    keys = json.loads(toolkit.succeed("keys", "list", "--env", "local", "--json"))
    assert [key["old"] for key in keys if key["name"] == "rotated"] == [False, True]

    toolkit.succeed("keys", "revoke", "rotated", "--old", "--env", "local", "--yes")
    assert (status(deployed, {"x-api-key": old}), status(deployed, {"x-api-key": new})) == (401, 200)
    toolkit.succeed("keys", "revoke", "rotated", "--env", "local", "--yes")
    assert status(deployed, {"x-api-key": new}) == 401


def test_revoking_an_unknown_key_names_the_existing_ones(deployed: Deployed) -> None:
    # Without --yes: there is nothing to confirm.
    refused = deployed.toolkit("keys", "revoke", "tset", "--env", "local")
    assert refused.returncode == 2
    assert "no key named tset" in refused.stderr and "keys of this environment: default" in refused.stderr
