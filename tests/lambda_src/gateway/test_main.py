"""`python3 -m gateway`, started through run.sh as the Lambda Web Adapter does."""

from __future__ import annotations

import json
from typing import Any

import httpx

from tests.support.patience import HANG_SECONDS


def test_invalid_settings_end_the_process_with_a_reason(start_gateway: Any) -> None:
    gateway = start_gateway({"GATEWAY_MODELS": "nonsense"})
    assert gateway.process.wait(HANG_SECONDS) == 1
    assert "GATEWAY_MODELS must be" in gateway.log.read_text()
    assert "Traceback" not in gateway.log.read_text()


def test_it_serves_and_stops_on_sigterm(start_gateway: Any) -> None:
    gateway = start_gateway({"GATEWAY_MODELS": json.dumps({"demo": {"endpoint": "demo"}})})
    gateway.wait_until_ready()
    assert httpx.get(f"{gateway.address}/v1/models", timeout=HANG_SECONDS).status_code == 200
    gateway.process.terminate()
    assert gateway.process.wait(HANG_SECONDS) in (0, -15)


def test_unused_libraries_are_not_imported(start_gateway: Any) -> None:
    gateway = start_gateway({"GATEWAY_MODELS": "{}", "PYTHONPROFILEIMPORTTIME": "1"})
    gateway.wait_until_ready()
    loaded = {line.rpartition("|")[2].strip() for line in gateway.log.read_text().splitlines()}
    assert {"uvicorn.server", "starlette.routing", "gateway.endpoints"} <= loaded
    # For command lines, all of AWS and other event loops.
    unneeded = {"click", "uvicorn.main", "boto3", "botocore", "httptools", "websockets", "uvloop"}
    assert loaded & unneeded == set()
