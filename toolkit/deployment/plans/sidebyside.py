"""Several environments planned at once, each by a process of its own.

A process each, because each handles Ctrl-C by itself: Terraform is asked to stop and waited for.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.console import Console, Progress
from toolkit.environment import check_name
from toolkit.errors import InputError, ToolkitError
from toolkit.project import Project
from toolkit.report import markdown

# Environments of one account share its account stack, whose state one plan at a time may lock.
LOCK_TIMEOUT_SECONDS = 600


@dataclass(frozen=True)
class Planned:
    """How the plan of one environment ended.

    Attributes:
        environment: its name.
        exit_code: of `toolkit plan`.
        text: what it said of the plan.
        error: its error; empty if there was none.
        data: the plan for programs; None if none was made.
    """

    environment: str
    exit_code: int
    text: str
    error: str
    data: dict[str, Any] | None

    @property
    def headline(self) -> str:
        """It in one line."""
        result = self.data["summary"] if self.data else "no plan"
        dangers = len(self.data["dangers"]) if self.data else 0
        danger = f", {dangers} DANGER{'' if dangers == 1 else 'S'}" if dangers else ""
        failed = f" (exit {self.exit_code})" if self.exit_code else ""
        return f"{result}{danger}{failed}"


def plan(
    project: Project, console: Console, names: Sequence[str], parallel: int, lock_timeout: int
) -> list[Planned]:
    """Plan environments at once, in the order of their names given.

    Args:
        project: the checkout.
        console: the user.
        names: the environments.
        parallel: how many at once.
        lock_timeout: seconds to wait for locks; 0 for the default of plans side by side.
    """
    title = f"planning {len(names)} environments"
    with console.progress(title) as progress, ThreadPoolExecutor(parallel) as pool:
        board, running = _Board(progress), _Running()
        try:
            return list(pool.map(lambda name: _plan(project, name, lock_timeout, board, running), names))
        except KeyboardInterrupt:
            running.stop()
            raise


def raise_for_worst(planned: Sequence[Planned]) -> None:
    """Return if all plans ended well.

    Raises:
        ToolkitError: with the exit code of the worst: what was unexpected, else the highest.
    """
    failed = [each for each in planned if each.exit_code]
    if not failed:
        return
    worst = max(failed, key=lambda each: (each.exit_code == 1, each.exit_code))
    error = ToolkitError(f"no good plan for {', '.join(each.environment for each in failed)}")
    error.exit_code = worst.exit_code
    raise error


def as_text(planned: Sequence[Planned]) -> str:
    """Each plan, then all of them in a table."""
    parts = [each.text.rstrip() or f"{each.environment}: no plan\n{each.error.rstrip()}" for each in planned]
    width = max(len(each.environment) for each in planned)
    table = [f"{each.environment:<{width}}  {each.headline}" for each in planned]
    return "\n\n".join([*parts, "\n".join(table)])


def as_data(planned: Sequence[Planned]) -> dict[str, Any]:
    """All plans for programs."""
    rows = {
        each.environment: {"exit_code": each.exit_code, "error": each.error or None, "plan": each.data}
        for each in planned
    }
    return {"environments": rows}


def as_markdown(project: Project, planned: Sequence[Planned]) -> str:
    """All plans in one comment: a table, then each in full as far as there is room."""
    names = ",".join(each.environment for each in planned)
    lines = [markdown.marker(names), "| environment | plan |", "|---|---|"]
    lines += [f"| `{each.environment}` | {each.headline} |" for each in planned]
    comment = "\n".join(lines) + "\n"
    for each in planned:
        file = project.environment_build(each.environment) / "plan.md"
        whole = file.read_text(encoding="utf-8") if each.data else ""
        short = f"\n`{each.environment}`: {project.relative(file)} has the rest\n" if whole else ""
        fits = len(f"{comment}\n{whole}".encode()) <= markdown.LIMIT - 200 * len(planned)
        comment += f"\n{whole}" if fits else short
    return comment


def _plan(project: Project, name: str, lock_timeout: int, board: _Board, running: _Running) -> Planned:
    try:
        check_name(name)
    except InputError as error:
        # Nor may it go into the path of a file that is removed.
        return Planned(name, error.exit_code, "", f"error: {error}", None)
    result = project.environment_build(name) / "plan.json"
    result.unlink(missing_ok=True)
    timeout = lock_timeout or LOCK_TIMEOUT_SECONDS
    process = subprocess.Popen(
        [sys.executable, "-m", "toolkit", "plan", "--env", name, "--lock-timeout", f"{timeout}s"],
        cwd=project.root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    running.add(process)
    said: list[str] = []

    def listen() -> None:
        assert process.stderr is not None  # noqa: S101 - it is a pipe
        for line in process.stderr:
            said.append(line)
            board.post(name, line.rstrip())

    listener = threading.Thread(target=listen)
    listener.start()
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    text = process.stdout.read()
    listener.join()
    exit_code = process.wait()
    return Planned(name, exit_code, text, _error(said) if exit_code else "", _read(result))


def _error(said: Sequence[str]) -> str:
    """From the last line that begins an error on."""
    starts = [index for index, line in enumerate(said) if line.startswith(("error:", "Traceback"))]
    return "".join(said[starts[-1] :] if starts else said[-5:])


def _read(path: Path) -> dict[str, Any] | None:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


class _Running:
    """The processes that plan, to pass on that they are to stop: it may have been said to this one alone."""

    def __init__(self) -> None:
        self._processes: list[subprocess.Popen[str]] = []
        self._stopped = False
        self._turn = threading.Lock()

    def add(self, process: subprocess.Popen[str]) -> None:
        """One has begun."""
        with self._turn:
            self._processes.append(process)
            if self._stopped:
                process.terminate()

    def stop(self) -> None:
        """Ask all to stop, as a build server does: one that Ctrl-C has reached takes it for the same."""
        with self._turn:
            self._stopped = True
            for process in self._processes:
                process.terminate()


class _Board:
    """What each environment is at: one line that changes on a terminal, a line each in a pipe."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._latest: dict[str, str] = {}
        self._turn = threading.Lock()

    def post(self, name: str, line: str) -> None:
        """An environment says something."""
        if not line.strip():
            return
        with self._turn:
            self._latest[name] = line
            self._progress.change(f"{name}: {line}")
            self._progress.update("; ".join(f"{env}: {text}" for env, text in self._latest.items()))
