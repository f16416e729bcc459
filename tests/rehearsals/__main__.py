"""Plant faults in a change, rehearse it, then apply it to a plain embedded cloud, and compare the verdicts.

make rehearsal-faults [FAULT='missing right']
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.rehearsals.faults import FAULTS
from tests.rehearsals.site import Comparison, opened
from tests.support.checkout import forget_settings
from toolkit.report.tables import Table

COLUMNS = ("fault", "rehearsal", "apply", "agree", "failed requests", "rehearsed in", "applied in")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table; returns 0 if both verdicts are the expected one for each fault."""
    parser = argparse.ArgumentParser(prog="make rehearsal-faults", description=__doc__)
    names = [fault.name for fault in FAULTS]
    parser.add_argument("--fault", choices=names, action="append", help="only this one; can be repeated")
    options = parser.parse_args(arguments)
    forget_settings()
    comparisons: list[Comparison] = []
    with tempfile.TemporaryDirectory(prefix="rehearsals-") as folder, opened(Path(folder)) as site:
        for fault in FAULTS:
            if fault.name in (options.fault or names):
                comparison = site.compare(fault)
                comparisons.append(comparison)
                print("  ".join(comparison.cells()), flush=True)
                print("\n".join(comparison.surprises()), flush=True)
    rows = [comparison.cells() for comparison in comparisons]
    print("\n".join(Table("", COLUMNS, rows, texts=4).as_markdown()))
    return int(any(comparison.surprises() for comparison in comparisons))


if __name__ == "__main__":
    sys.exit(main())
