from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from tests.support.cloud import is_gone
from tests.support.patience import HANG_SECONDS
from toolkit.local import children
from toolkit.local.sagemaker.exceptions import InstanceError
from toolkit.local.sagemaker.instance import Instance, Program


def program(directory: Path, code: str, seconds: float) -> Program:
    return Program(
        command=[sys.executable, "-c", code],
        environment={},
        model_directory=directory,
        log_group="/aws/sagemaker/Endpoints/e",
        variant="AllTraffic",
        region="us-east-1",
        startup_seconds=seconds,
    )


def test_a_server_without_ping_response_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[children.Child] = []
    start = children.start

    async def remember(*args: object, **options: object) -> children.Child:
        started.append(await start(*args, **options))  # type: ignore[arg-type]
        return started[-1]

    monkeypatch.setattr(children, "start", remember)
    instance = Instance(program(tmp_path, "import time; time.sleep(600)", seconds=0.5))
    with pytest.raises(InstanceError, match="did not answer /ping"):
        asyncio.run(instance.start())
    assert not instance.ready
    assert instance.child is None
    assert [is_gone(child.pid) for child in started] == [True]


def test_a_server_that_exits_fails_at_once(tmp_path: Path) -> None:
    instance = Instance(program(tmp_path, "raise SystemExit(3)", seconds=600))
    with pytest.raises(InstanceError, match="exit code 3"):
        asyncio.run(instance.start())


def test_draining_waits_for_requests_with_a_limit(tmp_path: Path) -> None:
    async def scenario() -> None:
        instance = Instance(program(tmp_path, "", seconds=1))
        await asyncio.wait_for(instance.drain(2 * HANG_SECONDS), HANG_SECONDS)
        with instance.serving():
            assert instance.in_flight == 1
            await instance.drain(0.05)
            drained = asyncio.create_task(instance.drain(2 * HANG_SECONDS))
            await asyncio.sleep(0)
            assert not drained.done()
        await asyncio.wait_for(drained, HANG_SECONDS)
        assert instance.in_flight == 0

    asyncio.run(scenario())


def test_the_users_secrets_are_not_in_the_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "theirs")
    environment_file = tmp_path / "environment"
    code = f"import os; open({str(environment_file)!r}, 'w').write(repr(dict(os.environ)))"
    with pytest.raises(InstanceError):
        asyncio.run(Instance(program(tmp_path, code, seconds=600)).start())
    assert "SAGEMAKER_BIND_TO_PORT" in environment_file.read_text()
    assert "hf_secret" not in environment_file.read_text()
    assert "theirs" not in environment_file.read_text()
