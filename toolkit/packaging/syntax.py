"""Mistakes in a function's source that can be told before it is uploaded."""

from __future__ import annotations

from toolkit.errors import InputError
from toolkit.project import Project


def check(project: Project) -> None:
    """Read all source of the functions as Python would.

    Raises:
        InputError: a file is no Python; names the line.
    """
    for path in sorted((project.root / "lambda_src").rglob("*.py")):
        try:
            compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            raise _mistake(project.relative(path), error) from error


def _mistake(path: str, error: SyntaxError | ValueError) -> InputError:
    if not isinstance(error, SyntaxError):
        return InputError(str(error), where=path)
    details = [error.text.rstrip()] if error.text else []
    return InputError(f"{error.msg}; nothing was uploaded", where=f"{path}:{error.lineno}", details=details)
