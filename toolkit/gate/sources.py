"""Locates the blocks behind a plan's addresses, and the skip comments in them.

checkov can add source lines to a plan (`--repo-root-for-plan-enrichment`), but matches only type and name:
if two modules have an `aws_cloudwatch_log_group.this`, it reports the wrong one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

_INDEX = re.compile(r'\[(?:\d+|"(?:[^"\\]|\\.)*")\]')
# Blocks start in the first column, as `terraform fmt` formats them.
_HEADER = re.compile(r'^(?P<keyword>\w+)(?P<labels>(?:[ \t]+"[^"]+")*)[ \t]*\{')
_SKIP = re.compile(r"checkov:skip=[ \t]*(?P<rules>[\w,-]+)(?::(?P<reason>.*))?")


@dataclass(frozen=True)
class Comment:
    """A skip comment, which exempts the block it is in from rules.

    Attributes:
        line: its line.
        rules: ids of the rules.
        reason: why; empty if missing.
    """

    line: int
    rules: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Block:
    """A block of a Terraform file.

    Attributes:
        file: the file.
        line: its first line.
        end: its last line.
    """

    file: Path
    line: int
    end: int


@dataclass(frozen=True)
class Source:
    """A Terraform file.

    Attributes:
        file: its path.
        lines: its text.
    """

    file: Path
    lines: tuple[str, ...]

    @cached_property
    def blocks(self) -> dict[str, Block]:
        """Its blocks by address: "aws_iam_role.this", "data.aws_iam_role.this", "module.api"."""
        return {address: Block(self.file, line, self._end(line)) for line, address in self._headers()}

    @cached_property
    def comments(self) -> tuple[Comment, ...]:
        """Its skip comments."""
        return tuple(
            Comment(number, tuple(match["rules"].split(",")), (match["reason"] or "").strip())
            for number, line in enumerate(self.lines, 1)
            if (match := _SKIP.search(line))
        )

    def stray_comments(self) -> list[Comment]:
        """Skip comments outside of all blocks."""
        inside = [range(block.line, block.end + 1) for block in self.blocks.values()]
        return [comment for comment in self.comments if not any(comment.line in lines for lines in inside)]

    def _headers(self) -> Iterator[tuple[int, str]]:
        for number, line in enumerate(self.lines, 1):
            match = _HEADER.match(line)
            if match:
                labels = re.findall(r'"([^"]+)"', match["labels"])
                kind = [] if match["keyword"] == "resource" else [match["keyword"]]
                yield number, ".".join([*kind, *labels])

    def _end(self, start: int) -> int:
        """The line of a block's closing brace: its first line, or the next one with nothing else."""
        if self.lines[start - 1].rstrip().endswith("}"):
            return start
        closing = (n for n in range(start, len(self.lines)) if self.lines[n].rstrip() == "}")
        return next(closing, len(self.lines) - 1) + 1


class Sources:
    """Terraform files, read once each."""

    def __init__(self) -> None:
        self._files: dict[Path, Source] = {}

    def file(self, path: Path) -> Source:
        """Read a file."""
        if path not in self._files:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            self._files[path] = Source(path, tuple(lines))
        return self._files[path]

    def find(self, folder: Path, address: str) -> Block | None:
        """Find a block in a module's directory, by its address in the module."""
        for path in sorted(folder.glob("*.tf")):
            if address in self.file(path).blocks:
                return self.file(path).blocks[address]
        return None

    def comments(self, block: Block) -> list[Comment]:
        """The skip comments inside a block."""
        return [
            comment for comment in self.file(block.file).comments if block.line <= comment.line <= block.end
        ]

    def stray_comments(self) -> list[tuple[Path, Comment]]:
        """Skip comments outside of all blocks in the files read so far; checkov ignores them, too."""
        return [(path, comment) for path, file in self._files.items() for comment in file.stray_comments()]


class PlanSources:
    """The source code of a plan.

    Args:
        document: output of `terraform show -json`.
        stack: directory of its root module.
        sources: the files.
    """

    def __init__(self, document: Mapping[str, Any], stack: Path, sources: Sources) -> None:
        self._root: Mapping[str, Any] = document.get("configuration", {}).get("root_module", {})
        self._stack = stack
        self._sources = sources

    def block(self, address: str) -> Block | None:
        """Find a resource's block; for a module from outside the project, the module's call.

        Args:
            address: 'module.endpoint["qwen"].aws_sagemaker_model.this[0]'.

        Returns:
            None if there is none.
        """
        parts = _INDEX.sub("", address).split(".")
        folder, configuration, call = self._stack, self._root, None
        while len(parts) > 2 and parts[0] == "module":
            call = self._sources.find(folder, f"module.{parts[1]}") or call
            called = configuration.get("module_calls", {}).get(parts[1], {})
            if not called.get("source", "").startswith(("./", "../")):
                return call
            folder = (folder / called["source"]).resolve()
            configuration, parts = called.get("module", {}), parts[2:]
        return self._sources.find(folder, ".".join(parts)) or call
