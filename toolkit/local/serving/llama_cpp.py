"""A llama.cpp image without the container: llama.cpp's server from the package xllamacpp.

Run `python -m toolkit.local.serving.llama_cpp [OPERATION]` with the environment of the package. An operation
gets all invocations, as in AWS's image; without it, their members select the operation.
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
from toolkit.serving.operations import OPERATIONS, Operation

# llama-server caches up to 8 GiB of old prompts by default, too much for a laptop.
_CACHE_RAM_MIB = 256
# Busy-wait loops before a waiting OpenMP thread sleeps. With the default of billions, a model runs twenty
# times slower next to any other load (Terraform, a test suite). On an idle machine, 500 costs nothing.
_SPIN_COUNT = "500"
# llama-server's "auto": four parallel requests, each of which may use the whole context.
_PARALLEL_AUTO = -1
_AUTO_SLOTS = 4


class ModelError(Exception):
    """The model directory does not contain the model."""


def find_model(environment: Mapping[str, str]) -> Path:
    """The GGUF file to serve.

    `SM_LLAMA_CPP_MODEL` names it, relative to the model directory or as a path in the container. By default
    it is the only file: of several, AWS's container takes the first that `find -maxdepth 2` lists, in no
    certain order.

    Raises:
        ModelError: the file does not exist, or there are several.
    """
    directory = Path(environment["MODEL_DIRECTORY"])
    file_name = environment.get("SM_LLAMA_CPP_MODEL")
    if file_name:
        model = directory / file_name.removeprefix("/opt/ml/model/")
        if not model.is_file():
            raise ModelError(f"SM_LLAMA_CPP_MODEL: {file_name} is not among the model's files")
        return model
    models = [*directory.glob("*.gguf"), *directory.glob("*/*.gguf")]
    if not models:
        raise ModelError("no *.gguf file among the model's files")
    if len(models) > 1:
        raise ModelError(f"SM_LLAMA_CPP_MODEL must name one of the {len(models)} *.gguf files")
    return models[0]


def parameters(environment: Mapping[str, str]) -> Any:
    """xllamacpp's parameters for a container's environment.

    Raises:
        ModelError: see `find_model`.
        llama_options.OptionError: an option is invalid.
    """
    import xllamacpp

    params = xllamacpp.CommonParams()
    model = find_model(environment)
    params.model.path = str(model)
    # Responses name the model; do not expose the path on this machine.
    params.model_alias = {model.name}
    params.n_parallel = _PARALLEL_AUTO
    params.cache_ram_mib = _CACHE_RAM_MIB
    params.ui = False
    # It shows prompts, to any user of this machine who finds the port.
    params.endpoint_slots = False
    llama_options.apply(params, llama_options.from_environment(environment))
    # llama.cpp's listener, on any free port, is behind the relay.
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    return params


class _Engine:
    """The server, once it has loaded the model."""

    def __init__(self, only: Operation | None) -> None:
        self._only = only
        self._server: Any = None
        self.upstream: relay.Upstream | None = None

    def load(self, params: Any) -> None:
        """Load the model; blocks.

        Raises:
            RuntimeError: llama.cpp cannot load it, and logs the reason.
        """
        import xllamacpp

        self._server = xllamacpp.Server(params)
        slots = params.n_parallel if params.n_parallel > 0 else _AUTO_SLOTS
        port = urlsplit(self._server.listening_address).port
        if port is None:
            raise RuntimeError("llama.cpp's server has no listening port")
        self.upstream = relay.Upstream(
            "127.0.0.1", port, "/v1", "/health", admission=relay.Admission(slots), only=self._only
        )


async def _serve(environment: Mapping[str, str], only: Operation | None) -> None:
    params = parameters(environment)
    engine = _Engine(only)
    server = await relay.serve(int(environment["SAGEMAKER_BIND_TO_PORT"]), lambda: engine.upstream)
    async with server:
        await asyncio.to_thread(engine.load, params)
        stop = asyncio.Event()
        # After the start, because llama.cpp installs its own handler then.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        await stop.wait()


def main() -> int:
    """Serve until SIGTERM."""
    os.environ.setdefault("GOMP_SPINCOUNT", _SPIN_COUNT)
    only = next((operation for operation in OPERATIONS if operation in sys.argv[1:]), None)
    try:
        asyncio.run(_serve(os.environ, only))
    except (ModelError, llama_options.OptionError, RuntimeError, OSError) as error:
        print(f"cannot start the model server: {error}", file=sys.stderr, flush=True)  # noqa: T201
        # Not os._exit: llama.cpp logs from a thread, which writes the rest of its queue on a normal exit.
        return 1
    # Skip the requests in progress: the sender of SIGTERM has waited for them.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
