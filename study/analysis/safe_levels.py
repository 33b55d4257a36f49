"""Choices with which nothing diverges, such as tanh: what is true of the other trials is hidden behind them."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from study.analysis.predictors import texts
from study.analysis.table import usable, varying_axes
from study.analysis.table_axes import axes_of
from study.analysis.wording import count


@dataclass(frozen=True, kw_only=True)
class SafeLevel:
    """The choices of an axis with which nothing diverged, while with another something did."""

    axis: str
    levels: tuple[str, ...]
    trials: int

    def __str__(self) -> str:
        return f"{count(self.trials, 'trial')} with {self.axis} {' or '.join(self.levels)}, of which none diverged"


@dataclass(frozen=True, kw_only=True)
class WithoutSafeLevels:
    """The trials of a table that have none of them."""

    trials: pd.DataFrame
    """Rows of the table, failed ones among them."""
    left_out: tuple[SafeLevel, ...]


def without_safe_levels(table: pd.DataFrame) -> WithoutSafeLevels:
    """Leave out the trials of choices with which nothing diverged, axis by axis.

    Args:
        table: A results table.
    """
    kept = table
    found: list[SafeLevel] = []
    for axis in varying_axes(table):
        if axes_of(table).columns[axis].is_numeric:
            continue
        values = texts(kept[axis])
        died = set(values[kept["outcome"] == "diverged"])
        safe = tuple(value for value in dict.fromkeys(texts(usable(kept)[axis])) if value not in died)
        if safe and died:
            found.append(SafeLevel(axis=axis, levels=safe, trials=int(values.isin(safe).sum())))
            kept = kept[values.isin(died)]
    return WithoutSafeLevels(trials=kept, left_out=tuple(found))
