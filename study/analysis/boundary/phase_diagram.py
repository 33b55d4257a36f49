"""Phase diagram: P(NaN within the budget) over two axes, and how surely each point is above one half."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import norm

from study.analysis.boundary.critical_value import nothing_to_fit
from study.analysis.boundary.firth import PenalisedLogistic, is_estimable
from study.analysis.boundary.selection import Selection, select
from study.analysis.predictors import Booleans, Floats, numbers, scale, unscale, with_result
from study.analysis.table_axes import axis_of
from study.analysis.wording import p_value_text
from study.trial.axes import NONE, Axis, AxisValue, as_text
from study.trial.divergence import Divergence
from study.trial.errors import UserError

CURVED_BELOW = 0.01
"""P-value of a straight boundary below which a curved one is fitted unless the caller says which."""


@dataclass(frozen=True, kw_only=True)
class PhaseDiagram:
    """Data of one panel: the trials as points, the fit on a grid. Nothing is extrapolated beyond the values tried.

    The 50% contour is the level 1/2 of `probability`; the levels 0.025 and 0.975 of `above_half` bound its 95% band.
    The band is pointwise: a point that truly is on the contour is inside it in 95% of studies. It is not promised that
    the whole contour is inside at once.
    """

    x: Axis
    y: Axis
    at: Mapping[str, AxisValue]
    """What was stated of other axes."""
    fitted: bool
    """Whether there is a fit; if not, `probability` and `above_half` are NaN everywhere, and `words` says why."""
    curved: bool
    """Whether the log odds have squares and the product of the axes, besides the axes."""
    trial_x: Floats
    """Shape (trials,), in the axis's own units."""
    trial_y: Floats
    """Shape (trials,)."""
    trial_diverged: Booleans
    """Shape (trials,)."""
    grid_x: Floats
    """Shape (columns,), from the smallest to the largest value tried, evenly spaced on the axis's scale."""
    grid_y: Floats
    """Shape (rows,)."""
    probability: Floats
    """Fitted P(NaN within the budget), shape (rows, columns)."""
    above_half: Floats
    """Confidence that P is above 1/2, shape (rows, columns): the normal distribution function at the signed root of
    the penalised likelihood ratio of "P is 1/2 here"."""
    dependence: float | None
    """P-value of "P depends on neither axis"; None without a fit."""
    straightness: float | None
    """P-value of "the contour is straight" against squares and a product; None where the trials cannot tell."""
    divergence: Divergence
    """The event."""
    words: str
    """The panel in sentences, for a caption."""

    @property
    def band(self) -> Booleans:
        """The cells that the 50% contour may run through, shape (rows, columns); none without a fit."""
        return (self.above_half >= 0.025) & (self.above_half <= 0.975)


def phase_diagram(
    table: pd.DataFrame,
    *,
    x: str,
    y: str,
    at: Mapping[str, AxisValue] | None = None,
    curved: bool | None = None,
    points: int = 41,
) -> PhaseDiagram:
    """Fit P(NaN within the budget) over two numeric axes.

    The log odds are linear in both axes on their natural scales, so the contour is a straight line there, or with
    their squares and product. They are fitted with Firth's penalty, as
    `study.analysis.boundary.critical_value.critical_value` does: on a line along an axis, the band of a straight
    diagram is the interval of the critical value. Axes that are neither `x`, `y` nor stated are averaged over as the
    study drew them; `words` names them.

    Args:
        table: A results table; failed trials are left out.
        x: A numeric axis.
        y: Another one.
        at: Values of other axes, as `study.analysis.boundary.selection.select` takes them: `{"layers": 2}`.
        curved: Whether the contour may be curved. Unless stated it is if a straight one is rejected at 1%.
        points: Grid points along each axis.

    Raises:
        UserError: Not a numeric axis, or a stated value beside those tried.
    """
    selection = select(table, axes=(x, y), at=at)
    columns, rows = (_grid(selection, axis, points) for axis in (x, y))
    lacking = nothing_to_fit(selection)
    if lacking is not None:
        return _diagram(selection, columns=columns, rows=rows, words=f"{lacking[1]}; no boundary can be drawn")
    straight = PenalisedLogistic(features=selection.features, outcome=selection.diverged)
    dependence = straight.p_value_without([0, 1])
    straightness, bent = None, None
    if is_estimable(_with_curves(selection.features)):
        bent = PenalisedLogistic(features=_with_curves(selection.features), outcome=selection.diverged)
        first = selection.features.shape[1]
        straightness = bent.p_value_without([first, first + 1, first + 2])
    wanted = (straightness is not None and straightness < CURVED_BELOW) if curved is None else curved
    model = bent if wanted and bent is not None else straight
    along_x, along_y = scale(selection.described(x), columns), scale(selection.described(y), rows)
    grid = np.stack(np.meshgrid(along_x, along_y), axis=-1).reshape(-1, 2)
    cells = np.column_stack([grid, np.broadcast_to(selection.stated, (len(grid), len(selection.stated)))])
    if model is bent:
        cells = _with_curves(cells)
    sides = np.sign(model.log_odds(cells))
    above_half = norm.cdf(sides * np.sqrt(model.ratio_even(cells)))
    sentences = [
        f"P({selection.divergence.words.noun} within the budget) over {x} and {y}{selection.where}; {selection.counts}."
    ]
    if dependence >= 0.05:
        sentences.append(f"The trials do not show that it depends on either ({p_value_text(dependence)}).")
    if model is bent and straightness is not None:
        sentences.append(f"The contour is fitted as a curve ({p_value_text(straightness)} for a straight line).")
    elif wanted:
        sentences.append("The trials are too few, or too much alike, for a curved contour; it is straight.")
    elif straightness is not None and straightness < 0.05:
        sentences.append(f"The fit is poor: the contour is not straight ({p_value_text(straightness)}).")
    return _diagram(
        selection,
        columns=columns,
        rows=rows,
        words=" ".join(sentences),
        curved=model is bent,
        probability=model.probability(cells).reshape(len(rows), len(columns)),
        above_half=above_half.reshape(len(rows), len(columns)),
        dependence=dependence,
        straightness=straightness,
    )


def phase_panels(
    table: pd.DataFrame,
    *,
    x: str,
    y: str,
    by: str,
    at: Mapping[str, AxisValue] | None = None,
    curved: bool | None = None,
    points: int = 41,
) -> tuple[PhaseDiagram, ...]:
    """One phase diagram for each value of a categorical axis, each fitted alone, in the order of the values' names.

    The arguments are those of `phase_diagram`; the panel's value is in its `at`.

    Raises:
        UserError: `by` is no axis or is a numeric one, or what `phase_diagram` raises.
    """
    if axis_of(table, by).is_numeric:
        raise UserError(f"{by}: is numeric, so it has no panels of its own; state a value of it, or name a category")
    values = sorted({NONE if pd.isna(value) else as_text(value) for value in with_result(table)[by]})
    return tuple(
        phase_diagram(table, x=x, y=y, at={**(at or {}), by: value}, curved=curved, points=points) for value in values
    )


def _grid(selection: Selection, axis: str, points: int) -> Floats:
    if not len(selection.trials):
        return np.empty(0)
    low, high = selection.range_of(axis)
    if low == high:
        return np.array([low])
    described = selection.described(axis)
    first, last = scale(described, [low, high])
    values = unscale(described, np.linspace(first, last, points))
    # Rounding must not carry the ends away from the values tried.
    values[[0, -1]] = low, high
    return values


def _with_curves(features: Floats) -> Floats:
    """Append x squared, x y and y squared of the first two columns."""
    x, y = features[:, 0], features[:, 1]
    return np.column_stack([features, x**2, x * y, y**2])


def _diagram(
    selection: Selection,
    *,
    columns: Floats,
    rows: Floats,
    words: str,
    curved: bool = False,
    probability: Floats | None = None,
    above_half: Floats | None = None,
    dependence: float | None = None,
    straightness: float | None = None,
) -> PhaseDiagram:
    x, y = selection.axes
    nothing = np.full((len(rows), len(columns)), np.nan)
    if probability is None:
        words = f"{words}; {selection.counts}."
    return PhaseDiagram(
        x=selection.described(x),
        y=selection.described(y),
        at=selection.at,
        fitted=probability is not None,
        curved=curved,
        trial_x=numbers(selection.trials, x),
        trial_y=numbers(selection.trials, y),
        trial_diverged=selection.diverged,
        divergence=selection.divergence,
        grid_x=columns,
        grid_y=rows,
        probability=nothing if probability is None else probability,
        above_half=nothing if above_half is None else above_half,
        dependence=dependence,
        straightness=straightness,
        words=" ".join((words, *selection.remarks)),
    )
