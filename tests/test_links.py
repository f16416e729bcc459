"""Links between Markdown files: their targets exist, and the index of docs/ lists every page."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.support.checkout import ROOT

IGNORED = {".venv", "build", "node_modules"}
FENCE = re.compile(r"^( *)(```|~~~).*?^\1\2 *$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
IMAGE = re.compile(r'<(?:img|source)\b[^>]*\b(?:src|srcset)="([^"]+)"')
# Paths of this repository in inline code; those with a placeholder are not checked.
PATH = re.compile(r"`((?:docs|lambda_src|policies|requirements|terraform|tests|toolkit)/[\w./-]+)`")
# Created by a reader of the page.
CREATED = {
    "terraform/environments/staging.yaml",
    "terraform/account/",
    "terraform/inference/",
    "toolkit/bundle",
}
HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)


def markdown_files() -> list[Path]:
    files = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in IGNORED and not name.startswith(".")]
        files += [Path(folder, name) for name in names if name.endswith(".md")]
    return sorted(files)


def anchors(text: str) -> set[str]:
    """The anchors that GitHub creates for the headings of a page."""
    counts: dict[str, int] = {}
    slugs = set()
    for heading in HEADING.findall(FENCE.sub("", text)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        repeats = counts.get(slug, 0)
        counts[slug] = repeats + 1
        slugs.add(f"{slug}-{repeats}" if repeats else slug)
    return slugs


def broken_links(file: Path) -> list[str]:
    text = FENCE.sub("", file.read_text(encoding="utf-8"))
    broken = []
    for link in [*LINK.findall(text), *IMAGE.findall(text)]:
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (file.parent / path).resolve() if path else file
        if not target.exists():
            broken.append(f"{link}: no such file")
        elif anchor and anchor not in anchors(target.read_text(encoding="utf-8")):
            broken.append(f"{link}: no such heading")
    return broken


@pytest.mark.parametrize("file", markdown_files(), ids=lambda file: str(file.relative_to(ROOT)))
def test_links_lead_somewhere(file: Path) -> None:
    assert broken_links(file) == []


@pytest.mark.parametrize("file", markdown_files(), ids=lambda file: str(file.relative_to(ROOT)))
def test_mentioned_paths_exist(file: Path) -> None:
    mentioned = set(PATH.findall(file.read_text(encoding="utf-8"))) - CREATED
    assert [path for path in sorted(mentioned) if not (ROOT / path).exists()] == []


def test_the_index_lists_every_page() -> None:
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / link).resolve() for link in LINK.findall(index.read_text(encoding="utf-8"))}
    pages = {page for page in index.parent.rglob("*.md") if page != index}
    assert pages - linked == set()
