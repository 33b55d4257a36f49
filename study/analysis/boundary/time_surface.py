"""`TimeSurface`: the time model of a results table, over all of its axes that vary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import qmc

from study.analysis.boundary.columns import Categories, Columns, Encoded, Numbers
from study.analysis.boundary.gaussian_process import Floats
from study.analysis.boundary.time_model import FEWEST, Observed, TimeModel
from study.analysis.predictors import conditions, numbers, predictor_axes, scale, texts, unscale, with_result
from study.analysis.table import durations
from study.analysis.table_axes import axes_of
from study.trial.axes import BUDGET_COLUMN, AxisValue, as_text

MOST = 1500
"""Trials, evenly spaced among all, that a model is fitted to: its time grows with the cube of their number."""

ENOUGH_VALUES = 5
"""A boundary on an axis with fewer values is only seen in steps."""

Point = Mapping[str, AxisValue]
"""Values of the axes that vary, by column: a number, or the text of a choice."""


@dataclass(frozen=True, kw_only=True)
class TimeSurface:
    """When a trial goes to NaN, anywhere among the values tried.

    Attributes:
        trials: With a result, one row each.
        model: Fitted to them, or to `MOST` of them.
        columns: How their axes enter it.
        budget: The largest one among them, in updates.
    """

    trials: pd.DataFrame
    model: TimeModel
    columns: Columns
    budget: int

    @property
    def numeric(self) -> tuple[str, ...]:
        """Numeric axes that vary, those first that have many values, then those along which the time changes most."""
        names = [name for name, axis in self.columns.axes.items() if isinstance(axis, Numbers)]
        rows = self.points(64, sequence=1)
        spread = {}
        for name in names:
            means = [self.model.later.predict(self.encode(self._along(rows, name, u)))[0] for u in np.linspace(0, 1, 5)]
            spread[name] = float(np.ptp(means, axis=0).mean())
        return tuple(sorted(names, key=lambda name: (self.trials[name].nunique() < ENOUGH_VALUES, -spread[name])))

    def _along(self, rows: Sequence[Point], name: str, u: float) -> list[Point]:
        return [{**row, name: self.value(name, u)} for row in rows]

    def encode(self, points: Sequence[Point]) -> Floats:
        """Shape (points, columns)."""
        return self.columns.encode(points)

    def encode_trials(self, trials: pd.DataFrame) -> Floats:
        """The same of the rows of a results table, of this study or another one over its axes."""
        return self.columns.encode(_points(trials, self.columns))

    def line(self, name: str, parts: Floats) -> Floats:
        """Values of a numeric axis at parts, from 0 to 1, of what was tried, on its scale; between whole numbers too.

        Args:
            name: Of the axis.
            parts: Shape (points,).
        """
        described, axis = axes_of(self.trials).columns[name], self.columns.axes[name]
        assert isinstance(axis, Numbers)
        low, high = scale(described, [axis.low, axis.high])
        # Rounding must not carry the ends out of what was tried.
        line: Floats = np.clip(unscale(described, low + parts * (high - low)), axis.low, axis.high)
        return line

    def value(self, name: str, u: float) -> float:
        """The same at one part, whole where the axis is."""
        value = float(self.line(name, np.array([u]))[0])
        return round(value) if axes_of(self.trials).columns[name].kind == "int" else value

    def usual(self, name: str) -> AxisValue:
        """What an axis is held at unless stated: the median, or the choice of most trials that diverged."""
        if isinstance(self.columns.axes[name], Numbers):
            median = float(np.nanmedian(numbers(self.trials, name)))
            return round(median) if axes_of(self.trials).columns[name].kind == "int" else median
        died = self.trials[self.trials["outcome"] == "diverged"]
        return str(texts(died[name]).mode().iloc[0])

    def points(self, count: int, *, sequence: int) -> list[Point]:
        """Points all over what was tried: choices as some trial had them together, numbers from a Sobol sequence.

        A number that does not exist beside a trial's choices stays as that trial has it, and so does one of few values.
        """
        names = list(self.columns.axes)
        rows = _points(self.trials, self.columns)
        size = 1 << max(count - 1, 1).bit_length()
        cube = qmc.Sobol(len(names) + 1, rng=[0, sequence]).random(size)[:count]
        needs = conditions(self.trials)
        active = {name: needs[name].holds(self.trials) for name in names if name in needs}
        free = [
            name
            for name in names
            if isinstance(self.columns.axes[name], Numbers) and self.trials[name].nunique() >= ENOUGH_VALUES
        ]
        points: list[Point] = []
        for coordinates in cube:
            chosen = int(coordinates[-1] * len(rows))
            point = dict(rows[chosen])
            for name, u in zip(names, coordinates, strict=False):
                if name in free and (name not in active or active[name][chosen]):
                    point[name] = self.value(name, float(u))
            points.append(point)
        return points


def time_surface(table: pd.DataFrame) -> TimeSurface | None:
    """Fit the times of a results table; None where too few trials took a step, or none or all of them diverged."""
    trials = with_result(table)
    died = (trials["outcome"] == "diverged").to_numpy(dtype=bool)
    stepped = trials["updates"].to_numpy(dtype=float) > 1
    names = [axis for axis in predictor_axes(trials) if axis != BUDGET_COLUMN] if len(trials) else []
    if stepped.sum() < FEWEST or not (died & stepped).any() or died.all() or not names:
        return None
    columns = Columns(axes={name: _encoded(trials, name) for name in names})
    duration, event = durations(trials)
    some = np.unique(np.linspace(0, len(trials) - 1, min(MOST, len(trials))).round().astype(int))
    observed = Observed(
        points=columns.encode(_points(trials, columns)),
        updates=duration.to_numpy(dtype=float),
        diverged=event.to_numpy(dtype=bool),
    )
    fitted = observed.take(some)
    if not (fitted.diverged & (fitted.updates > 1)).any() or fitted.diverged.all():
        return None
    return TimeSurface(
        trials=trials,
        model=TimeModel(fitted, groups=columns.groups),
        columns=columns,
        budget=int(trials[BUDGET_COLUMN].max()),
    )


def _encoded(trials: pd.DataFrame, name: str) -> Encoded:
    axis = axes_of(trials).columns[name]
    if not axis.is_numeric:
        return Categories(values=tuple(sorted(set(texts(trials[name])))))
    values = numbers(trials, name)
    return Numbers(low=float(np.nanmin(values)), high=float(np.nanmax(values)), log=axis.logarithmic)


def _points(trials: pd.DataFrame, columns: Columns) -> list[Point]:
    values: dict[str, list[AxisValue]] = {}
    for name, axis in columns.axes.items():
        if isinstance(axis, Numbers):
            values[name] = [None if np.isnan(value) else float(value) for value in numbers(trials, name)]
        else:
            values[name] = [as_text(value) for value in texts(trials[name])]
    return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
