"""Forest plots: a ratio a row with its interval, on a logarithmic axis."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from study.analysis.survival.accelerated_failure_time import AcceleratedFailureTime
from study.analysis.survival.cox import CoxModel
from study.analysis.survival.first_update import FirstUpdate
from study.report.figures.drawing import BLUE, GREY, PALE, VERMILION, Drawing, new_figure, styled

WIDEST = 1e3
"""A ratio's axis reaches at most from 1 over this to this; what is beyond is an arrow."""


def hazard_figure(model: CoxModel, *, failed: int = 0, name: str = "hazard_ratios") -> Drawing:
    """Hazard ratios with their intervals; terms without an estimate are arrows from the end that the data bound.

    Args:
        model: Of `study.analysis.survival.cox.cox`.
        failed: Trials left out since they have no result.
        name: Of the drawing.
    """
    caption = (
        f"Hazard ratios of divergence, each with the other axes held fixed, and {model.confidence:.0%} intervals; "
        "right of 1: sooner. An arrow: the data do not bound the ratio on that side, or the interval leaves the figure."
    )
    if model.proportional_words:
        caption += f" {model.proportional_words}"
    counts = f"n = {model.trials}, {model.events} diverged, {model.trials - model.events} censored"
    return _forest(
        model.hazard_ratios, "hazard_ratio", caption, nothing=model.answer, counts=_with_failed(counts, failed),
        name=name, label="hazard ratio", higher_is_worse=True,
    )  # fmt: skip


def odds_figure(model: FirstUpdate, *, failed: int = 0, name: str = "odds_ratios") -> Drawing:
    """Odds ratios of divergence at update 1 with their intervals.

    Args:
        model: Of `study.analysis.survival.first_update.first_update`.
        failed: Trials left out since they have no result.
        name: Of the drawing.
    """
    caption = (
        f"Odds ratios of {model.divergence.words.noun} at update 1, each with the other axes held fixed, and 95% "
        "intervals (logistic model with Firth's penalty); right of 1: more often. No step was taken yet, so the "
        "learning rate's belongs near 1."
    )
    counts = f"n = {model.trials}, {model.events} at update 1, {model.diverged - model.events} diverged later, "
    counts += f"{model.trials - model.diverged} censored"
    return _forest(
        model.odds_ratios, "odds_ratio", caption, nothing=" ".join((model.answer, *model.notes)),
        counts=_with_failed(counts, failed), name=name, label="odds ratio", higher_is_worse=True,
    )  # fmt: skip


def _with_failed(counts: str, failed: int) -> str:
    return f"{counts}, {failed} failed" if failed else counts


def time_ratio_figure(law: AcceleratedFailureTime, *, failed: int = 0, name: str = "time_ratios") -> Drawing:
    """Factors on the steps to NaN with their intervals.

    Args:
        law: Of `study.analysis.survival.accelerated_failure_time.accelerated_failure_time`.
        failed: Trials left out since they have no result.
        name: Of the drawing.
    """
    caption = (
        f"Factors by which each axis multiplies the steps to {law.divergence.words.reached} ({law.distribution} "
        f"accelerated failure time model), with {law.confidence:.0%} intervals; left of 1: sooner. An arrow: not "
        "bounded there, or beyond the figure."
    )
    counts = f"n = {law.trials}, {law.events} diverged, {law.trials - law.events} censored"
    return _forest(
        law.time_ratios, "time_ratio", caption, nothing=law.answer, counts=_with_failed(counts, failed), name=name,
        label=f"factor on the steps to {law.divergence.words.reached}", higher_is_worse=False,
    )  # fmt: skip


def _forest(
    rows: pd.DataFrame,
    column: str,
    caption: str,
    *,
    nothing: str,
    counts: str,
    name: str,
    label: str,
    higher_is_worse: bool,
) -> Drawing:
    if rows.empty:
        return Drawing(name=name, caption=nothing)
    low, high = _limits(rows, column)
    with styled():
        figure = new_figure(0.75 + 0.3 * len(rows))
        axes = figure.subplots()
        for place, row in enumerate(rows.to_dict("records")):
            _row(axes, place, row[column], row["low"], row["high"], limits=(low, high), worse_above=higher_is_worse)
            axes.text(
                1.02, place, _numbers(row[column], row["low"], row["high"]), va="center", fontsize=9,
                transform=axes.get_yaxis_transform(),
            )  # fmt: skip
        axes.axvline(1, color=GREY, linewidth=1, zorder=0)
        axes.set_xscale("log")
        axes.set_xlim(low, high)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_yticks(range(len(rows)), list(rows["term"]))
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        narrow = math.log10(high / low) < 3
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if narrow else (1.0,), numticks=12))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, place: f"{value:g}"))
        axes.grid(True, axis="x", color=PALE, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.set_xlabel(f"{label} (logarithmic)")
    return Drawing(name=name, caption=f"{caption} {counts}.", figure=figure)


def _limits(rows: pd.DataFrame, column: str) -> tuple[float, float]:
    """Ends of the axis: what holds all finite numbers, 1 and some room, but no more than `WIDEST`."""
    values = rows[[column, "low", "high"]].to_numpy(dtype=np.float64)
    finite = values[np.isfinite(values) & (values > 0)]
    reach = np.clip([finite.min(initial=1.0), finite.max(initial=1.0)], 1 / WIDEST, WIDEST)
    return float(reach[0]) / 1.6, float(reach[1]) * 1.6


def _row(
    axes: Axes, place: int, ratio: float, low: float, high: float, *, limits: tuple[float, float], worse_above: bool
) -> None:
    unsure = not math.isfinite(ratio) or (low <= 1 <= high) or math.isnan(low) or math.isnan(high)
    colour = GREY if unsure else VERMILION if (ratio > 1) == worse_above else BLUE
    # Zero and infinity are beyond any logarithmic axis.
    open_left = not math.isfinite(low) or low < limits[0]
    open_right = not math.isfinite(high) or high > limits[1]
    left, right = limits[0] if open_left else low, limits[1] if open_right else high
    if not math.isfinite(ratio) and open_left and open_right:
        axes.text(1, place, "  not bounded by the data", va="center", fontsize=9, color=GREY)
        return
    axes.plot([left, right], [place, place], color=colour, solid_capstyle="butt")
    for is_open, end, marker in ((open_left, left, "<"), (open_right, right, ">")):
        if is_open:
            axes.plot(end, place, marker, color=colour, clip_on=False, markersize=6)
        else:
            axes.plot(end, place, "|", color=colour, markersize=7)
    if math.isfinite(ratio) and limits[0] <= ratio <= limits[1]:
        axes.plot(ratio, place, "s", color=colour, markersize=6)


def _numbers(ratio: float, low: float, high: float) -> str:
    if math.isfinite(ratio):
        return f"{ratio:.3g} ({low:.3g} to {high:.3g})"
    if math.isfinite(low):
        return f"no estimate, ≥ {low:.3g}"
    return f"no estimate, ≤ {high:.3g}" if math.isfinite(high) else "no estimate"
