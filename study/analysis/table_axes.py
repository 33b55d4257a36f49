"""The axes of a results table: they travel with it, so that it can be read without the model it is of.

They stand in `DataFrame.attrs`, as JSON. Pandas keeps those through selecting, sorting, assigning and grouping, through
`concat` and `merge` of tables of one study, and through parquet. A table without them is of the minimal example, as
the recorded ones are. A CSV file has no place for them, so they lie beside it: `card.csv`, `card.axes.json`.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import pandas as pd
from pydantic import ValidationError

from study.trial.axes import OF_TABLE, Axes, Axis
from study.trial.config import EXAMPLE
from study.trial.errors import UserError


def axes_of(table: pd.DataFrame) -> Axes:
    """The axes of a results table, or of some of its rows or columns."""
    text = table.attrs.get(OF_TABLE)
    return EXAMPLE.axes if text is None else _parsed(text)


@lru_cache(maxsize=16)
def _parsed(text: str) -> Axes:
    return Axes.from_json(text)


def with_axes(table: pd.DataFrame, axes: Axes) -> pd.DataFrame:
    """The same table, of these axes."""
    table = table.copy()
    # A text, for pandas copies attributes deeply in every operation.
    table.attrs[OF_TABLE] = axes.to_json()
    return table


def axis_of(table: pd.DataFrame, column: str, *, numeric: bool = False) -> Axis:
    """The axis that a column holds.

    Args:
        table: A results table.
        column: Name of a column.
        numeric: Whether only an axis will do whose values have an order.

    Raises:
        UserError: The name of another column, or of none, or of no numeric axis; with the names that are allowed.
    """
    columns = axes_of(table).columns
    if column not in columns:
        raise UserError(f"{column!r} is not an axis of the results table; those are {', '.join(columns)}")
    ordered = [name for name, axis in axes_of(table).predictors.items() if axis.is_numeric]
    if numeric and column not in ordered:
        allowed = ", ".join(ordered) or "none"
        raise UserError(f"{column}: has no order on which to look for a boundary; numeric axes are {allowed}")
    return columns[column]


def axes_file(path: Path) -> Path:
    """Where the axes of a table in a CSV file are."""
    return path.with_suffix(".axes.json")


def read_axes(path: Path) -> Axes:
    """The axes of the table in a CSV file.

    Raises:
        UserError: The file beside it holds something else.
    """
    beside = axes_file(path)
    if not beside.is_file():
        return EXAMPLE.axes
    try:
        return Axes.from_json(beside.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise UserError(f"{beside}: does not hold the axes of {path.name}; `study results` writes both") from error


def write_axes(table: pd.DataFrame, path: Path) -> None:
    """Put the axes of a table beside its CSV file, unless they are the example's."""
    axes = axes_of(table)
    if axes != EXAMPLE.axes:
        axes_file(path).write_text(axes.to_json(), encoding="utf-8")
