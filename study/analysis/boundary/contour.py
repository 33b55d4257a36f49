"""`contour`: where P(NaN) has a given value, at any budget up to a study's, told from the times to NaN.

A time says more than whether there was one: from one study come the contours of every smaller budget, and a survivor
counts as right-censored. The fits of `critical_value` and `phase_diagram` assume a shape and ask about one budget;
this one assumes none, and is a smooth surface over all axes that vary (`study.analysis.boundary.time_model`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from study.analysis.boundary.acquisition import Acquisition
from study.analysis.boundary.columns import Numbers
from study.analysis.boundary.gaussian_process import Floats
from study.analysis.boundary.selection import select
from study.analysis.boundary.time_surface import Point, TimeSurface, time_surface
from study.analysis.predictors import Booleans
from study.analysis.table import event_of
from study.analysis.table_axes import axes_of, axis_of
from study.analysis.wording import count
from study.trial.axes import BUDGET_COLUMN, NONE, AxisValue, as_text
from study.trial.divergence import Divergence
from study.trial.errors import UserError

Status = Literal["inside", "everywhere", "nowhere"]

STEPS, GRID, ROWS = 401, 41, 9
"""Points along an axis on which a crossing is looked for, points of a figure, and values of the second axis."""

UNSURE = 0.025, 0.975
"""Between these probabilities of being inside, a point's side is not known at 95%."""

CANDIDATES, REFERENCES = 256, 192
"""Points that the next trials are chosen from, and points that stand for all that was tried."""


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """Where along an axis P(NaN) has the level, other axes held.

    Attributes:
        beside: Value of the second axis; None where there is none.
        status: `inside`: among the values tried. `everywhere`: P is above the level at all of them. `nowhere`: below.
        value: In the axis's own units; None unless `inside`.
        low: Lower end of the 95% interval, pointwise: of all values at which P may have the level. None where it leaves
            the values tried, or there is none.
        high: Upper end, likewise.
        unsure: Whether there is an interval; without one, P is known to be on one side at all values tried.
        others: How many more crossings there are along the axis, whose sides are known less well.
    """

    beside: float | None
    status: Status
    value: float | None = None
    low: float | None = None
    high: float | None = None
    unsure: bool = False
    others: int = 0


@dataclass(frozen=True, kw_only=True)
class NextTrial:
    """A trial that would tell much.

    Attributes:
        settings: Its axes that vary, as text.
        probability: P(NaN within the budget).
        updates: How many it is expected to run.
    """

    settings: Mapping[str, str]
    probability: float
    updates: float


@dataclass(frozen=True, kw_only=True)
class Contour:
    """Where P(NaN within some updates) has a level.

    Attributes:
        along: One axis or two; the crossings are along the first.
        level: Of P.
        updates: The budget.
        at: What was stated of other axes.
        held: What the rest is held at: medians, and the choices of most trials that diverged.
        crossings: One, or one for each of some values of the second axis.
        next_trials: Those that tell most of the whole contour for their updates, the best one first.
        grid: Points along each of `along`, for a figure; one array each.
        probability: P at the grid, (columns,) or (rows, columns).
        inside: Probability that P is above the level there, same shape.
        trials: That have a result.
        diverged: Of these.
        divergence: The event.
    """

    along: tuple[str, ...]
    level: float
    updates: int
    at: Mapping[str, str]
    held: Mapping[str, str]
    crossings: tuple[Crossing, ...]
    next_trials: tuple[NextTrial, ...]
    grid: tuple[Floats, ...]
    probability: Floats
    inside: Floats
    trials: int
    diverged: int
    divergence: Divergence

    @property
    def what(self) -> str:
        """`P(NaN within 60 updates) = 0.5`."""
        return f"P({self.divergence.words.noun} within {self.updates} updates) = {self.level:g}"

    @property
    def where(self) -> str:
        """At what the other axes are, in words; empty where there are none."""
        stated = [f"{axis} = {value}" for axis, value in self.at.items()]
        held = [f"{axis} = {value}" for axis, value in self.held.items()]
        parts = [f"at {' and '.join(stated)}"] if stated else []
        parts += [f"the rest held at {', '.join(held)}"] if held else []
        return "; ".join(parts)

    @property
    def words(self) -> str:
        """The answer in a sentence."""
        where = f", {self.where}" if self.where else ""
        counts = f"{count(self.trials, 'trial')}, {self.diverged} diverged"
        if len(self.along) == 1:
            return f"{self.what} {self.told(self.crossings[0])}{where}; {counts}."
        return f"{self.what} over {self.along[0]} and {self.along[1]}{where}; {counts}."

    def told(self, crossing: Crossing) -> str:
        """A crossing in words."""
        axis = self.along[0]
        ends = [None if end is None else f"{end:.3g}" for end in (crossing.low, crossing.high)]
        reach = f"95% interval {ends[0] or 'below the values tried'} to {ends[1] or 'above the values tried'}"
        if crossing.value is None:
            side = "above" if crossing.status == "everywhere" else "below"
            words = f"is not met along {axis}: P is {side} it at all values tried"
            return f"{words}, but that is not sure ({reach})" if crossing.unsure else words
        others = f"; {count(crossing.others, 'other crossing')} less well known" if crossing.others else ""
        return f"at {axis} = {crossing.value:.3g} ({reach}{others})"

    def cells(self, crossing: Crossing) -> tuple[str, str]:
        """A crossing as two cells of a table: value and interval."""
        low = "..." if crossing.low is None else f"{crossing.low:.3g}"
        high = "..." if crossing.high is None else f"{crossing.high:.3g}"
        interval = f"{low} to {high}" if crossing.unsure else ""
        if crossing.value is None:
            return ("P above it everywhere" if crossing.status == "everywhere" else "P below it everywhere"), interval
        return f"{crossing.value:.3g}", interval

    def as_dict(self) -> dict[str, Any]:
        """For strict JSON."""
        return {
            "along": list(self.along),
            "level": self.level,
            "updates": self.updates,
            "at": dict(self.at),
            "held": dict(self.held),
            "trials": self.trials,
            "diverged": self.diverged,
            "divergence": str(self.divergence),
            "crossings": [asdict(crossing) for crossing in self.crossings],
            "next_trials": [
                {"settings": dict(one.settings), "probability": one.probability, "updates": one.updates}
                for one in self.next_trials
            ],
            "words": self.words,
        }


def contour(
    table: pd.DataFrame,
    *,
    along: Sequence[str] = (),
    at: Mapping[str, AxisValue] | None = None,
    updates: int | None = None,
    level: float = 0.5,
    next_trials: int = 3,
    surface: TimeSurface | None = None,
) -> Contour | None:
    """Find where P(NaN) has a level; None where the trials do not show both outcomes, or no numeric axis varies.

    Args:
        table: A results table; failed trials are left out.
        along: One or two numeric axes; unless stated, those along which the time changes most.
        at: Values of other axes; what is neither is held at its median, or at the choice of most diverged trials.
        updates: The budget; None is the study's.
        level: Of P, between 0 and 1.
        next_trials: How many of the next trials that would tell most to look for.
        surface: Fitted to this table before; None fits it.

    Raises:
        UserError: An axis that has no order, more than two, a value beside those tried, or a budget that the study
            does not have.

    Example:
        >>> contour(load("recorded:lr_by_units"), along=["learning_rate"], at={"units": 16}, updates=30).words
    """
    at = dict(at or {})
    if BUDGET_COLUMN in (*along, *at):
        raise UserError(
            f"{BUDGET_COLUMN}: is no axis of a boundary; its times tell every budget, which is stated as the updates"
        )
    if len(along) > 2:
        raise UserError(f"along {', '.join(along)}: takes one axis or two")
    for axis in along:
        axis_of(table, axis, numeric=True)
    selection = select(table, axes=tuple(along), at=at)
    surface = surface or time_surface(table)
    if surface is None:
        return None
    wanted = surface.budget if updates is None else updates
    least = min(2, surface.budget)
    if not least <= wanted <= surface.budget:
        raise UserError(f"updates {updates}: takes {least} to {surface.budget}, the budget of the study")
    if stray := next((axis for axis in along if axis not in surface.columns.axes), None):
        raise UserError(f"along {stray}: has one value in all trials, so there is no boundary along it")
    axes = tuple(along) or tuple(axis for axis in surface.numeric if axis not in at)[:2]
    if not axes:
        return None
    stated = {axis: _stated(surface, axis, value) for axis, value in at.items() if axis in surface.columns.axes}
    held = surface.held(stated, along=axes)
    search = _Search(surface, axes=axes, base={**held, **stated}, level=level, updates=wanted)
    probability, inside = search.on_grid()
    return Contour(
        along=axes,
        level=level,
        updates=wanted,
        at={axis: as_text(value) for axis, value in at.items()},
        held={axis: _short(value) for axis, value in held.items()},
        crossings=search.crossings(),
        next_trials=search.next_trials(next_trials),
        grid=tuple(search.values(axis, GRID) for axis in axes),
        probability=probability,
        inside=inside,
        trials=len(surface.trials),
        diverged=int((surface.trials["outcome"] == "diverged").sum()),
        divergence=event_of(selection.trials if len(selection.trials) else surface.trials),
    )


def contours(table: pd.DataFrame) -> tuple[Contour, ...]:
    """The contours of a quarter of the study's budget, of a half and of all of it; none where there is none."""
    surface = time_surface(table)
    if surface is None or not surface.numeric:
        return ()
    budgets = sorted({max(min(2, surface.budget), surface.budget // part) for part in (4, 2, 1)})
    found = [
        contour(table, updates=budget, surface=surface, next_trials=3 if budget == surface.budget else 0)
        for budget in budgets
    ]
    return tuple(one for one in found if one is not None)


class _Search:
    """A fitted surface, and the line or plane through it that is looked at."""

    def __init__(self, surface: TimeSurface, *, axes: tuple[str, ...], base: Point, level: float, updates: int) -> None:
        self._surface, self._axes, self._base = surface, axes, base
        self._level, self._updates = level, updates

    def values(self, axis: str, points: int) -> Floats:
        """Values of an axis, evenly spaced on its scale from the smallest to the largest one tried."""
        return self._surface.line(axis, np.linspace(0, 1, points))

    def _along(self, beside: Point) -> tuple[Floats, Floats, Floats]:
        """Values along the first axis, the distance from the contour and the probability of being inside there."""
        values = self.values(self._axes[0], STEPS)
        points = [{**self._base, **beside, self._axes[0]: float(value)} for value in values]
        forecast = self._surface.model.forecast(self._surface.encode(points), budget=self._updates)
        return values, forecast.distance(self._level), forecast.inside(self._level)

    def crossings(self) -> tuple[Crossing, ...]:
        """Along the first axis, at some values of the second."""
        if len(self._axes) == 1:
            return (self._crossing({}, None),)
        second = self._axes[1]
        tried = np.unique(self._surface.trials[second].dropna().to_numpy(dtype=float))
        spread = [self._surface.value(second, float(u)) for u in np.linspace(0, 1, ROWS)]
        values = tried if len(tried) <= ROWS else np.unique(spread)
        return tuple(self._crossing({second: float(value)}, float(value)) for value in values)

    def _crossing(self, beside: Point, value: float | None) -> Crossing:
        values, distance, inside = self._along(beside)
        unsure = (inside > UNSURE[0]) & (inside < UNSURE[1])
        changes = np.flatnonzero((distance[1:] > 0) != (distance[:-1] > 0))
        if not len(changes):
            low, high = (
                _reach(values, unsure, np.flatnonzero(unsure)[[0, -1]].tolist()) if unsure.any() else (None, None)
            )
            return Crossing(
                beside=value,
                status="everywhere" if distance[0] > 0 else "nowhere",
                low=low,
                high=high,
                unsure=bool(unsure.any()),
            )
        # Of several, the one that is known best: where the distance changes fastest for what is not known of it.
        place = int(changes[np.argmax(np.abs(np.diff(inside))[changes])])
        low, high = _reach(values, unsure, [place, place + 1])
        return Crossing(
            beside=value,
            status="inside",
            value=float((values[place] + values[place + 1]) / 2),
            low=low,
            high=high,
            unsure=True,
            others=len(changes) - 1,
        )

    def on_grid(self) -> tuple[Floats, Floats]:
        """P, and the probability that it is above the level; (columns,) or (rows, columns)."""
        arrays = [self.values(axis, GRID) for axis in self._axes]
        mesh = np.meshgrid(*arrays)
        points = [
            {**self._base, **dict(zip(self._axes, map(float, place), strict=True))}
            for place in zip(*(one.ravel() for one in mesh), strict=True)
        ]
        encoded, model = self._surface.encode(points), self._surface.model
        forecast = model.forecast(encoded, budget=self._updates)
        probability, inside = forecast.probability(), forecast.inside(self._level)
        return probability.reshape(mesh[0].shape), inside.reshape(mesh[0].shape)

    def next_trials(self, number: int) -> tuple[NextTrial, ...]:
        """Chosen one by one, each knowing of those before it."""
        if not number:
            return ()
        surface, model = self._surface, self._surface.model
        candidates = surface.points(CANDIDATES, sequence=2)
        encoded, references = surface.encode(candidates), surface.encode(surface.points(REFERENCES, sequence=3))
        acquisition = Acquisition(level=self._level, budget=self._updates, exploration=1.0)
        chosen: list[int] = []
        for _ in range(number):
            values = acquisition.values(model, encoded, references=references, pending=encoded[chosen])
            values[chosen] = -np.inf
            chosen.append(int(np.argmax(values)))
        forecast = model.forecast(encoded[chosen], budget=self._updates)
        probability, updates = forecast.probability(), forecast.expected_updates()
        columns = axes_of(surface.trials).columns
        return tuple(
            NextTrial(
                settings={columns[axis].name: _short(value) for axis, value in candidates[place].items()},
                probability=float(p),
                updates=float(u),
            )
            for place, p, u in zip(chosen, probability, updates, strict=True)
        )


def _reach(values: Floats, unsure: Booleans, ends: Sequence[int]) -> tuple[float | None, float | None]:
    """The ends of the stretch around some places in which the side is not known; None where it has no end."""
    first, last = ends
    while first > 0 and unsure[first]:
        first -= 1
    while last < len(values) - 1 and unsure[last]:
        last += 1
    return None if unsure[first] else float(values[first]), None if unsure[last] else float(values[last])


def _stated(surface: TimeSurface, axis: str, value: AxisValue) -> AxisValue:
    text = as_text(value)
    if not isinstance(surface.columns.axes[axis], Numbers):
        return text
    return None if text == NONE else float(text)


def _short(value: AxisValue) -> str:
    return f"{value:.4g}" if isinstance(value, float) else as_text(value)
