"""`Encoding`: the axes of a trial as columns of numbers, for models that take nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from study.analysis.predictors import Floats, numbers, predictor_axes, scale, texts
from study.analysis.table_axes import axes_of
from study.trial.axes import Axis
from study.trial.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """How axes become columns.

    A number is put on its natural scale. An unset number, such as no `clipnorm`, is a column of its own, and counts as
    the largest one tried: a limit that is never reached. A category is one column for each value; an axis with bounded
    choices has one more, whether the value is one of them: no recurrence of a bounded activation can grow without
    limit. An axis that does not exist in a trial has the category `none` like any other.
    """

    axes: Mapping[str, Axis]
    """By the names of their columns."""
    categories: Mapping[str, tuple[str, ...]]
    """Values of each axis that is no number."""
    largest: Mapping[str, float]
    """Largest value tried, on its scale, of each numeric axis that is unset in some trials."""

    def columns(self) -> dict[str, list[int]]:
        """The columns of each axis."""
        found: dict[str, list[int]] = {}
        first = 0
        for axis in self.axes:
            width = 1 + (axis in self.largest)
            if axis in self.categories:
                width = len(self.categories[axis]) + bool(self.axes[axis].bounded)
            found[axis] = list(range(first, first + width))
            first += width
        return found

    def encode(self, trials: pd.DataFrame) -> Floats:
        """Shape (trials, columns).

        Raises:
            UserError: A category that the encoding was not made for.
        """
        columns: list[Floats] = []
        for axis in self.axes:
            if axis in self.categories:
                values = texts(trials[axis])
                unknown = sorted(set(values) - set(self.categories[axis]))
                if unknown:
                    raise UserError(
                        f"{axis}={unknown[0]}: was not tried; the study has {', '.join(self.categories[axis])}"
                    )
                columns += [np.asarray(values == value, dtype=float) for value in self.categories[axis]]
                if bounded := self.axes[axis].bounded:
                    columns.append(np.asarray(values.isin(bounded), dtype=float))
                continue
            scaled = scale(self.axes[axis], numbers(trials, axis))
            if axis in self.largest:
                unset = np.isnan(scaled)
                columns += [np.where(unset, self.largest[axis], scaled), unset.astype(float)]
            elif np.isnan(scaled).any():
                raise UserError(f"{axis}=none: was not tried; the study has numbers only")
            else:
                columns.append(scaled)
        return np.column_stack(columns)


def encoding_of(trials: pd.DataFrame) -> Encoding:
    """The encoding of the axes that vary in these trials."""
    columns = axes_of(trials).columns
    axes = {column: columns[column] for column in predictor_axes(trials)}
    return Encoding(
        axes=axes,
        categories={
            column: tuple(sorted(set(texts(trials[column])))) for column, axis in axes.items() if not axis.is_numeric
        },
        largest={
            column: float(np.nanmax(scale(axis, numbers(trials, column))))
            for column, axis in axes.items()
            if axis.is_numeric and trials[column].isna().any()
        },
    )
