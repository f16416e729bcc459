"""Terraform's errors and warnings, made short enough to read, and turned into the toolkit's errors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from toolkit.errors import StateError, TerraformError, ToolkitError
from toolkit.terraform.messages import member, word

# The AWS SDK puts the transport's story around the one sentence that matters.
_SDK_NOISE = re.compile(
    r"operation error ([\w ]+): (\w+), (?:exceeded maximum number of attempts, \d+, )?"
    r"https response error StatusCode: \d+, RequestID: [^,]*, (?:HostID: [^,]*, )?(?:api error )?"
)
_LOCK_FIELD = re.compile(r"^\s*(ID|Path|Operation|Who|Created):[ \t]*(\S.*?)\s*$", re.MULTILINE)
_LOCK_SUMMARY = "Error acquiring the state lock"
# Says that there are errors, among the errors.
_PREAMBLE = "Terraform encountered problems during initialisation"
_STALE_SUMMARIES = ("Saved plan is stale", "Saved plan does not match the given state")


class Place(Protocol):
    """Knows where a command ran."""

    @property
    def unlock(self) -> str | None:
        """The command that clears a lock that was left behind; None if there is only Terraform's own."""

    def relative(self, file: str) -> str:
        """A file name as Terraform reports it, relative to the project."""

    def by_hand(self, *arguments: str) -> str:
        """The command line that runs Terraform there with `arguments`."""


@dataclass(frozen=True)
class Diagnostic:
    """One error or warning of Terraform.

    Attributes:
        severity: "error" or "warning".
        summary: Terraform's headline.
        detail: its explanation; may be empty.
        address: the resource or other object it is about, if any.
        file: source file, relative to the stack's folder, if any.
        line: line in it.
    """

    severity: str
    summary: str
    detail: str = ""
    address: str | None = None
    file: str | None = None
    line: int | None = None

    @classmethod
    def from_json(cls, diagnostic: dict[str, Any]) -> Diagnostic:
        """From the `diagnostic` of a message."""
        source = member(diagnostic, "range")
        return cls(
            severity=word(diagnostic, "severity"),
            summary=word(diagnostic, "summary"),
            detail=word(diagnostic, "detail"),
            address=word(diagnostic, "address") or _object(member(diagnostic, "snippet")),
            file=word(source, "filename") or None,
            line=member(source, "start").get("line"),
        )

    def headline(self) -> str:
        """The summary without noise."""
        return condense(self.summary)[0] if self.summary.strip() else "unknown error"

    def paragraphs(self) -> list[str]:
        """The detail without noise, a line for each paragraph."""
        return condense(self.detail)

    def where(self, place: Place) -> str | None:
        """File, line and resource, as far as they are known."""
        source = f"{place.relative(self.file)}:{self.line}" if self.file else None
        if source and self.address:
            return f"{source} ({self.address})"
        return source or self.address

    def lines(self, place: Place) -> list[str]:
        """All of it, the detail indented."""
        where = self.where(place)
        headline = f"{where}: {self.headline()}" if where else self.headline()
        return [headline, *(f"  {paragraph}" for paragraph in self.paragraphs())]


def _object(snippet: dict[str, Any]) -> str | None:
    """What the code shown belongs to, `resource "a" "b"` as an address."""
    words = [each.strip('"') for each in word(snippet, "context").split()]
    return ".".join(words[1:] if words[:1] == ["resource"] else words) or None


def condense(text: str) -> list[str]:
    """The paragraphs of `text` with their lines joined and the AWS SDK's noise taken out."""
    paragraphs = re.split(r"\n\s*\n", text.strip())
    return [
        _SDK_NOISE.sub(r"\1 \2: ", " ".join(paragraph.split()))
        for paragraph in paragraphs
        if paragraph.strip()
    ]


def error_for(
    command: str,
    diagnostics: Sequence[Diagnostic],
    plain: Sequence[str],
    place: Place,
    log: str,
) -> ToolkitError:
    """The error for a Terraform command that failed.

    Args:
        command: "plan", "apply", …
        diagnostics: what it reported; warnings are left out here.
        plain: what it printed otherwise, used if it reported no error.
        place: where it ran.
        log: where the user finds all of its output.
    """
    errors = list(dict.fromkeys(each for each in diagnostics if each.severity == "error"))
    errors = [each for each in errors if not each.summary.startswith(_PREAMBLE)]
    for error in errors:
        special = _state_error(error, place)
        if special:
            return special
    if not errors:
        return TerraformError(
            f"terraform {command} failed without saying why in its own format",
            details=[*plain][-12:],
            remedy=f"all of its output is in {log}",
        )
    if len(errors) == 1:
        only = errors[0]
        return TerraformError(only.headline(), where=only.where(place), details=only.paragraphs())
    details = [line for error in errors for line in error.lines(place)]
    return TerraformError(f"terraform {command} reported {len(errors)} errors", details=details)


class LockDeniedError(TerraformError):
    """The credentials may read the state, and not lock it."""


def _state_error(error: Diagnostic, place: Place) -> ToolkitError | None:
    if error.summary in _STALE_SUMMARIES:
        return StateError(
            "the plan is stale: the state has changed since it was made",
            remedy="plan again, then apply that plan",
        )
    if error.summary == _LOCK_SUMMARY:
        if "PutObject" in error.detail and "AccessDenied" in error.detail:
            return LockDeniedError(error.headline(), details=error.paragraphs())
        return _lock_error(error.detail, place)
    return None


def _lock_error(detail: str, place: Place) -> StateError | None:
    """Somebody holds the lock; None if it could not be taken for another reason (no bucket, no right)."""
    lock = dict(_LOCK_FIELD.findall(detail))
    if "ID" not in lock:
        if "PreconditionFailed" not in detail:
            return None
        return StateError(
            "somebody else took the state lock at the same moment",
            remedy="run the command again; if it stays so, look at the lock: "
            f"{place.unlock or place.by_hand('force-unlock')}",
        )
    operation = lock.get("Operation", "").removeprefix("OperationType").lower() or "an operation"
    created = re.sub(r"\.\d+ \+0000", "", lock.get("Created", "an unknown time"))
    return StateError(
        f"the state is locked by {lock.get('Who', 'somebody')} since {created} ({operation})",
        where=lock.get("Path"),
        details=[f"lock ID {lock['ID']}"],
        remedy=(
            "wait until that run has ended (--lock-timeout 10m waits); only if it is certainly dead, release "
            f"its lock: {place.unlock or place.by_hand('force-unlock', lock['ID'])}"
        ),
    )
