"""`Selection`: the trials to which a boundary is fitted, and what becomes of the axes that the boundary leaves out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from study.analysis.predictors import (
    Booleans,
    Floats,
    configurations,
    numbers,
    predictor_axes,
    same_as,
    scale,
    texts,
    with_result,
)
from study.analysis.table import event_of
from study.analysis.table_axes import axes_of, axis_of
from study.analysis.wording import count
from study.trial.axes import NONE, SEED, Axis, AxisValue, as_text
from study.trial.divergence import Divergence
from study.trial.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Trials that have a result, the stated categories, and a number on every axis of the fit."""

    trials: pd.DataFrame
    axes: tuple[str, ...]
    """Axes along which the boundary is looked for."""
    at: Mapping[str, AxisValue]
    """What was stated of other axes."""
    covariates: tuple[str, ...]
    """Numeric axes of `at` that vary in these trials, and so enter the fit."""
    averaged: tuple[str, ...]
    """Axes that vary in these trials and are neither: P is an average over them as the study drew them."""
    failed: int
    """Trials left out since they have no result."""
    unplaced: int
    """Trials left out since an axis of the fit is unset in them."""
    clustered: bool
    """Whether replicates share the values of axes that are averaged over, which makes intervals too narrow."""

    @cached_property
    def diverged(self) -> Booleans:
        """Shape (trials,)."""
        return (self.trials["outcome"] == "diverged").to_numpy(dtype=bool)

    @cached_property
    def divergence(self) -> Divergence:
        """The event."""
        return event_of(self.trials)

    @cached_property
    def features(self) -> Floats:
        """Axes, then covariates, each on its natural scale; shape (trials, axes + covariates)."""
        names = (*self.axes, *self.covariates)
        columns = [scale(self.described(axis), numbers(self.trials, axis)) for axis in names]
        return np.column_stack(columns)

    @property
    def stated(self) -> Floats:
        """Values of the covariates at which the boundary is looked for, on the scale of `features`."""
        return np.array([scale(self.described(axis), [float(str(self.at[axis]))])[0] for axis in self.covariates])

    def described(self, axis: str) -> Axis:
        """The axis of a column."""
        return axes_of(self.trials).columns[axis]

    def range_of(self, axis: str) -> tuple[float, float]:
        """Smallest and largest value tried; the selection must not be empty."""
        values = numbers(self.trials, axis)
        return float(values.min()), float(values.max())

    @property
    def explored(self) -> str:
        """The values tried of each axis, in words; the selection must not be empty."""
        ranges = []
        for axis in self.axes:
            low, high = self.range_of(axis)
            ranges.append(f"{axis} {low:.3g}" + (f" to {high:.3g}" if low < high else ""))
        return " and ".join(ranges)

    @property
    def where(self) -> str:
        """The stated values in words, such as `, with units = 64 and activation = relu`."""
        stated = " and ".join(f"{axis} = {as_text(value)}" for axis, value in self.at.items())
        return f", with {stated}" if stated else ""

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences on what was left out and averaged over."""
        remarks = []
        if self.averaged:
            remarks.append(f"Averaged over {', '.join(self.averaged)} as the study drew them.")
        if self.clustered:
            remarks.append(
                "Replicates share the values averaged over, so the uncertainty is larger than stated; "
                "it holds at stated values."
            )
        if self.unplaced:
            remarks.append(f"{count(self.unplaced, 'trial')} left out, where an axis is unset.")
        if self.failed:
            remarks.append(f"{count(self.failed, 'trial')} left out that failed.")
        return tuple(remarks)

    @property
    def counts(self) -> str:
        """The trials in words: `96 trials, 42 diverged and 54 survived to the budget`."""
        diverged = int(self.diverged.sum())
        survived = len(self.trials) - diverged
        return f"{count(len(self.trials), 'trial')}, {diverged} diverged and {survived} survived to the budget"


def select(table: pd.DataFrame, *, axes: tuple[str, ...], at: Mapping[str, AxisValue] | None = None) -> Selection:
    """Select the trials for a boundary along some numeric axes.

    Args:
        table: A results table.
        axes: Numeric axes along which the boundary is looked for.
        at: Values of other axes. A category, a truth value, or None for an unset number selects the trials that
            have it; a number becomes a covariate of the fit, so that trials on both sides of it count.

    Raises:
        UserError: Something that is no axis or no numeric one, an axis given twice, or a value beside those tried.
    """
    at = dict(at or {})
    for axis in axes:
        axis_of(table, axis, numeric=True)
    numeric = {axis for axis in at if axis_of(table, axis).is_numeric}
    for axis in at:
        if axis == SEED:
            raise UserError(f"at {axis}={as_text(at[axis])}: a boundary is over seeds, so none can be held")
        if axis in axes:
            raise UserError(f"at {axis}={as_text(at[axis])}: the boundary runs along {axis}, so it cannot be held")
    if len(set(axes)) < len(axes):
        raise UserError(f"{axes[0]}: is given for both axes of the boundary; name two different ones")
    for axis in (*axes, *at):
        if axis not in table.columns:
            raise UserError(f"{axis}: is not a column of this results table")
    trials = with_result(table)
    failed = len(table) - len(trials)
    held = [axis for axis, value in at.items() if axis in numeric and value not in (None, NONE)]
    for axis in (axis for axis in at if axis not in held):
        wanted = as_text(at[axis])
        tried = texts(trials[axis])
        if len(trials) and not (tried == wanted).any():
            raise UserError(f"at {axis}={wanted}: was not tried; the study has {', '.join(sorted(set(tried)))}")
        trials = trials[(tried == wanted).to_numpy(dtype=bool)]
    placed = np.ones(len(trials), dtype=bool)
    for axis in (*axes, *held):
        placed &= ~np.isnan(numbers(trials, axis))
    unplaced = int((~placed).sum())
    trials = trials[placed].reset_index(drop=True)
    covariates = []
    for axis in held:
        value = _number(axis, at[axis])
        low, high = (numbers(trials, axis).min(), numbers(trials, axis).max()) if len(trials) else (value, value)
        if not low <= value <= high:
            raise UserError(f"at {axis}={value:g}: outside what was tried, {low:g} to {high:g}")
        if low < high:
            covariates.append(axis)
    named = {*axes, *at}
    twins = same_as(trials)
    averaged = tuple(axis for axis in predictor_axes(trials) if not named & {axis, *twins.get(axis, ())})
    return Selection(
        trials=trials,
        axes=axes,
        at=at,
        covariates=tuple(covariates),
        averaged=averaged,
        failed=failed,
        unplaced=unplaced,
        clustered=bool(averaged) and len(np.unique(configurations(trials))) < len(trials),
    )


def _number(axis: str, value: AxisValue) -> float:
    try:
        return float(str(value))
    except ValueError as error:
        raise UserError(f"at {axis}={value}: takes a number") from error
