"""A Python function of the user that checks texts: see `gateway.guard`."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from gateway.errors import ContentFilterError, GuardError
from gateway.guard import Block, Content, Replace
from gateway.settings import SettingsError

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
        """Import the function.

        Args:
            name: `module:function`.
            environ: names the package's folder.

        Raises:
            SettingsError: the function cannot be imported.
        """
        root = environ.get("LAMBDA_TASK_ROOT")
        folder = Path(root) / FOLDER if root else Path(FOLDER)
        # Last, so that it does not replace modules of the gateway.
        sys.path.append(str(folder))
        module, _, attribute = name.partition(":")
        try:
            function = getattr(importlib.import_module(module), attribute)
        except Exception as error:
            raise SettingsError(f"cannot import the guard {name}: {type(error).__name__}: {error}") from error
        if not callable(function):
            raise SettingsError(f"cannot use the guard {name}: it is not a function")
        return cls(function)

    async def check(self, texts: Sequence[str], content: Content) -> list[str]:
        """See `Guard.check`."""
        return [await self._check(replace(content, text=text)) for text in texts]

    async def _check(self, content: Content) -> str:
        if self._is_async:
            verdict = await self._function(content)
        else:
            verdict = await asyncio.to_thread(self._function, content)
        match verdict:
            case None:
                return content.text
            case Replace(str(text)):
                return text
            case Block(str(reason)):
                raise ContentFilterError(reason, cause="guard: blocked")
        raise GuardError(cause=f"guard: its verdict is {type(verdict).__name__}")
