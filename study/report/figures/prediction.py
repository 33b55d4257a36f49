"""How far held-out predictions can be trusted, and which axes they rest on."""

from __future__ import annotations

import numpy as np
from matplotlib.ticker import PercentFormatter

from study.analysis.prediction.held_out import HeldOut, caption
from study.analysis.prediction.importance import AxisImportance, Importance
from study.analysis.table import event_of
from study.report.figures.drawing import BLUE, GREY, INK, PALE, Drawing, grid, new_figure, styled


def calibration_figure(result: HeldOut, *, name: str = "calibration") -> Drawing:
    """Reliability: how often trials diverged that were predicted to with a given probability, without being seen.

    Args:
        result: Of `study.analysis.prediction.held_out.held_out`.
        name: Of the drawing.
    """
    if result.scores is None:
        return Drawing(name=name, caption=caption(result))
    reliability = result.scores.reliability
    with styled():
        figure = new_figure(3.7)
        top, below = figure.subplots(1, 2, width_ratios=[1.15, 1])
        top.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--", label="as predicted")
        spread = np.abs(np.stack([reliability.low, reliability.high]) - reliability.observed)
        top.errorbar(
            reliability.predicted, reliability.observed, yerr=spread, fmt="o", color=BLUE, capsize=2, linewidth=1.2,
            label="held-out trials, 95% intervals",
        )  # fmt: skip
        top.set_ylim(-0.03, 1.03)
        top.set_ylabel("share that diverged")
        top.legend(loc="upper left")
        below.hist(result.scores.probability[0], bins=np.linspace(0, 1, 21).tolist(), color=GREY)
        below.set_ylabel("trials")
        for axes in (top, below):
            axes.set_xlim(-0.02, 1.02)
            axes.set_xlabel(f"predicted P({event_of(result.table).words.noun} within the budget)")
        for axis in (top.yaxis, top.xaxis, below.xaxis):
            axis.set_major_formatter(PercentFormatter(1.0))
        grid(top)
    return Drawing(
        name=name,
        caption=f"Left: reliability of held-out predictions, in bins of equally many. Right: the predictions. "
        f"{fit_words(result)}",
        figure=figure,
    )


def fit_words(result: HeldOut) -> str:
    """How well the outcome is predicted, with the calibration, in sentences."""
    slope = None if result.scores is None else result.scores.calibration_slope
    said = "" if slope is None else f" Calibration slope {slope:.2f} (1 is right; less: too extreme)."
    return f"{caption(result)}{said}"


def importance_figure(importance: Importance, result: HeldOut, *, name: str = "importance") -> Drawing:
    """What each axis is worth to held-out predictions, with 95% intervals.

    Args:
        importance: Of `study.analysis.prediction.importance.axis_importance`.
        result: What it was made of.
        name: Of the drawing.
    """
    if not importance.axes:
        return Drawing(name=name, caption=importance.words)
    axes_found = importance.axes
    with styled():
        figure = new_figure(0.9 + 0.3 * len(axes_found))
        axes = figure.subplots()
        for row, one in enumerate(axes_found):
            shown = one.log_loss_rise_low > 0
            axes.barh(row, max(one.log_loss_rise, 0), color=BLUE if shown else PALE, edgecolor=BLUE, linewidth=0.8)
            axes.plot([one.log_loss_rise_low, one.log_loss_rise_high], [row, row], color=INK, linewidth=1.4)
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.set_yticks(range(len(axes_found)), [_label(one) for one in axes_found])
        axes.tick_params(axis="y", length=0)
        axes.invert_yaxis()
        axes.grid(True, axis="x", color=PALE, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.set_xlabel("rise of the held-out log loss when the axis is permuted (nats a trial)")
    censored = int((~result.diverged).sum())
    counts = f"n = {len(result.table)}, {censored} censored" + (f", {result.failed} failed" if result.failed else "")
    return Drawing(
        name=name,
        caption=f"Importance of the axes for held-out predictions, with 95% intervals over folds; pale: not shown to "
        f"matter. {counts}. {importance.words}",
        figure=figure,
    )


def _label(one: AxisImportance) -> str:
    return f"{one.axis} (with {', '.join(one.with_axes)})" if one.with_axes else one.axis
