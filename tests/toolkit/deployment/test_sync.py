"""Changes of files, as an editor makes them."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from tests.support.contexts import opened
from tests.support.interrupts import wait_for
from tests.support.patience import HANG_SECONDS
from toolkit.aws.access import AwsAccess
from toolkit.console import Console
from toolkit.deployment import sync
from toolkit.errors import InputError
from toolkit.packaging import Package, archive


class Watched:
    """Counts the changes of a folder in a thread."""

    def __init__(self, directory: Path, *others: Path) -> None:
        self.count = self.looks = 0
        self._over = False
        self._directory = directory
        self._others = others
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        for _ in sync.changes(self._directory, *self._others):
            if self._over:
                return
            self.count += 1

    def stop(self) -> None:
        self._over = True
        (self._directory / "last.py").touch()
        self._thread.join(HANG_SECONDS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "watched").mkdir()
    return tmp_path / "watched"


@pytest.fixture
def watched(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    (folder.parent / "guard.py").write_text("1")
    watched = Watched(folder, folder.parent / "guard.py")
    fingerprint = sync.fingerprint

    def counted(directory: Path) -> dict[Path, tuple[int, int, int]]:
        watched.looks += 1
        return fingerprint(directory)

    monkeypatch.setattr(sync, "_POLL_MILLISECONDS", 20)
    monkeypatch.setattr(sync, "fingerprint", counted)
    watched.start()
    wait_for(lambda: watched.count == 1, "the beginning")
    yield watched
    watched.stop()


def put(path: Path, text: str) -> None:
    """Write a file in one step, so that it is one change at any moment."""
    aside = path.parents[1] / "aside"
    aside.write_text(text)
    aside.rename(path)


def test_only_changes_of_files_are_reported(folder: Path, watched: Watched) -> None:
    put(folder / "a.py", "1")
    wait_for(lambda: watched.count == 2, "a new file")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "a.pyc").write_text("1")
    (folder / "b.py.swp").write_text("1")
    looks = watched.looks
    wait_for(lambda: watched.looks > looks + 2, "looks without a change")
    assert watched.count == 2
    put(folder / "a.py", "22")
    wait_for(lambda: watched.count >= 3, "a changed file")
    (folder / "a.py").unlink()
    wait_for(lambda: watched.count >= 4, "a removed file")
    put(folder / "../guard.py", "22")
    wait_for(lambda: watched.count >= 5, "a file next to the folder")
    assert watched.count == 5


def test_watching_survives_a_vanished_file_and_a_full_disk(tmp_path: Path) -> None:
    stderr = io.StringIO()
    console = Console(err=stderr, interactive=False)
    with sync.report_errors(console):
        (tmp_path / "gone.py").read_bytes()
    with sync.report_errors(console), Path("/dev/full").open("w") as file:
        file.write("what does not fit")
    vanished, disk_full = [line for line in stderr.getvalue().splitlines() if line.startswith("error: ")]
    assert "gone.py" in vanished
    assert "No space left on device" in disk_full
    with pytest.raises(ConnectionResetError), sync.report_errors(console):
        raise ConnectionResetError


def test_errors_are_printed_and_do_not_end_the_watch() -> None:
    stderr = io.StringIO()
    with sync.report_errors(Console(err=stderr, interactive=False)):
        raise InputError("no good", where="a.py:1")
    assert stderr.getvalue() == "error: a.py:1: no good\n"
    with pytest.raises(ZeroDivisionError), sync.report_errors(Console(err=stderr, interactive=False)):
        raise ZeroDivisionError


JWT = "api: {jwt: {issuer: 'https://a.example', audience: [llm], default_usage_plan: default}}\n"
GUARD = "api: {guard: {python: {path: guard.py, function: 'guard:check'}}}\n"


@pytest.mark.parametrize(
    ("file", "modules", "variables", "accepted"),
    [
        ("", ["handler"], {}, True),
        (JWT, ["handler", "tokens"], {}, True),
        (JWT, ["handler", "tokens"], {"JWT": "{}"}, True),
        # Without its libraries, or with the code of a version before JWTs.
        ("", ["handler", "tokens"], {"JWT": "{}"}, False),
        (JWT, ["handler"], {"JWT": "{}"}, False),
        (GUARD, ["handler"], {"GATEWAY_GUARD": json.dumps({"python": "guard:check"})}, True),
        (GUARD, ["handler"], {"GATEWAY_GUARD": json.dumps({"python": "guard:other"})}, False),
        ("", ["handler"], {"GATEWAY_GUARD": json.dumps({"python": "guard:check"})}, False),
        # In the file, it would seem to be in force.
        (GUARD, ["handler"], {}, False),
        (GUARD, ["handler"], {"GATEWAY_GUARD": json.dumps({"bedrock": {}})}, False),
        ("", ["handler"], {"GATEWAY_GUARD": json.dumps({"bedrock": {}})}, True),
        ("", ["handler"], {"GATEWAY_GUARD": "damaged"}, False),
    ],
)
def test_code_must_suit_the_deployed_settings(
    tmp_path: Path, file: str, modules: list[str], variables: dict[str, str], accepted: bool
) -> None:
    access = AwsAccess("us-east-1", "123456789012", "http://127.0.0.1:1")
    environment = opened(tmp_path, access, further=file).context.environment
    path = tmp_path / "authorizer-1.zip"
    archive.write(path, {f"authorizer/{module}.py": b"" for module in modules})
    packages = {part: Package(path, "") for part in ("gateway", "authorizer")}
    deployed = cast(Any, {part: {"Environment": {"Variables": variables}} for part in packages})
    if accepted:
        sync.require_applied(environment, packages, deployed)
        return
    with pytest.raises(InputError, match="cannot sync") as caught:
        sync.require_applied(environment, packages, deployed)
    assert caught.value.remedy == "make apply ENV=x"
