"""`Atlas`: a picture of a grid of trials over two axes, a pixel a configuration, by the time to NaN."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from study.analysis.boundary.box_counting import Along, BoxDimension, box_dimension
from study.analysis.predictors import Booleans, Floats, numbers, with_result
from study.analysis.table import event_of
from study.analysis.table_axes import axis_of
from study.trial.axes import BUDGET_COLUMN, SEED, Axis
from study.trial.divergence import Divergence
from study.trial.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Atlas:
    """The trials of a grid, rows by the second axis from its smallest value up, columns by the first.

    Attributes:
        x: First axis.
        y: Second axis.
        x_values: Shape (columns,).
        y_values: Shape (rows,).
        times: To NaN, in updates, infinite for survivors; shape (rows, columns, seeds).
        budget: Of every trial, in updates.
        divergence: The event.
    """

    x: Axis
    y: Axis
    x_values: Floats
    y_values: Floats
    times: Floats
    budget: int
    divergence: Divergence

    @property
    def seeds(self) -> int:
        """Trials of every pixel."""
        return int(self.times.shape[2])

    @property
    def mean_time(self) -> Floats:
        """Of every pixel, in updates, where survivors count with the budget; shape (rows, columns).

        It is the restricted mean, which censoring at the budget leaves as it is (P. Royston and M. Parmar, Restricted
        mean survival time, 2013, doi:10.1186/1471-2288-13-152).
        """
        return np.asarray(np.minimum(self.times, self.budget).mean(axis=2))

    def diverged(self, *, within: int | None = None) -> Booleans:
        """Pixels of which at least half of the trials diverged within so many updates; None takes the budget."""
        died = self.times <= (self.budget if within is None else within)
        return np.asarray(died.mean(axis=2) >= 0.5)

    def dimension(self, *, within: int | None = None, along: Along = "both") -> BoxDimension:
        """Of the edge between the pixels that diverged and the others: from one study for every smaller budget."""
        return box_dimension(self.diverged(within=within), along=along)


def atlas(table: pd.DataFrame, *, x: str, y: str) -> Atlas:
    """The picture of a study of a grid over two axes, of one seed or of several.

    Args:
        table: A results table.
        x: Column of a numeric axis.
        y: Another one.

    Raises:
        UserError: The trials are no grid of these axes, or have several budgets.
    """
    axes = axis_of(table, x, numeric=True), axis_of(table, y, numeric=True)
    trials = with_result(table)
    budgets = sorted(set(numbers(trials, BUDGET_COLUMN)))
    if len(budgets) != 1:
        raise UserError(f"{BUDGET_COLUMN}: the trials have {len(budgets)} budgets; a picture is of trials of one")
    told = pd.DataFrame({"x": numbers(trials, x), "y": numbers(trials, y), "seed": numbers(trials, SEED)})
    time = numbers(trials, "time_to_nan")
    told["time"] = np.where(np.isnan(time), np.inf, time)
    seeds = told.pivot_table(index="y", columns="x", values="seed", aggfunc="count", fill_value=0)
    count = seeds.to_numpy(dtype=int)
    lacking = int((count < count.max()).sum())
    if lacking:
        raise UserError(
            f"{x} by {y}: {lacking} of {count.size} places of the grid lack a trial with a result; "
            "a picture takes a study of a whole grid"
        )
    return Atlas(
        x=axes[0],
        y=axes[1],
        x_values=seeds.columns.to_numpy(dtype=float),
        y_values=seeds.index.to_numpy(dtype=float),
        times=told.sort_values(["y", "x", "seed"])["time"].to_numpy(dtype=float).reshape(*count.shape, -1),
        budget=int(budgets[0]),
        divergence=event_of(trials),
    )
