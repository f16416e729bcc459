"""AWS's llama.cpp image without the container: llama.cpp's own server, from the package xllamacpp.

`python -m toolkit.local.serving.llama_cpp`, with the environment described in the package.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from toolkit.local.serving import llama_options, relay

# llama-server keeps up to 8 GiB of old prompts; a laptop has better uses.
_CACHE_RAM_MIB = 256
# For so many turns of a loop a thread that waits for another one keeps its processor, and sleeps then.
# By default it is billions: fine on an idle machine, but beside anything else that works (Terraform, a
# test suite) a model becomes slower by a factor of twenty. On an idle machine this costs nothing.
_SPIN_COUNT = "500"
# llama-server's "auto": four requests at once, each of which may use the whole context.
_PARALLEL_AUTO = -1


class ModelError(Exception):
    """There is no model to serve."""


def find_model(environment: Mapping[str, str]) -> Path:
    """The GGUF file to serve.

    `SM_LLAMA_CPP_MODEL` names it, relative to the model directory or as the path that it would have in
    the container; otherwise it is the first by name, which of a split model is the right one.

    Raises:
        ModelError: there is no such file.
    """
    directory = Path(environment["MODEL_DIRECTORY"])
    named = environment.get("SM_LLAMA_CPP_MODEL")
    if named:
        model = directory / named.removeprefix("/opt/ml/model/")
        if not model.is_file():
            raise ModelError(f"SM_LLAMA_CPP_MODEL names {named}, which is not among the model's files")
        return model
    # A vision model's projector lies beside the model and is not one.
    found = sorted(file for file in directory.rglob("*.gguf") if not file.name.startswith("mmproj"))
    if not found:
        raise ModelError("there is no *.gguf among the model's files")
    return found[0]


def parameters(environment: Mapping[str, str]) -> Any:
    """xllamacpp's parameters for a container's environment.

    Raises:
        ModelError, llama_options.OptionError: see there.
    """
    import xllamacpp

    params = xllamacpp.CommonParams()
    model = find_model(environment)
    params.model.path = str(model)
    # Answers name the model; the path on this machine is nobody's business.
    params.model_alias = {model.name}
    params.n_parallel = _PARALLEL_AUTO
    params.cache_ram_mib = _CACHE_RAM_MIB
    params.ui = False
    llama_options.apply(params, llama_options.from_environment(environment))
    # Its own listener, on a port of its choice, is behind the relay.
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    return params


class _Engine:
    """The server, once it has loaded the model."""

    def __init__(self) -> None:
        self._server: Any = None
        self.upstream: relay.Upstream | None = None

    def load(self, params: Any) -> None:
        """Blocks until the model can be used.

        Raises:
            RuntimeError: it cannot be loaded; llama.cpp has written why.
        """
        import xllamacpp

        self._server = xllamacpp.Server(params)
        port = urlsplit(self._server.listening_address).port
        if port is None:
            raise RuntimeError("llama.cpp's server does not listen")
        self.upstream = relay.Upstream("127.0.0.1", port, prefix="/v1", health="/health")


async def _serve(environment: Mapping[str, str]) -> None:
    params = parameters(environment)
    engine = _Engine()
    server = await relay.serve(int(environment["SAGEMAKER_BIND_TO_PORT"]), lambda: engine.upstream)
    async with server:
        await asyncio.to_thread(engine.load, params)
        stop = asyncio.Event()
        # Only now: llama.cpp installs a handler of its own while it starts.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        await stop.wait()


def main() -> int:
    """Serve until SIGTERM."""
    os.environ.setdefault("GOMP_SPINCOUNT", _SPIN_COUNT)
    try:
        asyncio.run(_serve(os.environ))
    except (ModelError, llama_options.OptionError, RuntimeError, OSError) as error:
        print(f"the model server cannot start: {error}", file=sys.stderr, flush=True)  # noqa: T201
        # Not os._exit: llama.cpp logs from a thread, which writes the rest of its queue on a normal exit.
        return 1
    # Skip the requests in progress: the sender of SIGTERM has waited for them.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
