"""Survival curves: the share of trials that is still finite, by update."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from study.analysis.survival.kaplan_meier import KaplanMeier, SurvivalCurve
from study.analysis.wording import count
from study.report.figures.drawing import CYCLE, INK, Drawing, grid, new_figure, styled

MOST_CURVES = len(CYCLE)
"""More curves than this cannot be told apart; those of the largest groups are drawn."""


def survival_figure(curves: KaplanMeier, *, failed: int = 0, name: str = "survival") -> Drawing:
    """Kaplan-Meier curves with their bands, a mark at each censoring time, and the trials at risk below.

    Args:
        curves: Of `study.analysis.survival.kaplan_meier.kaplan_meier`.
        failed: Trials that are in no curve since they have no result, told in the caption.
        name: Of the drawing.
    """
    drawn = sorted(curves.curves, key=lambda curve: -curve.trials)[:MOST_CURVES]
    drawn = [curve for curve in curves.curves if any(curve is one for one in drawn) and curve.trials]
    trials, events = sum(c.trials for c in curves.curves), sum(c.events for c in curves.curves)
    lost = f", {failed} failed" if failed else ""
    if not drawn:
        return Drawing(name=name, caption=f"No survival curve: no trial has a result{lost}.")
    counts = f"n = {trials}, {events} diverged, {trials - events} censored at their budget{lost}"
    if trials == 1:
        return Drawing(name=name, caption=f"No survival curve: one trial makes no curve. {drawn[0].answer}")
    if events == 0:
        longest = max(int(curve.points["time"].iloc[-1]) for curve in drawn)
        return Drawing(
            name=name,
            caption="No survival curve: no trial diverged, so it would be a flat line up to update "
            f"{longest} ({counts}).",
        )
    by = f" by {curves.axis}" if curves.axis else ""
    left_out = len([curve for curve in curves.curves if curve.trials]) - len(drawn)
    caption = (
        f"Kaplan-Meier estimate of the share of trials still finite after each update{by}, with pointwise "
        f"{curves.confidence:.0%} bands; + marks censored trials. Below: trials still training. {counts}."
    )
    if left_out:
        caption += f" {count(left_out, 'smaller group')} not drawn."
    with styled():
        figure = new_figure(3.7 + 0.19 * len(drawn))
        top, below = figure.subplots(
            2, 1, sharex=True, height_ratios=[3.1, 0.25 + 0.2 * len(drawn)], gridspec_kw={"hspace": 0.02}
        )
        last = max(float(curve.points["time"].iloc[-1]) for curve in drawn)
        for curve, (colour, line) in zip(drawn, CYCLE, strict=False):
            _curve(top, curve, colour=colour, line=line)
        top.set_ylim(-0.03, 1.03)
        top.set_xlim(-0.01 * last, 1.02 * last)
        top.yaxis.set_major_formatter(PercentFormatter(1.0))
        top.set_ylabel("share of trials still finite")
        top.tick_params(labelbottom=False)
        grid(top)
        # Where a curve is short of room, the legend's place is beside the axes, never on a curve.
        top.legend(title=curves.axis, loc="center left", bbox_to_anchor=(1.0, 0.5), alignment="left")
        _at_risk(below, drawn, last=last)
    return Drawing(name=name, caption=caption, figure=figure)


def _curve(axes: Axes, curve: SurvivalCurve, *, colour: str, line: str) -> None:
    points = curve.points
    time, survival = points["time"].to_numpy(), points["survival"].to_numpy()
    label = f"{curve.group} ({curve.events} of {curve.trials})"
    axes.plot(time, survival, drawstyle="steps-post", color=colour, linestyle=line, label=label)
    axes.fill_between(time, points["low"], points["high"], step="post", color=colour, alpha=0.15, linewidth=0)
    censored = points[points["censored"] > 0]
    axes.plot(censored["time"], censored["survival"], "+", color=colour, markersize=8, markeredgewidth=1.4)


def _at_risk(axes: Axes, curves: list[SurvivalCurve], *, last: float) -> None:
    ticks = [tick for tick in MaxNLocator(nbins=6, integer=True).tick_values(0, last) if 0 <= tick <= last]
    axes.set_ylim(len(curves) - 0.4, -0.6)
    for row, (curve, (colour, _)) in enumerate(zip(curves, CYCLE, strict=False)):
        for tick in ticks:
            axes.text(tick, row, str(trials_at_risk(curve.points, tick)), ha="center", va="center", fontsize=9)
        axes.text(1.02, row, curve.group, color=colour, fontsize=9, va="center", transform=axes.get_yaxis_transform())
    axes.set_xticks(ticks)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("update", color=INK)
    axes.set_ylabel("at risk", labelpad=14)


def trials_at_risk(points: pd.DataFrame, update: float) -> int:
    """How many trials have neither diverged nor been censored before an update.

    Args:
        points: Of a `SurvivalCurve`.
        update: At least 0.
    """
    later = np.flatnonzero(points["time"].to_numpy() >= update)
    return int(points["at_risk"].iloc[later[0]]) if len(later) else 0
