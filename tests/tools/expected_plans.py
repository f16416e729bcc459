"""Plans the table of environments and stores the plans that tests/terraform/test_environments.py expects.

python -m tests.tools.expected_plans            # all environments
python -m tests.tools.expected_plans vllm tei   # some
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.support import expectations
from tests.support.checkout import ROOT
from tests.support.cloudprocess import running
from tests.support.environments import table
from tests.support.terraform import Rig, copy_project, find_program, make_packages


def command(name: str) -> str:
    """Return the command that updates an environment's expectation."""
    return f"`.venv/bin/python -m {__name__} {name}`"


def main(names: list[str]) -> int:
    """Store the plans of these environments, or of all; returns the exit code."""
    unknown = set(names) - set(table())
    if unknown:
        sys.stderr.write(
            f"no such environments: {', '.join(sorted(unknown))}; there are {', '.join(table())}\n"
        )
        return 2
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "cloud") as cloud:
        project = copy_project(Path(folder) / "project")
        rig = Rig(project, find_program(project), cloud)
        packages = make_packages(Path(folder))
        expectations.ensure_role(rig)
        for name, digest in expectations.digests(
            expectations.planned(rig, names or table(), packages)
        ).items():
            file = expectations.write(name, digest)
            sys.stderr.write(f"{file.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
