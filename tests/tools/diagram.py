"""Draws docs/explanation/architecture.svg from architecture.dot with Graphviz.

python -m tests.tools.diagram
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys

from tests.support.checkout import ROOT

SOURCE = ROOT / "docs" / "explanation" / "architecture.dot"
PICTURE = SOURCE.with_suffix(".svg")
# The background is opaque, because the page around the image can be light or dark.
STYLE = """
text { font-family: Helvetica, Arial, sans-serif; fill: #1f2328 }
.graph > polygon { fill: #ffffff }
.cluster polygon { fill: #f6f8fa; stroke: #d0d7de }
.data path { fill: #ddf4ff; stroke: #0969da }
.resource path { fill: #fff8c5; stroke: #9a6700 }
.person path { fill: #dafbe1; stroke: #1a7f37 }
.edge path { stroke: #57606a } .edge polygon { fill: #57606a; stroke: #57606a }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .graph > polygon { fill: #0d1117 }
  .cluster polygon { fill: #161b22; stroke: #30363d }
  .data path { fill: #0c2d6b; stroke: #58a6ff }
  .resource path { fill: #341a00; stroke: #d29922 }
  .person path { fill: #033a16; stroke: #3fb950 }
  .edge path { stroke: #8b949e } .edge polygon { fill: #8b949e; stroke: #8b949e }
}
"""


def digest() -> str:
    """Return the SHA-256 of the sources of the picture."""
    return hashlib.sha256(SOURCE.read_bytes() + STYLE.encode()).hexdigest()


def main() -> int:
    """Draw the picture; returns the exit code."""
    if not shutil.which("dot"):
        sys.stderr.write("cannot draw the diagram: Graphviz is not installed (apt install graphviz)\n")
        return 1
    svg = subprocess.run(["dot", "-Tsvg", str(SOURCE)], capture_output=True, text=True, check=True).stdout
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<!--.*?-->\n?", "", svg, flags=re.DOTALL)
    svg = svg.replace(">", f">\n<!-- source: sha256 {digest()} -->\n<style>{STYLE}</style>", 1)
    PICTURE.write_text(svg, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
