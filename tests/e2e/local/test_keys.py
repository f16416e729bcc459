"""API keys as their holders see them."""

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
    # As OpenAI's clients send it if somebody sets the header beside their own key.
    assert status(deployed, {"Authorization": "Bearer unused", "x-api-key": key}) == 200
    for wrong in ({}, {"x-api-key": key + "x"}, {"Authorization": f"Basic {key}"}):
        assert status(deployed, wrong) == 401


def test_the_health_check_needs_no_key(deployed: Deployed) -> None:
    assert status(deployed, {}, path="/../healthz") == 200


def test_a_rotation_leaves_no_moment_without_a_valid_key(deployed: Deployed) -> None:
    toolkit = deployed.toolkit
    old = toolkit.succeed("keys", "create", "rotated", "--env", "local").strip()
    seen: list[int] = []
    over = threading.Event()

    def hold() -> None:
        while not over.is_set():
            seen.append(status(deployed, {"x-api-key": old}))

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        new = toolkit.succeed("keys", "rotate", "rotated", "--env", "local").strip()
        assert status(deployed, {"x-api-key": new}) == 200
    finally:
        over.set()
        holder.join()
    assert set(seen) == {200}
    assert toolkit.succeed("keys", "show", "rotated", "--env", "local").strip() == new
    listed = json.loads(toolkit.succeed("keys", "list", "--env", "local", "--json"))
    assert [key["old"] for key in listed if key["name"] == "rotated"] == [False, True]

    toolkit.succeed("keys", "revoke", "rotated", "--old", "--env", "local", "--yes")
    assert (status(deployed, {"x-api-key": old}), status(deployed, {"x-api-key": new})) == (401, 200)
    toolkit.succeed("keys", "revoke", "rotated", "--env", "local", "--yes")
    assert status(deployed, {"x-api-key": new}) == 401
