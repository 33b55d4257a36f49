"""Survival curves: the share of trials that is still finite, by update; and the trials that are NaN at the first."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from study.analysis.survival.kaplan_meier import KaplanMeier, SurvivalCurve
from study.analysis.survival.two_parts import TwoParts
from study.analysis.wording import count
from study.report.figures.drawing import CYCLE, INK, Drawing, grid, new_figure, styled

MOST_CURVES = len(CYCLE)
"""More curves than this cannot be told apart; those of the largest groups are drawn."""

MARKERS = "osD^vPX"


def two_parts_figure(parts: TwoParts, *, failed: int = 0, name: str = "survival") -> Drawing:
    """The share of trials that is NaN at update 1, and beside it the survival curves of the others.

    Args:
        parts: Of `study.analysis.survival.two_parts.two_parts`.
        failed: Trials that are in no number since they have no result, told in the caption.
        name: Of the drawing.
    """
    if not parts.events_at_first:
        return survival_figure(parts.later, failed=failed, name=name)
    return _drawing(parts.later, failed=failed, name=name, first=parts.first)


def survival_figure(curves: KaplanMeier, *, failed: int = 0, name: str = "survival") -> Drawing:
    """Kaplan-Meier curves with their bands, a mark at each censoring time, and the trials at risk below.

    Args:
        curves: Of `study.analysis.survival.kaplan_meier.kaplan_meier`.
        failed: Trials that are in no curve since they have no result, told in the caption.
        name: Of the drawing.
    """
    return _drawing(curves, failed=failed, name=name, first=None)


def _drawing(curves: KaplanMeier, *, failed: int, name: str, first: pd.DataFrame | None) -> Drawing:
    drawn = sorted(curves.curves, key=lambda curve: -curve.trials)[:MOST_CURVES]
    drawn = [curve for curve in curves.curves if any(curve is one for one in drawn) and curve.trials]
    trials, events = sum(c.trials for c in curves.curves), sum(c.events for c in curves.curves)
    at_once = 0 if first is None else int(first["events"].sum())
    lost = f", {failed} failed" if failed else ""
    if not drawn:
        why = f"all {count(at_once, 'trial')} diverged at update 1" if at_once else "no trial has a result"
        return Drawing(name=name, caption=f"No survival curve: {why}{lost}.")
    before = f"{at_once} diverged at update 1, " if at_once else ""
    counts = f"n = {at_once + trials}, {before}{events} diverged{' later' if at_once else ''}, "
    counts += f"{trials - events} censored at their budget{lost}"
    if trials == 1:
        return Drawing(name=name, caption=f"No survival curve: one trial makes no curve. {drawn[0].answer} {counts}.")
    if events == 0:
        longest = max(int(curve.points["time"].iloc[-1]) for curve in drawn)
        return Drawing(
            name=name,
            caption="No survival curve: no trial diverged, so it would be a flat line up to update "
            f"{longest} ({counts}).",
        )
    by = f" by {curves.axis}" if curves.axis else ""
    left_out = len([curve for curve in curves.curves if curve.trials]) - len(drawn)
    sure, words = f"{curves.confidence:.0%}", curves.divergence.words
    if first is None:
        caption = (
            f"Kaplan-Meier estimate of the share of trials still {words.still} after each update{by}, with pointwise "
            f"{sure} bands; + marks censored trials. Below: trials still training. {counts}."
        )
    else:
        caption = (
            f"Left: the share of trials with {words.reached} at update 1, before any step{by}, with {sure} intervals. "
            f"Right: of the others, the Kaplan-Meier estimate of the share still {words.still} after each update, with "
            f"pointwise {sure} bands; + marks censored trials. Below: trials still training. {counts}."
        )
    if left_out:
        caption += f" {count(left_out, 'smaller group')} not drawn."
    with styled():
        figure = new_figure(3.7 + 0.19 * len(drawn))
        heights = [3.1, 0.25 + 0.2 * len(drawn)]
        if first is None:
            top, below = figure.subplots(2, 1, sharex=True, height_ratios=heights, gridspec_kw={"hspace": 0.02})
        else:
            widths = [0.1 + 0.06 * len(drawn), 1.0]
            cells = figure.subplots(
                2, 2, sharex="col", height_ratios=heights, width_ratios=widths, gridspec_kw={"hspace": 0.02}
            )
            top, below = cells[0, 1], cells[1, 1]
            cells[1, 0].set_axis_off()
            _at_first(cells[0, 0], first[first["group"].isin([curve.group for curve in drawn])], noun=words.noun)
        last = max(float(curve.points["time"].iloc[-1]) for curve in drawn)
        for curve, (colour, line) in zip(drawn, CYCLE, strict=False):
            _curve(top, curve, colour=colour, line=line)
        top.set_ylim(-0.03, 1.03)
        top.set_xlim(-0.01 * last, 1.02 * last)
        top.yaxis.set_major_formatter(PercentFormatter(1.0))
        top.set_ylabel(f"{'share of trials' if first is None else 'of the others, share'} still {words.still}")
        top.tick_params(labelbottom=False)
        grid(top)
        # Where a curve is short of room, the legend's place is beside the axes, never on a curve.
        top.legend(title=curves.axis, loc="center left", bbox_to_anchor=(1.0, 0.5), alignment="left")
        _at_risk(below, drawn, last=last)
    return Drawing(name=name, caption=caption, figure=figure)


def _at_first(axes: Axes, first: pd.DataFrame, *, noun: str) -> None:
    for place, (row, (colour, _)) in enumerate(zip(first.to_dict("records"), CYCLE, strict=False)):
        axes.plot([place, place], [row["low"], row["high"]], color=colour)
        axes.plot(place, row["share"], MARKERS[place % len(MARKERS)], color=colour, markersize=6, clip_on=False)
    axes.set_xlim(-0.6, len(first) - 0.4)
    axes.set_xticks([])
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_ylabel(f"{noun} at update 1")
    grid(axes, which="y")


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
