"""A Python function of the user that checks texts: see `gateway.guard`."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, cast

from gateway.errors import ContentFilterError, GuardError
from gateway.guard import Block, Content, Replace

# Folder of the package that holds the guard's modules.
FOLDER: Final = "guard"


class EntryPoint:
    """A function that checks one text.

    Args:
        function: plain or `async`; a plain one runs in a thread.
    """

    def __init__(self, function: Callable[[Content], Any]) -> None:
        self._function = function
        call = getattr(function, "__call__", None)  # noqa: B004 - an object whose call is `async`
        self._is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)

    @classmethod
    def load(cls, name: str, environ: Mapping[str, str]) -> EntryPoint:
        """Import the function. If that fails, so do all its checks, but no request without them.

        Args:
            name: `module:function`.
            environ: names the package's folder.
        """
        root = environ.get("LAMBDA_TASK_ROOT")
        folder = Path(root) / FOLDER if root else Path(FOLDER)
        # Last, so that it does not replace modules of the gateway.
        sys.path.append(str(folder))
        try:
            return cls(_imported(name))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - of any code
            return cls(_failing(name, error))

    async def check(self, texts: Sequence[str], content: Content) -> list[str]:
        """See `Guard.check`."""
        return [await self._check(replace(content, text=text)) for text in texts]

    async def _check(self, content: Content) -> str:
        try:
            if self._is_async:
                verdict = await self._function(content)
            else:
                verdict = await asyncio.to_thread(self._function, content)
        except (Exception, SystemExit) as error:
            # Its text may quote the content.
            raise GuardError(cause=f"guard: {type(error).__name__} in {_location(error)}") from error
        match verdict:
            case None:
                return content.text
            case Replace(str(text)):
                return text
            case Block(str(reason)):
                raise ContentFilterError(reason, cause="guard: blocked")
        raise GuardError(cause=f"guard: its verdict is {type(verdict).__name__}")


def _imported(name: str) -> Callable[[Content], Any]:
    module, _, attribute = name.partition(":")
    function = getattr(importlib.import_module(module), attribute)
    if not callable(function):
        raise TypeError(f"{attribute} is not a function")
    return cast(Callable[[Content], Any], function)


def _failing(name: str, error: BaseException) -> Callable[[Content], Any]:
    """A function that fails as the import did, whose reason is logged here."""
    sys.stderr.write(f"cannot import the guard {name}: {type(error).__name__}: {error}\n")

    async def check(content: Content) -> None:  # noqa: ARG001
        raise error

    return check


def _location(error: BaseException) -> str:
    """File and line of an exception."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno}"
