from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CONNECT = """
import socket, sys
from toolkit.local import guard
guard.refuse_outgoing_connections()
try:
    socket.create_connection((sys.argv[1], 1), timeout=5)
except PermissionError as error:
    print("refused:", error)
except OSError:
    print("tried")
"""


@pytest.mark.parametrize(
    ("address", "outcome"),
    [
        ("127.0.0.1", "tried"),
        ("localhost", "tried"),
        ("::1", "tried"),
        ("192.0.2.1", "refused: the embedded cloud connects to loopback addresses only, not to 192.0.2.1"),
        ("s3.amazonaws.com", "refused: "),
        ("2001:db8::1", "refused: "),
    ],
)
def test_only_loopback_connections_are_allowed(address: str, outcome: str) -> None:
    # In a new process: an audit hook cannot be removed.
    result = subprocess.run(
        [sys.executable, "-c", CONNECT, address],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.startswith(outcome)


LOG = """
import logging, os, sys
from pathlib import Path
from toolkit.local import guard
guard.MAX_LOG_BYTES = 10_000
guard.configure_logging(Path(sys.argv[1]))
for number in range(1000):
    logging.getLogger("test").info("line %d", number)
os.write(2, b"from a library in C\\n")
"""


def test_the_log_is_rotated(tmp_path: Path) -> None:
    file = tmp_path / "cloud.log"
    with file.open("ab") as log:
        subprocess.run([sys.executable, "-c", LOG, str(file)], stderr=log, check=True)
    assert file.stat().st_size < 11_000
    lines = file.read_text().splitlines()
    assert lines[-1] == "from a library in C"
    assert lines[-2].endswith("line 999")
    assert (tmp_path / "cloud.log.1").stat().st_size < 11_000
