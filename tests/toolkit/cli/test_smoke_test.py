"""`toolkit smoke-test` refuses wrong options before it contacts a cloud."""

from __future__ import annotations

import pytest

from tests.support.checkout import ROOT
from tests.support.toolkit import Toolkit

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("options", "message", "remedy"),
    [
        (["--only", "apis"], "no layer named apis", "choose one of: endpoint, invocation, streaming"),
        (["--json", "--junit", "-"], "cannot print --json and --junit - at once", "--junit smoke.xml"),
        (["--markdown", "--html", "-"], "cannot print --markdown and --html - at once", "--junit smoke.xml"),
        (["--json", "--markdown"], "cannot print --json and --markdown at once", "once per format"),
        (
            ["--html", "README.md/x.html"],
            "cannot write a report: a file is in place of a folder",
            "name",
        ),
        (
            ["--junit", "/proc/x/x.xml"],
            "x.xml: cannot write a report: No such file",
            "name a file in",
        ),
        (["--html", "docs"], "this is a directory", "name a file"),
        (["--record", "--only", "api"], "--record needs all checks", "omit --only and --model"),
        (["--junit", "docs"], "this is a directory", "name a file"),
    ],
)
def test_wrong_options_are_refused(options: list[str], message: str, remedy: str) -> None:
    result = Toolkit(ROOT)("smoke-test", "--env", "local", *options)
    assert result.returncode == 2
    assert message in result.stderr
    assert remedy in result.stderr
