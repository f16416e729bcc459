"""Which models are guarded, and what guards them. Fails closed: what cannot be checked does not pass."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from gateway.errors import ApiError, GuardError
from gateway.guard import Content, Source
from gateway.settings import GuardSettings, Model


class Guard(Protocol):
    """Checks texts."""

    async def check(self, texts: Sequence[str], content: Content) -> list[str]:
        """The texts as they may pass.

        Args:
            texts: at least one, none of them empty.
            content: describes each of them; its own text is empty.

        Raises:
            ContentFilterError: they may not.
            ApiError: they cannot be checked.
        """


class Guards:
    """The guards of this gateway.

    Args:
        settings: which models they guard.
        guards: in the order in which they check a text.
    """

    def __init__(self, settings: GuardSettings, guards: Sequence[Guard]) -> None:
        self.settings = settings
        self._guards = guards

    @classmethod
    def create(cls, settings: GuardSettings | None, environ: Mapping[str, str]) -> Guards | None:
        """The configured guards; None without any.

        Raises:
            SettingsError: a guard cannot be loaded.
        """
        if settings is None:
            return None
        # Imported only if they are used: a guard must not cost others a slower cold start.
        guards: list[Guard] = []
        if settings.python is not None:
            from gateway.guard.entry_point import EntryPoint

            guards.append(EntryPoint.load(settings.python, environ))
        if settings.bedrock is not None:
            from gateway.guard.bedrock import BedrockGuard

            guards.append(BedrockGuard(settings.bedrock, environ))
        return cls(settings, guards)

    def of(self, model: Model, source: Source) -> bool:
        """Whether a model's input or output is guarded: as its own, or as that of its fallback."""
        models = self.settings.models
        guarded = models is None or model.name in models or model.fallback in models
        return guarded and source in self.settings.sources

    async def check(self, texts: Sequence[str], content: Content) -> list[str]:
        """The texts as they may pass; see `Guard.check`.

        Raises:
            ContentFilterError: they may not.
            GuardError: a guard failed, or did not finish in time.
        """
        positions = [index for index, text in enumerate(texts) if text]
        checked = list(texts)
        if not positions:
            return checked
        try:
            async with asyncio.timeout(self.settings.timeout_seconds):
                for guard in self._guards:
                    passed = await guard.check([checked[index] for index in positions], content)
                    for index, text in zip(positions, passed, strict=True):
                        checked[index] = text
                    positions = [index for index in positions if checked[index]]
                    if not positions:
                        break
        except ApiError:
            raise
        except TimeoutError:
            raise GuardError(cause=f"not finished after {self.settings.timeout_seconds:g} s") from None
        except Exception as error:
            # Its text may quote the content.
            raise GuardError(cause=f"{type(guard).__name__}: {type(error).__name__}") from error
        return checked


@dataclass(frozen=True)
class Guarding:
    """The guards of one request.

    Attributes:
        guards: all of them.
        content: describes its texts.
        sources: what they check.
        stream: whether the client reads the response while it arrives.
    """

    guards: Guards
    content: Content
    sources: frozenset[Source]
    stream: bool

    async def check_input(self, texts: Sequence[str]) -> list[str]:
        """Texts of the request; see `Guards.check`."""
        return await self.guards.check(texts, self.content)

    async def check_output(self, text: str) -> str:
        """A text of the response; see `Guards.check`."""
        return (await self.guards.check([text], replace(self.content, source="output")))[0]
