"""The architecture diagram is up to date."""

from __future__ import annotations

from tests.tools import diagram


def test_the_picture_is_up_to_date() -> None:
    message = "architecture.svg is stale: run `make diagram` (needs Graphviz) and commit the result"
    assert f"sha256 {diagram.digest()}" in diagram.PICTURE.read_text(encoding="utf-8"), message
