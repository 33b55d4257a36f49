"""`Atlas`: a picture of a grid of trials over two axes, a pixel a configuration, by the time to NaN."""

from __future__ import annotations

from dataclasses import dataclass

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
        mean_time: Of a pixel's trials the mean time to NaN up to the budget, where survivors count with the budget: the
            restricted mean, which censoring there leaves as it is (P. Royston and M. Parmar, Restricted mean survival
            time, 2013, doi:10.1186/1471-2288-13-152). Shape (rows, columns), in updates.
        share: Of a pixel's trials, those that diverged; shape (rows, columns).
        seeds: Number of seeds of every pixel.
        budget: Of every trial, in updates.
        divergence: The event.
    """

    x: Axis
    y: Axis
    x_values: Floats
    y_values: Floats
    mean_time: Floats
    share: Floats
    seeds: int
    budget: int
    divergence: Divergence

    @property
    def diverged(self) -> Booleans:
        """Pixels of which at least half of the trials diverged."""
        return self.share >= 0.5

    def dimension(self, *, along: Along = "both") -> BoxDimension:
        """Of the boundary between the pixels that diverged and the others."""
        return box_dimension(self.diverged, along=along)


def atlas(table: pd.DataFrame, *, x: str, y: str) -> Atlas:
    """The picture of a study of a grid over two axes, several seeds of a configuration put together.

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
    told["diverged"] = (trials["outcome"] == "diverged").astype(float)
    told["time"] = numbers(trials, "updates")
    pixels = told.groupby(["y", "x"])
    seeds = pixels["seed"].nunique().unstack(fill_value=0)
    sizes = seeds.to_numpy(dtype=int)
    lacking = int((sizes < sizes.max()).sum())
    if lacking:
        raise UserError(
            f"{x} by {y}: {lacking} of {sizes.size} places of the grid lack a trial with a result; "
            "a picture takes a study of a whole grid"
        )
    return Atlas(
        x=axes[0],
        y=axes[1],
        x_values=seeds.columns.to_numpy(dtype=float),
        y_values=seeds.index.to_numpy(dtype=float),
        mean_time=pixels["time"].mean().unstack().to_numpy(dtype=float),
        share=pixels["diverged"].mean().unstack().to_numpy(dtype=float),
        seeds=int(sizes.max()),
        budget=int(budgets[0]),
        divergence=event_of(trials),
    )
