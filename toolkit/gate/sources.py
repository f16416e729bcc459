"""Where resources are written: finds the blocks that a plan's addresses come from, and comments in them.

checkov can add source lines to a plan by itself (`--repo-root-for-plan-enrichment`), but looks for type and
name alone: of two modules that both have an `aws_cloudwatch_log_group.this`, it names the wrong one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

_INDEX = re.compile(r'\[(?:\d+|"(?:[^"\\]|\\.)*")\]')
# In the first column, as `terraform fmt` puts blocks, and nothing else that looks like one.
_HEADER = re.compile(r'^(?P<keyword>\w+)(?P<labels>(?:[ \t]+"[^"]+")*)[ \t]*\{')
_SKIP = re.compile(r"checkov:skip=[ \t]*(?P<rules>[\w,-]+)(?::(?P<reason>.*))?")


@dataclass(frozen=True)
class Comment:
    """A comment that says that rules do not apply to the block it is in.

    Attributes:
        line: its line.
        rules: the rules' ids.
        reason: why; empty if it does not say.
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
        """Its blocks, as in an address: "aws_iam_role.this", "data.aws_iam_role.this", "module.api"."""
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
        return [each for each in self.comments if not any(each.line in lines for lines in inside)]

    def _headers(self) -> Iterator[tuple[int, str]]:
        for number, line in enumerate(self.lines, 1):
            match = _HEADER.match(line)
            if match:
                labels = re.findall(r'"([^"]+)"', match["labels"])
                kind = [] if match["keyword"] == "resource" else [match["keyword"]]
                yield number, ".".join([*kind, *labels])

    def _end(self, start: int) -> int:
        """The line of the brace that closes a block: in its first line, or alone in the first column."""
        if self.lines[start - 1].rstrip().endswith("}"):
            return start
        closing = (n for n in range(start, len(self.lines)) if self.lines[n].rstrip() == "}")
        return next(closing, len(self.lines) - 1) + 1


class Sources:
    """Terraform files, each read once."""

    def __init__(self) -> None:
        self._files: dict[Path, Source] = {}

    def file(self, path: Path) -> Source:
        """A file."""
        if path not in self._files:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            self._files[path] = Source(path, tuple(lines))
        return self._files[path]

    def find(self, folder: Path, address: str) -> Block | None:
        """A block of a module, by its address in the module."""
        for path in sorted(folder.glob("*.tf")):
            if address in self.file(path).blocks:
                return self.file(path).blocks[address]
        return None

    def comments(self, block: Block) -> list[Comment]:
        """The skip comments inside a block."""
        return [each for each in self.file(block.file).comments if block.line <= each.line <= block.end]

    def stray_comments(self) -> list[tuple[Path, Comment]]:
        """Skip comments outside of all blocks, in the files read so far: not even checkov heeds them."""
        return [(path, each) for path, file in self._files.items() for each in file.stray_comments()]


class PlanSources:
    """The source code that a plan was made from.

    Args:
        document: what `terraform show -json` says of the plan.
        stack: folder of its root module.
        sources: the files.
    """

    def __init__(self, document: Mapping[str, Any], stack: Path, sources: Sources) -> None:
        self._root: Mapping[str, Any] = document.get("configuration", {}).get("root_module", {})
        self._stack = stack
        self._sources = sources

    def block(self, address: str) -> Block | None:
        """The block of a resource; if it is in a module that is not in the project, the module's call.

        Args:
            address: 'module.endpoint["qwen"].aws_sagemaker_model.this[0]'.

        Returns:
            None if it is nowhere to be found.
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
