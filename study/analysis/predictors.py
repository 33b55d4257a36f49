"""What the axes of a results table are as predictors: which vary, on what scale, and under what condition."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from study.analysis.table import usable, varying_axes
from study.analysis.table_axes import axes_of
from study.trial.axes import NONE, Axis, as_text

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

CHANCE_OF_COINCIDENCE = 1e-3
"""Below this, an axis that stays at one value wherever another has some value is taken to do so by design."""


@dataclass(frozen=True, kw_only=True)
class Condition:
    """An axis varies only where another has one of these values, such as `batch_norm` where there is a front end."""

    axis: str
    values: tuple[str, ...]

    def holds(self, trials: pd.DataFrame) -> Booleans:
        """Shape (trials,)."""
        return texts(trials[self.axis]).isin(self.values).to_numpy(dtype=bool)

    def __str__(self) -> str:
        return f"{self.axis} = {' or '.join(self.values)}"


def with_result(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of a results table whose trials diverged or survived; failed trials have no result."""
    return usable(table).reset_index(drop=True)


def scale(axis: Axis, values: ArrayLike) -> Floats:
    """Values of a numeric axis on the scale of fits and figures: the base-10 logarithm where they count by ratios."""
    given = np.asarray(values, dtype=float)
    return np.asarray(np.log10(given)) if axis.logarithmic else given


def unscale(axis: Axis, values: ArrayLike) -> Floats:
    """The inverse of `scale`."""
    given = np.asarray(values, dtype=float)
    return np.asarray(np.power(10.0, given)) if axis.logarithmic else given


def numbers(trials: pd.DataFrame, axis: str) -> Floats:
    """A numeric column, NaN where it is missing; shape (trials,)."""
    return np.asarray(trials[axis].astype("Float64").to_numpy(dtype=float, na_value=np.nan))


def predictor_axes(trials: pd.DataFrame) -> tuple[str, ...]:
    """Axes that have more than one value in these trials, the budget among them and the seed not.

    Of axes that vary only together, such as a front end and its activation, only the first is given:
    `same_as` names the others.
    """
    twins = {other for others in same_as(trials).values() for other in others}
    return tuple(axis for axis in varying_axes(trials, among=axes_of(trials).predictors) if axis not in twins)


def grouping_axis(table: pd.DataFrame) -> str | None:
    """The axis by whose values trials are told apart before all others: the first choice that varies, if any does."""
    return axes_of(table).first_choice(varying_axes(table))


def same_as(trials: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """For each axis, those later ones from which these trials cannot tell it: their values always change together.

    Axes whose values hardly ever repeat are left alone: they determine each other in any sample.
    """
    axes = varying_axes(trials, among=axes_of(trials).predictors)
    codes = {axis: pd.factorize(texts(trials[axis]))[0] for axis in axes}
    configurations = pd.DataFrame(codes).drop_duplicates()
    kinds = {axis: configurations[axis].nunique() for axis in axes}
    found: dict[str, tuple[str, ...]] = {}
    for index, axis in enumerate(axes):
        if any(axis in others for others in found.values()) or 2 * kinds[axis] > len(configurations):
            continue
        twins = tuple(
            other
            for other in axes[index + 1 :]
            if kinds[other] == kinds[axis] == len(configurations[[axis, other]].drop_duplicates())
        )
        if twins:
            found[axis] = twins
    return found


def conditions(trials: pd.DataFrame) -> dict[str, Condition]:
    """Axes that exist only where another, categorical axis has some of its values.

    The table does not say so: an axis that does not exist in a trial keeps its default. That is
    told from coincidence by how many trials keep it, at the share that the value has among the others.
    """
    columns = axes_of(trials).columns
    axes = predictor_axes(trials)
    found: dict[str, Condition] = {}
    for parent in axes:
        if columns[parent].is_numeric:
            continue
        parent_values = texts(trials[parent])
        for child in axes:
            if child == parent or child in found or (parent in found and found[parent].axis == child):
                continue
            child_values = texts(trials[child])
            distinct = child_values.groupby(parent_values).nunique()
            idle = distinct.index[distinct == 1]
            active = distinct.index[distinct > 1]
            kept = child_values[parent_values.isin(idle)]
            if not len(active) or kept.nunique() != 1 or kept.iloc[0] != as_text(columns[child].default):
                continue
            share = float((child_values[parent_values.isin(active)] == kept.iloc[0]).mean())
            if share ** len(kept) < CHANCE_OF_COINCIDENCE:
                found[child] = Condition(axis=parent, values=tuple(map(str, active)))
    return found


def configurations(trials: pd.DataFrame) -> NDArray[np.int64]:
    """Number of each trial's configuration: replicates, which differ in nothing but the seed, share it."""
    axes = varying_axes(trials, among=axes_of(trials).predictors)
    if not axes:
        return np.zeros(len(trials), dtype=np.int64)
    values = pd.DataFrame({axis: texts(trials[axis]) for axis in axes})
    return np.asarray(values.groupby(list(axes), sort=False).ngroup(), dtype=np.int64)


def texts(values: pd.Series) -> pd.Series:
    """Values of an axis as texts that are equal only for equal values; a missing one is `none`."""
    return values.map(lambda value: NONE if pd.isna(value) else as_text(value))
