"""`python3 -m gateway`, started through run.sh as the Lambda Web Adapter does."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx


def test_wrong_settings_end_the_process_with_a_reason(start_gateway: Any) -> None:
    gateway = start_gateway({"GATEWAY_MODELS": "nonsense"})
    assert gateway.process.wait(10) == 1
    assert "GATEWAY_MODELS must be" in gateway.log.read_text()
    assert "Traceback" not in gateway.log.read_text()


def test_it_serves_soon_and_ends_when_told(start_gateway: Any) -> None:
    started = time.monotonic()
    gateway = start_gateway({"GATEWAY_MODELS": json.dumps({"demo": {"endpoint": "demo"}})})
    gateway.wait_until_ready()
    assert httpx.get(f"{gateway.address}/v1/models").status_code == 200
    # The aim is 0.5 s; a busy machine gets more.
    assert time.monotonic() - started < 5
    gateway.process.terminate()
    assert gateway.process.wait(5) in (0, -15)
