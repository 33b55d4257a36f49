"""`TimeSurface`: the time model of a results table, over all of its axes that vary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import qmc

from study.analysis.boundary.columns import Categories, Columns, Encoded, Numbers
from study.analysis.boundary.gaussian_process import Floats
from study.analysis.boundary.time_model import Observed, TimeModel
from study.analysis.predictors import Booleans, conditions, numbers, predictor_axes, scale, texts, unscale, with_result
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
        """Numeric axes that vary, by what they show of a boundary.

        Those first that have many values, then those along which P(NaN within the budget) changes most.
        """
        names = [name for name, axis in self.columns.axes.items() if isinstance(axis, Numbers)]
        rows = self.points(64, sequence=1)
        spread = {}
        for name in names:
            chances = [
                self.model.probability(self.encode(self._along(rows, name, u)), budget=self.budget)
                for u in np.linspace(0, 1, 5)
            ]
            spread[name] = float(np.ptp(chances, axis=0).mean())
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

    def held(self, stated: Mapping[str, AxisValue], *, along: Sequence[str]) -> dict[str, AxisValue]:
        """What the axes are held at that are neither stated nor looked along: values that some trial has together.

        Numbers are at their median, a choice is that of most trials that diverged, among the trials that have the
        stated choices, the choices held before, and a number on the axes looked along, where there are any such.

        Args:
            stated: Values of some axes.
            along: Axes whose values are not held.
        """
        rows = np.ones(len(self.trials), dtype=bool)

        def narrowed(keep: Booleans) -> Booleans:
            return rows & keep if (rows & keep).any() else rows

        for name in along:
            rows = narrowed(~np.isnan(numbers(self.trials, name)))
            if (condition := conditions(self.trials).get(name)) is not None:
                rows = narrowed(condition.holds(self.trials))
        choices = [name for name, axis in self.columns.axes.items() if not isinstance(axis, Numbers)]
        for name in choices:
            if name in stated:
                rows = narrowed((texts(self.trials[name]) == as_text(stated[name])).to_numpy(dtype=bool))
        died = (self.trials["outcome"] == "diverged").to_numpy(dtype=bool)
        held: dict[str, AxisValue] = {}
        for name in choices:
            if name not in stated:
                held[name] = str(texts(self.trials[name][narrowed(died)]).mode().iloc[0])
                rows = narrowed((texts(self.trials[name]) == held[name]).to_numpy(dtype=bool))
        for name in self.columns.axes:
            if name not in choices and name not in stated and name not in along:
                held[name] = self._median(name, rows)
        return {name: held[name] for name in self.columns.axes if name in held}

    def _median(self, name: str, rows: Booleans) -> AxisValue:
        """Of a numeric axis in some trials; None where it is unset in most of them."""
        values = numbers(self.trials[rows], name)
        if np.isnan(values).mean() > 0.5:
            return None
        median = float(np.nanmedian(values))
        return round(median) if axes_of(self.trials).columns[name].kind == "int" else median

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
    """Fit the times of a results table, or the outcomes where no time is to be had.

    None where trials are too few, no axis varies, or none diverged or all of them did at one and the same update.
    """
    trials = with_result(table)
    names = [axis for axis in predictor_axes(trials) if axis != BUDGET_COLUMN] if len(trials) else []
    if not names:
        return None
    columns = Columns(axes={name: _encoded(trials, name) for name in names})
    duration, event = durations(trials)
    observed = Observed(
        points=columns.encode(_points(trials, columns)),
        updates=duration.to_numpy(dtype=float),
        diverged=event.to_numpy(dtype=bool),
    ).take(np.unique(np.linspace(0, len(trials) - 1, min(MOST, len(trials))).round().astype(int)))
    budget = int(trials[BUDGET_COLUMN].max())
    if not observed.shows_a_boundary:
        return None
    return TimeSurface(trials=trials, model=TimeModel(observed, marginal=True), columns=columns, budget=budget)


def _encoded(trials: pd.DataFrame, name: str) -> Encoded:
    axis = axes_of(trials).columns[name]
    if not axis.is_numeric:
        return Categories(values=tuple(sorted(set(texts(trials[name])))))
    values = numbers(trials, name)
    return Numbers(
        low=float(np.nanmin(values)),
        high=float(np.nanmax(values)),
        log=axis.logarithmic,
        optional=bool(np.isnan(values).any()),
    )


def _points(trials: pd.DataFrame, columns: Columns) -> list[Point]:
    values: dict[str, list[AxisValue]] = {}
    for name, axis in columns.axes.items():
        if isinstance(axis, Numbers):
            values[name] = [None if np.isnan(value) else float(value) for value in numbers(trials, name)]
        else:
            values[name] = [as_text(value) for value in texts(trials[name])]
    return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
