"""Groups of trials by the value of an axis, with labels that a reader can take as they are."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from study.analysis.table_axes import axis_of
from study.trial.axes import NONE, as_text
from study.trial.errors import UserError

LONGEST = 8
"""A number that is longer as text is shortened in a label."""
QUANTILE_GROUPS = 4
"""Number of groups into which a numeric axis with many values is cut."""
MOST_VALUES = 6
"""A numeric axis with more values than this is cut into quantile groups."""


def groups_of(table: pd.DataFrame, axis: str, *, quantiles: int = QUANTILE_GROUPS) -> pd.Series:
    """The group of each trial, by the value of one axis.

    A choice, a truth value or one of at most `MOST_VALUES` numbers is a group of its own. Numbers with more values are
    cut at their quantiles into groups of about the same size; the cuts are rounded to as few digits as keep them
    apart, and the trials are grouped by the rounded cuts, so that a label is exactly true. The upper end belongs to
    its group: `up to 0.001`, `0.001 to 0.004` (above 0.001), `above 0.004`. Unset values form the group `none`.

    Args:
        table: A results table.
        axis: A column that holds an axis.
        quantiles: How many groups numbers with many values are cut into, at least 2.

    Returns:
        Ordered categories (text), one for each row, with the table's index; every category occurs.

    Raises:
        UserError: Not an axis, or fewer than two quantile groups.
    """
    described = axis_of(table, axis)
    if quantiles < 2:
        raise UserError(f"quantiles={quantiles} is not allowed; numbers are cut into at least 2 groups")
    values = table[axis]
    present = values.dropna().unique().tolist()
    if described.kind == "str":
        labels = values.astype(object)
        order = [str(value) for value in described.choices or sorted(present) if value in present]
    elif described.kind == "bool" or len(present) <= MOST_VALUES:
        names = {value: _label(value, present) for value in sorted(present)}
        labels = values.map(names).astype(object)
        order = list(names.values())
    else:
        numbers = np.asarray(values.astype("float64"), dtype=np.float64)
        cuts = _rounded_quantiles(numbers[~np.isnan(numbers)], groups=quantiles)
        order = _cut_labels(cuts)
        positions = np.searchsorted(cuts, numbers, side="left")
        labels = pd.Series(np.array(order, dtype=object)[positions], index=values.index)
        order = [label for label in order if (labels[values.notna()] == label).any()]
    labels = labels.where(values.notna(), NONE)
    if values.isna().any():
        order = [*order, NONE]
    return pd.Series(pd.Categorical(labels, categories=order, ordered=True), index=table.index, name=axis)


def _label(value: object, among: list[object]) -> str:
    """A value as it is written elsewhere, or, if that is long, to four digits if they tell it from the others."""
    text = as_text(value)
    if isinstance(value, float) and len(text) > LONGEST:
        short = f"{value:.4g}"
        if sum(f"{other:.4g}" == short for other in among) == 1:
            return short
    return text


def _rounded_quantiles(numbers: npt.NDArray[np.float64], *, groups: int) -> npt.NDArray[np.float64]:
    """The inner quantiles, rounded to the fewest significant digits, at least two, that keep them apart."""
    exact = np.unique(np.quantile(numbers, np.arange(1, groups) / groups, method="inverted_cdf"))
    for digits in range(2, 17):
        rounded = np.unique([float(f"{cut:.{digits}g}") for cut in exact])
        if len(rounded) == len(exact):
            return rounded
    return exact


def _cut_labels(cuts: npt.NDArray[np.float64]) -> list[str]:
    ends = [np.format_float_positional(cut, trim="-") if 1e-4 <= abs(cut) < 1e6 else f"{cut:g}" for cut in cuts]
    between = [f"{low} to {high}" for low, high in pairwise(ends)]
    return [f"up to {ends[0]}", *between, f"above {ends[-1]}"]
