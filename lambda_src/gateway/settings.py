"""What the function's environment variables say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass


class SettingsError(Exception):
    """An environment variable is missing or wrong; the function can't start."""


@dataclass(frozen=True)
class Settings:
    """The gateway's configuration.

    Attributes:
        endpoints: SageMaker endpoint by model name; aliases are names too, in the order of the variable.
        port: TCP port to listen on.
    """

    endpoints: Mapping[str, str]
    port: int = 8080

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """Read `GATEWAY_MODELS` and `PORT`.

        Raises:
            SettingsError: one of them does not make sense.
        """
        try:
            models = json.loads(environ["GATEWAY_MODELS"])
            endpoints: dict[str, str] = {}
            for name, model in models.items():
                for alias in [name, *model.get("aliases", [])]:
                    if alias in endpoints:
                        raise SettingsError(f"GATEWAY_MODELS: two models are called {alias!r}")
                    endpoints[alias] = str(model["endpoint"])
            return cls(endpoints, int(environ.get("PORT", "8080")))
        except (KeyError, ValueError, AttributeError, TypeError) as error:
            raise SettingsError(
                'GATEWAY_MODELS must be {"<model>": {"endpoint": "<name>", "aliases": [...]}}, '
                f"PORT a number: {type(error).__name__} {error}"
            ) from error
