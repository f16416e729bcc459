"""Terraform's errors and warnings, condensed and converted to the toolkit's errors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from toolkit.errors import StalePlanError, StateError, TerraformError, ToolkitError
from toolkit.lock_info import LockInfo
from toolkit.terraform.messages import member, word

# The AWS SDK wraps the error message in details of the HTTP transport.
_SDK_NOISE = re.compile(
    r"operation error ([\w ]+): (\w+), (?:exceeded maximum number of attempts, \d+, )?"
    r"https response error StatusCode: \d+, RequestID: [^,]*, (?:HostID: [^,]*, )?(?:api error )?"
)
_LOCK_FIELD = re.compile(r"^\s*(ID|Path|Operation|Who|Created):[ \t]*(\S.*?)\s*$", re.MULTILINE)
_LOCK_SUMMARY = "Error acquiring the state lock"
_UNLOCK_SUMMARY = "Error releasing the state lock"
# A diagnostic that only announces the others.
_PREAMBLE = "Terraform encountered problems during initialisation"
_STALE_SUMMARIES = ("Saved plan is stale", "Saved plan does not match the given state")


class CommandContext(Protocol):
    """The context of a failed command."""

    @property
    def unlock(self) -> str | None:
        """The command that removes an abandoned lock; None for `terraform force-unlock`."""

    def relative(self, file: str) -> str:
        """Convert a file name reported by Terraform to one relative to the project."""

    def by_hand(self, *arguments: str) -> str:
        """The command line that runs Terraform by hand with `arguments`."""


@dataclass(frozen=True)
class Diagnostic:
    """An error or warning from Terraform.

    Attributes:
        severity: "error" or "warning".
        summary: Terraform's headline.
        detail: the explanation; may be empty.
        address: the resource or other object concerned, if any.
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
        """Parse the `diagnostic` of a message."""
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
        """The summary without SDK noise."""
        return condense(self.summary)[0] if self.summary.strip() else "unknown error"

    def paragraphs(self) -> list[str]:
        """The detail without SDK noise, one line per paragraph."""
        return condense(self.detail)

    def where(self, context: CommandContext) -> str | None:
        """File, line and resource, as far as known."""
        source = f"{context.relative(self.file)}:{self.line}" if self.file else None
        if source and self.address:
            return f"{source} ({self.address})"
        return source or self.address

    def lines(self, context: CommandContext) -> list[str]:
        """Headline and indented detail."""
        location = self.where(context)
        headline = f"{location}: {self.headline()}" if location else self.headline()
        return [headline, *(f"  {paragraph}" for paragraph in self.paragraphs())]


def _object(snippet: dict[str, Any]) -> str | None:
    """The block that contains the source line, `resource "a" "b"` as an address."""
    words = [part.strip('"') for part in word(snippet, "context").split()]
    return ".".join(words[1:] if words[:1] == ["resource"] else words) or None


def condense(text: str) -> list[str]:
    """The paragraphs of `text`, one line each, without the AWS SDK's transport details."""
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
    context: CommandContext,
    log: str,
) -> ToolkitError:
    """The error for a failed Terraform command.

    Args:
        command: "plan", "apply", …
        diagnostics: its diagnostics; warnings are ignored.
        plain: its plain-text output, used if there is no error diagnostic.
        context: the command's context.
        log: the file with its full output.
    """
    errors = list(dict.fromkeys(item for item in diagnostics if item.severity == "error"))
    errors = [error for error in errors if not error.summary.startswith(_PREAMBLE)]
    for error in errors:
        special = _state_error(error, context)
        if special:
            return special
    if not errors:
        return TerraformError(
            f"terraform {command} failed without an error diagnostic",
            details=[*plain][-12:],
            remedy=f"see its full output in {log}",
        )
    if all(error.summary == _UNLOCK_SUMMARY for error in errors):
        unlock = context.unlock or context.by_hand("force-unlock")
        return TerraformError(
            "cannot release the state lock",
            details=errors[0].paragraphs()[:1],
            remedy=f"clear it, and run the same command again: {unlock}",
        )
    if len(errors) == 1:
        only = errors[0]
        return TerraformError(only.headline(), where=only.where(context), details=only.paragraphs())
    details = [line for error in errors for line in error.lines(context)]
    return TerraformError(f"terraform {command} reported {len(errors)} errors", details=details)


class LockDeniedError(TerraformError):
    """The credentials may read the state but not lock it."""


def _state_error(error: Diagnostic, context: CommandContext) -> ToolkitError | None:
    if error.summary in _STALE_SUMMARIES:
        return StalePlanError(details=["state: changed since the plan was created"])
    if error.summary == _LOCK_SUMMARY:
        if "PutObject" in error.detail and "AccessDenied" in error.detail:
            return LockDeniedError(error.headline(), details=error.paragraphs())
        return lock_error(error.detail, context)
    return None


def lock_error(detail: str, context: CommandContext) -> StateError | None:
    """The error for a lock held by another run; None for other reasons (missing bucket, no permission)."""
    fields = dict(_LOCK_FIELD.findall(detail))
    lock = LockInfo.from_fields(fields)
    if not lock.id:
        if "PreconditionFailed" not in detail:
            return None
        return StateError(
            "another run acquired the state lock at the same moment",
            remedy="run the command again; if the error persists, inspect the lock: "
            f"{context.unlock or context.by_hand('force-unlock')}",
        )
    return StateError(
        f"the state is {lock}",
        where=fields.get("Path"),
        details=[f"lock ID {lock.id}"],
        remedy=(
            "wait for that run to end (--lock-timeout 10m); only if it is certainly dead, clear its lock: "
            f"{context.unlock or context.by_hand('force-unlock', lock.id)}"
        ),
    )
