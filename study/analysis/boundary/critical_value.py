"""The divergence boundary on one axis: where P(NaN within the budget) is one half."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from study.analysis.boundary.firth import CRITICAL_RATIO, PenalisedLogistic, is_estimable, root_between
from study.analysis.boundary.selection import Selection, select
from study.analysis.predictors import Floats, numbers, scale, unscale
from study.analysis.table import usable
from study.analysis.wording import p_value_text
from study.trial.axes import NONE, AxisValue, as_text
from study.trial.divergence import Divergence

Status = Literal["inside", "below", "above", "flat", "none diverged", "all diverged", "constant", "too few"]


@dataclass(frozen=True, kw_only=True)
class CriticalValue:
    """Where on one axis half of the trials diverge, with a 95% interval; all in the axis's own units."""

    axis: str
    at: Mapping[str, AxisValue]
    """What was stated of other axes."""
    status: Status
    """`inside`: within the values tried. `below`, `above`: beyond the smallest or largest one. `flat`: the trials do
    not show, at the 5% level, that P depends on the axis. Otherwise there is nothing to fit."""
    value: float | None
    """None unless `inside`."""
    low: float | None
    """Lower end of the interval; None where that is beyond the smallest value tried, or there is no interval. An
    interval wholly beyond the largest value tried is given as open upwards from there."""
    high: float | None
    """Upper end, likewise."""
    direction: Literal["rises", "falls"] | None
    """Whether P rises or falls along the axis; None where nothing was fitted or the dependence is not shown."""
    separated_between: tuple[float, float] | None
    """Where all trials on one side diverged and all on the other survived: the two values between which that changes.
    Only asked without covariates."""
    odds_ratio: tuple[float, float, float] | None
    """Factor on the odds of NaN (estimate, 95% interval) for each factor of ten of a logarithmic axis, or for each
    unit of another one; infinite where it is too large for a number, as it can be for separated trials."""
    misfit: float | None
    """P-value of a curve in the log odds along the axis; small where the logistic fit is the wrong shape."""
    lowest: float | None
    """Smallest value tried."""
    highest: float | None
    """Largest value tried."""
    trials: int
    diverged: int
    divergence: Divergence
    """The event."""
    brief: str
    """The result without counts and remarks, but with a poor fit."""
    words: str
    """The result in sentences, for a caption."""


def critical_value(table: pd.DataFrame, *, axis: str, at: Mapping[str, AxisValue] | None = None) -> CriticalValue:
    """Find where on one axis P(NaN within the budget) is one half.

    P is a logistic function of the axis on its natural scale (and of the numbers stated in `at`, without
    interactions), fitted with Firth's penalty, so that perfectly separated trials give a finite answer. The interval
    holds the values at which the penalised likelihood ratio test of "P is 1/2 here" is not significant at 5% (Heinze
    and Schemper, "A solution to the problem of separation in logistic regression", 2002; for the median lethal dose:
    D. A. Williams, "Interval estimation of the median lethal dose", Biometrics 42, 1986). Axes that are neither the
    axis nor stated are averaged over as the study drew them: the value is then where half of such trials diverge.

    Args:
        table: A results table; failed trials are left out.
        axis: A numeric axis.
        at: Values of other axes, as `study.analysis.boundary.selection.select` takes them: `{"units": 64}`.

    Raises:
        UserError: Not a numeric axis, or a stated value beside those tried. A study that has no critical value is
            no error: `status` and `words` say so.

    Example:
        >>> critical_value(table, axis="learning_rate", at={"units": 16, "activation": "relu"}).words
        'Half of the trials diverge at learning_rate = 0.0021, with units = 16 and activation = relu (95% interval ...'
    """
    selection = select(table, axes=(axis,), at=at)
    lacking = nothing_to_fit(selection)
    if lacking is not None:
        status, words = lacking
        return _result(selection, status=status, words=words)
    model = PenalisedLogistic(features=selection.features, outcome=selection.diverged)
    shown = model.p_value_without([0])
    if shown >= 0.05:
        return _result(
            selection,
            status="flat",
            words=f"The trials do not show that divergence depends on {axis} ({p_value_text(shown)}){selection.where}, "
            "so no critical value can be given",
        )
    return _crossing(selection, model)


def critical_values(table: pd.DataFrame, *, axis: str, by: str | None = None) -> tuple[CriticalValue, ...]:
    """The critical value of an axis for each value of another, or for all trials.

    Args:
        table: A results table.
        axis: A numeric axis.
        by: A categorical axis.

    Raises:
        UserError: As of `critical_value`.
    """
    if by is None:
        return (critical_value(table, axis=axis),)
    values = sorted({NONE if pd.isna(value) else as_text(value) for value in usable(table)[by]})
    return tuple(critical_value(table, axis=axis, at={by: value}) for value in values)


def nothing_to_fit(selection: Selection) -> tuple[Status, str] | None:
    """Why no boundary can be fitted to these trials, as a status and in words; None if one can."""
    count, diverged = len(selection.trials), int(selection.diverged.sum())
    if not count:
        unset = f" and a number on {' and '.join(selection.axes)}" if selection.unplaced else ""
        return "too few", f"There is no trial with a result{unset}"
    explored = selection.explored
    constant = [axis for axis in selection.axes if len(set(selection.range_of(axis))) == 1]
    if diverged == 0:
        return "none diverged", f"No trial diverged at {explored}{selection.where}"
    if diverged == count:
        return "all diverged", f"Every trial diverged at {explored}{selection.where}"
    if constant:
        return "constant", f"Nothing can be said of {constant[0]}, which is the same in all trials ({explored})"
    if not is_estimable(selection.features):
        names = ", ".join((*selection.axes, *selection.covariates))
        return "too few", f"The trials are too few, or too much alike, to tell the effects of {names}"
    return None


def _crossing(selection: Selection, model: PenalisedLogistic) -> CriticalValue:
    axis, rest = selection.axes[0], selection.stated
    lowest, highest = selection.range_of(axis)
    described = selection.described(axis)
    ends = scale(described, [lowest, highest])

    def excess(values: Floats) -> Floats:
        held = np.broadcast_to(rest, (len(values), len(rest)))
        return model.ratio_even(np.column_stack([values, held])) - CRITICAL_RATIO

    slope = float(model.coefficients[1])
    root = float(-(model.coefficients[0] + rest @ model.coefficients[2:]) / slope)
    status: Status = "below" if root < ends[0] else "above" if root > ends[1] else "inside"
    nearest = np.clip(root, *ends)
    low, high = None, None
    if excess(np.array([nearest]))[0] > 0:
        low, high = (None, lowest) if status == "below" else (highest, None)
    else:
        # As the slope differs from zero, the statistic rises on both sides of its root: each side is cut once at most.
        cut = np.flatnonzero(excess(ends) > 0)
        found = dict(zip(cut, root_between(excess, np.full(len(cut), nearest), ends[cut]), strict=True))
        low, high = (float(unscale(described, [found[end]])[0]) if end in found else None for end in (0, 1))
    value = float(unscale(described, [root])[0]) if status == "inside" else None
    return _result(
        selection,
        status=status,
        words=_where(selection, status=status, value=value, low=low, high=high),
        value=value,
        low=low,
        high=high,
        direction="rises" if slope > 0 else "falls",
        odds_ratio=_odds_ratio(model),
        misfit=_misfit(selection),
    )


def _odds_ratio(model: PenalisedLogistic) -> tuple[float, float, float]:
    low, high = model.interval(0)
    with np.errstate(over="ignore"):
        estimate, low, high = np.exp([model.coefficients[1], low, high]).tolist()
    return estimate, low, high


def _misfit(selection: Selection) -> float | None:
    """P-value of the square of the axis; None where the values tried leave no room for one."""
    features = np.column_stack([selection.features, selection.features[:, 0] ** 2])
    if not is_estimable(features):
        return None
    return PenalisedLogistic(features=features, outcome=selection.diverged).p_value_without([features.shape[1] - 1])


def _separated_between(selection: Selection) -> tuple[float, float] | None:
    if selection.covariates:
        return None
    values = numbers(selection.trials, selection.axes[0])
    diverged, survived = values[selection.diverged], values[~selection.diverged]
    if not len(diverged) or not len(survived):
        return None
    for lower, upper in ((survived, diverged), (diverged, survived)):
        if lower.max() < upper.min():
            return float(lower.max()), float(upper.min())
    return None


def _where(selection: Selection, *, status: Status, value: float | None, low: float | None, high: float | None) -> str:
    axis = selection.axes[0]
    lowest, highest = selection.range_of(axis)
    if value is not None:
        ends = (
            f"from below {lowest:.3g}, the smallest value tried," if low is None else f"{low:.3g}",
            f"above {highest:.3g}, the largest value tried" if high is None else f"{high:.3g}",
        )
        return (
            f"Half of the trials diverge at {axis} = {value:.3g}{selection.where} (95% interval {ends[0]} to {ends[1]})"
        )
    edge, end, way = (
        (f"below the smallest value tried, {lowest:.3g}", high, "up to")
        if status == "below"
        else (f"above the largest value tried, {highest:.3g}", low, "down to")
    )
    reach = "covers all values tried" if end is None else f"reaches {way} {end:.3g}"
    return f"The critical {axis}{selection.where}{',' if selection.at else ''} is {edge} (the 95% interval {reach})"


def _result(
    selection: Selection,
    *,
    status: Status,
    words: str,
    value: float | None = None,
    low: float | None = None,
    high: float | None = None,
    direction: Literal["rises", "falls"] | None = None,
    odds_ratio: tuple[float, float, float] | None = None,
    misfit: float | None = None,
) -> CriticalValue:
    axis = selection.axes[0]
    lowest, highest = selection.range_of(axis) if len(selection.trials) else (None, None)
    poor = []
    if misfit is not None and misfit < 0.05:
        event = selection.divergence.words.noun
        poor.append(
            f"The fit is poor: P({event}) does not follow a logistic curve along {axis} ({p_value_text(misfit)})."
        )
    return CriticalValue(
        axis=axis,
        at=selection.at,
        status=status,
        value=value,
        low=low,
        high=high,
        direction=direction,
        separated_between=_separated_between(selection),
        odds_ratio=odds_ratio,
        misfit=misfit,
        lowest=lowest,
        highest=highest,
        trials=len(selection.trials),
        diverged=int(selection.diverged.sum()),
        divergence=selection.divergence,
        brief=" ".join((f"{words}.", *poor)),
        words=" ".join((f"{words}; {selection.counts}.", *poor, *selection.remarks)),
    )
