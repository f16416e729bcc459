"""A container that forwards to another model server on this machine, such as Ollama or vLLM.

Run `python -m toolkit.local.serving.openai_proxy` with the environment of the package and

    OPENAI_BASE_URL    the server's OpenAI API, such as http://127.0.0.1:11434/v1
    OPENAI_MODEL       the model's name on the server; by default, requests keep theirs
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import signal
import socket
import sys
from collections.abc import Mapping
from urllib.parse import urlsplit

from toolkit.local.serving import relay


class AddressError(ValueError):
    """The address is not on this machine."""


def upstream(environment: Mapping[str, str]) -> relay.Upstream:
    """The server in the environment.

    Raises:
        AddressError: its URL is not plain HTTP on a loopback address.
    """
    url = environment["OPENAI_BASE_URL"]
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise AddressError(f"invalid OPENAI_BASE_URL {url}: use a URL like http://127.0.0.1:11434/v1")
    host = _loopback(parts.hostname)
    prefix = parts.path.rstrip("/")
    model = environment.get("OPENAI_MODEL") or None
    return relay.Upstream(host, parts.port or 80, prefix, health=f"{prefix}/models", model=model)


def _loopback(name: str) -> str:
    try:
        addresses = {str(entry[4][0]) for entry in socket.getaddrinfo(name, None)}
    except OSError as error:
        raise AddressError(f"cannot resolve the host {name} of OPENAI_BASE_URL: {error}") from error
    if not all(ipaddress.ip_address(address).is_loopback for address in addresses):
        raise AddressError(f"invalid OPENAI_BASE_URL: {name} is not this machine")
    return sorted(addresses)[0]


async def _serve(environment: Mapping[str, str]) -> None:
    target = upstream(environment)
    server = await relay.serve(int(environment["SAGEMAKER_BIND_TO_PORT"]), lambda: target)
    async with server:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        print(f"relaying to {environment['OPENAI_BASE_URL']}", flush=True)  # noqa: T201
        await stop.wait()


def main() -> int:
    """Relay until SIGTERM."""
    try:
        asyncio.run(_serve(os.environ))
    except (AddressError, OSError) as error:
        print(f"cannot start the model server: {error}", file=sys.stderr, flush=True)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
