"""Tables, which a page and a comment show alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from toolkit.console import printable
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

    def as_text(self) -> str:
        """Its columns, without the caption."""
        return aligned([self.columns, *self.rows], self.texts)

    @staticmethod
    def _line(cells: Sequence[str], *, escaped: bool = True) -> str:
        texts = [escape(" ".join(cell.split())) if escaped else cell for cell in cells]
        return f"| {' | '.join(texts)} |"


def aligned(rows: Sequence[Sequence[str]], texts: int | None = None) -> str:
    """Rows in columns; a row with fewer cells ends with its last one, which may be longer than its column.

    Args:
        rows: their cells; the first row has all columns.
        texts: number of leading columns that are aligned to the left, by default all.
    """
    rows = [[printable(" ".join(cell.split("\n"))) for cell in row] for row in rows]
    full = [row for row in rows if len(row) == len(rows[0])]
    widths = [max(map(len, column)) for column in zip(*full, strict=True)]

    def padded(column: int, cell: str) -> str:
        is_text = texts is None or column < texts
        return cell.ljust(widths[column]) if is_text else cell.rjust(widths[column])

    return "\n".join("  ".join(padded(*cell) for cell in enumerate(row)).rstrip() for row in rows)
