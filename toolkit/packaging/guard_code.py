"""The user's own guard, a part of the gateway's package: see `gateway.guard`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from toolkit.environment.api import GuardCode
from toolkit.errors import InputError
from toolkit.project import Project

# Folder of the package; `gateway.guard.entry_point` reads it.
FOLDER = "guard"


def read(project: Project, code: GuardCode) -> dict[str, bytes]:
    """The guard's files, by their names in the package.

    Raises:
        InputError: they do not exist, are not valid Python, or do not define the function.
    """
    path = source(project, code)
    if path.is_file():
        files = {f"{FOLDER}/{path.name}": path.read_bytes()}
    else:
        files = {f"{FOLDER}/{file.relative_to(path).as_posix()}": file.read_bytes() for file in _files(path)}
    _check(files, code)
    return files


def source(project: Project, code: GuardCode) -> Path:
    """The file or folder of the guard.

    Raises:
        InputError: it does not exist.
    """
    path = project.root / code.path
    if not path.exists():
        raise InputError("cannot find the guard", where=code.path, remedy="correct api.guard.python.path")
    return path


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_file() and not any(part.startswith(".") or part == "__pycache__" for part in parts):
            yield path


def _check(files: dict[str, bytes], code: GuardCode) -> None:
    module, _, function = code.function.partition(":")
    name = f"{FOLDER}/{module.replace('.', '/')}"
    names = [candidate for candidate in (f"{name}.py", f"{name}/__init__.py") if candidate in files]
    if not names:
        raise InputError(
            f"cannot find the guard's module {module}",
            where=code.path,
            remedy="correct api.guard.python.path or api.guard.python.function",
        )
    if function not in _defined(files[names[0]], f"{code.path}: {names[0].removeprefix(f'{FOLDER}/')}"):
        raise InputError(
            f"cannot find the function {function} in the guard's module {module}",
            where=code.path,
            remedy="correct api.guard.python.function, such as my_guard:check",
        )


def _defined(content: bytes, where: str) -> set[str]:
    """Names at the top level of a module."""
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError) as error:
        line = f":{error.lineno}" if isinstance(error, SyntaxError) else ""
        raise InputError(f"cannot parse the guard: {error}", where=f"{where}{line}") from error
    names: set[str] = set()
    for node in tree.body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                names.add(node.name)
            case ast.Assign():
                names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case ast.Import() | ast.ImportFrom():
                names |= {alias.asname or alias.name for alias in node.names}
    return names
