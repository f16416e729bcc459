"""Tables, which a page and a comment show alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from toolkit.report.markdown import escape


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        title: its caption.
        columns: their titles.
        rows: cells as text, numbers with their units.
        texts: number of leading columns that contain text; the others contain numbers.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: int = 1

    def as_markdown(self) -> Iterator[str]:
        """Its lines, without the caption."""
        yield self._line(self.columns)
        yield self._line(["---"] * self.texts + ["---:"] * (len(self.columns) - self.texts), escaped=False)
        yield from map(self._line, self.rows)

    @staticmethod
    def _line(cells: Sequence[str], *, escaped: bool = True) -> str:
        texts = [escape(" ".join(cell.split())) if escaped else cell for cell in cells]
        return f"| {' | '.join(texts)} |"
