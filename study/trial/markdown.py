"""Tables as Markdown."""

from __future__ import annotations

from collections.abc import Collection, Iterable


def markdown_table(header: Collection[str], rows: Iterable[Iterable[object]], *, figures: Collection[str] = ()) -> str:
    """A table as Markdown, without a line break at its end.

    Args:
        header: Names of the columns.
        rows: Cells, one a column, shown as `str` has them.
        figures: Names of the columns that are aligned to the right.
    """
    ruled = ("---:" if name in figures else "---" for name in header)
    return "\n".join(markdown_row(cells) for cells in (header, ruled, *rows))


def markdown_row(cells: Iterable[object]) -> str:
    """One row, for a table that is printed as it grows."""
    return f"| {' | '.join(map(str, cells))} |"
