"""Results of the checks before a deployment, and their text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from toolkit.errors import PreflightError
from toolkit.report.tables import Table

Status = Literal["ok", "warning", "failure", "unknown"]
_MARKS: dict[Status, str] = {"ok": "ok", "warning": "WARN", "failure": "FAIL", "unknown": "?"}


@dataclass(frozen=True)
class Result:
    """The result of one check of one thing.

    Attributes:
        check: name of the check, such as `quota`.
        status: `unknown` if AWS denied the answer, or only a deployment can tell.
        detail: what was found.
        remedy: what to do; empty if nothing has to be done.
    """

    check: str
    status: Status
    detail: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.check}: {self.detail}" + (f"; {self.remedy}" if self.remedy else "")


def as_data(environment: str, results: Sequence[Result]) -> dict[str, Any]:
    """For `--json`."""
    return {
        "environment": environment,
        "ready": not failures(results),
        "checks": [asdict(result) for result in results],
    }


def as_text(results: Sequence[Result]) -> str:
    """A line for each result, followed by its remedy."""
    width = max(len(result.check) for result in results)
    return "\n".join(line for result in results for line in _lines(result, width))


def _lines(result: Result, width: int) -> Iterator[str]:
    yield f"{_MARKS[result.status]:<4} {result.check:<{width}}  {result.detail}"
    if result.remedy:
        yield f"     {'':<{width}}  → {result.remedy}"


def as_markdown(environment: str, results: Sequence[Result]) -> str:
    """A table of the results that need attention, for a pull request comment."""
    rows = [
        (_MARKS[result.status], result.check, result.detail, result.remedy)
        for result in results
        if result.status != "ok"
    ]
    table = Table("", ("", "check", "finding", "remedy"), rows, texts=4)
    body = ["", *table.as_markdown()] if rows else []
    return "\n".join([f"### Preflight of {environment}: {summary(results)}", *body])


def summary(results: Sequence[Result]) -> str:
    """The number of results by status."""
    counts = Counter(result.status for result in results)
    names: dict[Status, str] = {"ok": "ok", "warning": "warnings", "failure": "failed", "unknown": "unknown"}
    return ", ".join(f"{counts[status]} {name}" for status, name in names.items() if counts[status])


def failures(results: Sequence[Result]) -> list[Result]:
    """The failed checks."""
    return [result for result in results if result.status == "failure"]


def raise_for_failures(environment: str, results: Sequence[Result]) -> None:
    """Return if no check failed.

    Raises:
        PreflightError: at least one did.
    """
    failed = failures(results)
    if failed:
        names = ", ".join(dict.fromkeys(result.check for result in failed))
        raise PreflightError(
            f"cannot deploy {environment}: {len(failed)} of {len(results)} checks failed: {names}",
            remedy="follow the remedies above",
        )
