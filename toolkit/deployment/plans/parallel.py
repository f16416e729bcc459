"""Plan several environments in parallel, one process each.

Each process handles Ctrl-C itself: it asks Terraform to stop, and waits for it.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit import documents
from toolkit.console import Console, Progress
from toolkit.environment import check_name
from toolkit.errors import InputError, ToolkitError
from toolkit.project import Project
from toolkit.report import markdown

# Environments of one account share its account stack, whose state only one plan may lock at a time.
LOCK_TIMEOUT_SECONDS = 600


class PlanData(documents.OpenDict):
    """A plan for programs, as far as this module uses it."""

    summary: str
    dangers: list[Any]


@dataclass(frozen=True)
class Planned:
    """The result of planning one environment.

    Attributes:
        environment: its name.
        exit_code: of `toolkit plan`.
        text: the summary of the plan.
        error: the error; empty if there was none.
        data: the plan for programs; None if planning failed.
    """

    environment: str
    exit_code: int
    text: str
    error: str
    data: PlanData | None

    @property
    def headline(self) -> str:
        """The result in one line."""
        result = self.data["summary"] if self.data else "no plan"
        destructive = len(self.data["dangers"]) if self.data else 0
        warning = f", {destructive} DESTRUCTIVE" if destructive else ""
        failed = f" (exit {self.exit_code})" if self.exit_code else ""
        return f"{result}{warning}{failed}"


def plan(
    project: Project, console: Console, names: Sequence[str], parallel: int, lock_timeout: int
) -> list[Planned]:
    """Plan environments in parallel; results come in the order of `names`.

    Args:
        project: the checkout.
        console: the user.
        names: the environments.
        parallel: number of processes at a time.
        lock_timeout: seconds to wait for locks; 0 for the default of parallel plans.
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
    """Return if all plans succeeded.

    Raises:
        ToolkitError: with the worst exit code: 1 if there is one, otherwise the highest.
    """
    failed = [plan for plan in planned if plan.exit_code]
    if not failed:
        return
    worst = max(failed, key=lambda plan: (plan.exit_code == 1, plan.exit_code))
    error = ToolkitError(f"planning failed for: {', '.join(plan.environment for plan in failed)}")
    error.exit_code = worst.exit_code
    raise error


def as_text(planned: Sequence[Planned]) -> str:
    """Each plan, then a table of all."""
    parts = [plan.text.rstrip() or f"{plan.environment}: no plan\n{plan.error.rstrip()}" for plan in planned]
    width = max(len(plan.environment) for plan in planned)
    table = [f"{plan.environment:<{width}}  {plan.headline}" for plan in planned]
    return "\n\n".join([*parts, "\n".join(table)])


def as_data(planned: Sequence[Planned]) -> dict[str, Any]:
    """All plans for programs."""
    rows = {
        plan.environment: {"exit_code": plan.exit_code, "error": plan.error or None, "plan": plan.data}
        for plan in planned
    }
    return {"environments": rows}


def as_markdown(project: Project, planned: Sequence[Planned]) -> str:
    """All plans in one comment: a table, then each in full as far as the size limit allows."""
    names = ",".join(plan.environment for plan in planned)
    lines = [markdown.marker(names), "| environment | plan |", "|---|---|"]
    lines += [f"| `{plan.environment}` | {plan.headline} |" for plan in planned]
    comment = "\n".join(lines) + "\n"
    for plan in planned:
        file = project.environment_build(plan.environment) / "plan.md"
        report = file.read_text(encoding="utf-8") if plan.data else ""
        short = f"\n`{plan.environment}`: {project.relative(file)} has the rest\n" if report else ""
        fits = len(f"{comment}\n{report}".encode()) <= markdown.LIMIT - 200 * len(planned)
        comment += f"\n{report}" if fits else short
    return comment


def _plan(project: Project, name: str, lock_timeout: int, board: _Board, running: _Running) -> Planned:
    try:
        check_name(name)
    except InputError as error:
        # An invalid name must not become part of a path that is deleted.
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
    errors: list[str] = []

    def listen() -> None:
        assert process.stderr is not None  # noqa: S101 - it is a pipe
        for line in process.stderr:
            errors.append(line)
            board.post(name, line.rstrip())

    listener = threading.Thread(target=listen)
    listener.start()
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    text = process.stdout.read()
    listener.join()
    exit_code = process.wait()
    return Planned(name, exit_code, text, _error(errors) if exit_code else "", _read(result))


def _error(lines: Sequence[str]) -> str:
    """The output from the last line that begins an error."""
    starts = [index for index, line in enumerate(lines) if line.startswith(("error:", "Traceback"))]
    return "".join(lines[starts[-1] :] if starts else lines[-5:])


def _read(path: Path) -> PlanData | None:
    try:
        return documents.parse(documents.load(path), PlanData)
    except (FileNotFoundError, documents.DamagedError):
        return None  # planning failed


class _Running:
    """The planning processes, to which an interruption is forwarded: a signal may reach only this process."""

    def __init__(self) -> None:
        self._processes: list[subprocess.Popen[str]] = []
        self._stopped = False
        self._lock = threading.Lock()

    def add(self, process: subprocess.Popen[str]) -> None:
        """Register a process."""
        with self._lock:
            self._processes.append(process)
            if self._stopped:
                process.terminate()

    def stop(self) -> None:
        """Terminate all; a process that received Ctrl-C already ignores it."""
        with self._lock:
            self._stopped = True
            for process in self._processes:
                process.terminate()


class _Board:
    """The progress of each environment: one live line on a terminal, a line each in a pipe."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._latest: dict[str, str] = {}
        self._lock = threading.Lock()

    def post(self, name: str, line: str) -> None:
        """Show a line of an environment."""
        if not line.strip():
            return
        with self._lock:
            self._latest[name] = line
            self._progress.change(f"{name}: {line}")
            self._progress.update("; ".join(f"{env}: {text}" for env, text in self._latest.items()))
