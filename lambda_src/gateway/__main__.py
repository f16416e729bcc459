"""`python3 -m gateway`: serve until Lambda stops the instance."""

from __future__ import annotations

import gc
import os
import sys
from types import ModuleType
from typing import TYPE_CHECKING

from gateway.endpoints import Endpoints
from gateway.settings import Settings, SettingsError

if TYPE_CHECKING:
    from gateway.budgets import Budgets


def main() -> int:
    """Serve on 127.0.0.1:PORT.

    Returns:
        The exit code: 1 if the settings are invalid.
    """
    # Imports create no garbage, and the search for it takes a fifth of a cold start.
    gc.disable()
    _skip_command_line()
    from uvicorn.config import Config
    from uvicorn.server import Server

    from gateway.app import create_app
    from gateway.guard.guards import Guards
    from gateway.service import Models

    try:
        settings = Settings.from_environment(os.environ)
        endpoints = Endpoints(os.environ)
        guards = Guards.create(settings.guard, os.environ)
        budgets = _budgets(settings)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    config = Config(
        create_app(Models(settings.models, endpoints, settings.key_models, guards), settings, budgets),
        host="127.0.0.1",
        port=settings.port,
        http="h11",
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        # Longer than the adapter keeps its connections, so that the server never closes one in use.
        timeout_keep_alive=60,
    )
    config.load()  # its imports belong to the start, too
    gc.freeze()
    gc.enable()
    Server(config).run()
    return 0


def _budgets(settings: Settings) -> Budgets | None:
    if not settings.budgets:
        return None
    # Imported only if they are used.
    from gateway.budgets import Budgets
    from gateway.dynamodb import Table

    return Budgets(settings, Table(os.environ, settings.budget_table, settings.budget_seconds))


def _skip_command_line() -> None:
    """Keep uvicorn's `__init__` from importing its command line and click, a third of all code to compile."""
    command_line = ModuleType("uvicorn.main")
    command_line.__dict__.update(Server=None, main=None, run=None)
    sys.modules[command_line.__name__] = command_line


if __name__ == "__main__":
    sys.exit(main())
