"""`python3 -m gateway`: serve until Lambda ends the instance."""

from __future__ import annotations

import os
import sys

from gateway.endpoints import Endpoints
from gateway.settings import Settings, SettingsError


def main() -> int:
    """Serve on 127.0.0.1:PORT.

    Returns:
        The exit code: 1 if the settings are wrong.
    """
    # First, because it goes on in a thread while the imports below run.
    endpoints = Endpoints()
    import uvicorn

    from gateway.app import create_app
    from gateway.service import Models

    try:
        settings = Settings.from_environment(os.environ)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    app = create_app(Models(settings.models, endpoints), settings)
    # Ready only with a client: what Lambda does before the first request costs that request nothing.
    endpoints.wait_until_ready()
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=settings.port,
        http="h11",
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        # Longer than the adapter keeps its connections, so that none is closed under a request.
        timeout_keep_alive=60,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
