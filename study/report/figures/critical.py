"""Critical values: where on one axis half of the trials diverge, a group of trials a row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from study.analysis.boundary.critical_value import CriticalValue
from study.analysis.predictors import numbers, texts
from study.analysis.table import usable
from study.analysis.table_axes import axes_of
from study.report.figures.drawing import (
    DIVERGED,
    INK,
    PALE,
    SURVIVED,
    Drawing,
    new_figure,
    styled,
)
from study.trial.axes import as_text


def critical_figure(table: pd.DataFrame, values: Sequence[CriticalValue], *, name: str = "critical_value") -> Drawing:
    """Each group's trials along the axis, and the value at which half of them diverge with its interval.

    Args:
        table: The results table.
        values: Critical values of one axis, of one group each, as `critical_values` gives them.
        name: Of the drawing.
    """
    assert len({value.axis for value in values}) <= 1
    trials = usable(table)
    failed = len(table) - len(trials)
    if not values:
        return Drawing(name=name, caption="No critical value: no trial has a result.")
    words = " ".join(value.words for value in values)
    if not any(value.status in ("inside", "below", "above", "flat") for value in values):
        return Drawing(name=name, caption=f"No critical value: {words}")
    axis, words_of_event = axes_of(table).columns[values[0].axis], values[0].divergence.words
    with styled():
        figure = new_figure(1.0 + 0.62 * len(values))
        axes = figure.subplots()
        if axis.logarithmic:
            axes.set_xscale("log")
        limits = _limits(values, logarithmic=axis.logarithmic)
        axes.set_xlim(*limits)
        for row, value in enumerate(values):
            _row(axes, row, value, trials)
        axes.set_ylim(len(values) - 0.5, -0.5)
        axes.set_yticks(range(len(values)), [_label(value) for value in values])
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(True, axis="x", color=PALE, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.set_xlabel(axis.label)
        figure.legend(handles=_legend(words_of_event.noun), loc="outside upper left", ncols=3)
    counted = f"n = {sum(v.trials for v in values)}, {sum(v.trials - v.diverged for v in values)} censored"
    caption = (
        f"Critical {axis.column}: where half of the trials {words_of_event.go} within the budget (diamond), with its "
        f"95% interval (bar; an arrow where it leaves the values tried). Ticks: the trials. {counted}"
        + (f", {failed} failed" if failed else "")
        + "."
    )
    averaged = {sentence for value in values for sentence in value.words.split(". ") if sentence.startswith("Averaged")}
    if len(averaged) == 1:
        caption += f" {averaged.pop().strip(' .')}."
    return Drawing(name=name, caption=caption, figure=figure)


def _label(value: CriticalValue) -> str:
    group = ", ".join(as_text(one) for one in value.at.values()) or "all trials"
    return f"{group}\n{value.diverged} of {value.trials}"


def _limits(values: Sequence[CriticalValue], *, logarithmic: bool) -> tuple[float, float]:
    ends = [end for value in values for end in (value.lowest, value.highest) if end is not None]
    low, high = min(ends), max(ends)
    if logarithmic:
        room = (high / low) ** 0.05 or 1.1
        return low / room, high * room
    room = 0.05 * (high - low) or 0.5
    return low - room, high + room


def _row(axes: Axes, row: int, value: CriticalValue, trials: pd.DataFrame) -> None:
    inside = np.ones(len(trials), dtype=bool)
    for axis, wanted in value.at.items():
        inside &= (texts(trials[axis]) == as_text(wanted)).to_numpy(dtype=bool)
    places = numbers(trials, value.axis)[inside]
    died = (trials["outcome"] == "diverged").to_numpy(dtype=bool)[inside]
    axes.plot(places[died], np.full(died.sum(), row - 0.24), "|", color=DIVERGED, markersize=10, alpha=0.8)
    axes.plot(places[~died], np.full((~died).sum(), row + 0.24), "|", color=SURVIVED, markersize=10, alpha=0.8)
    if value.status in ("inside", "below", "above") and value.lowest is not None and value.highest is not None:
        left, right = axes.get_xlim()
        low, high = value.low, value.high
        axes.plot([low or left, high or right], [row, row], color=INK, linewidth=2.2, solid_capstyle="butt")
        for end, edge, marker in ((low, left, "<"), (high, right, ">")):
            if end is None:
                axes.plot(edge, row, marker, color=INK, clip_on=False, markersize=7)
        if value.value is not None:
            axes.plot(value.value, row, "D", color=INK, markersize=8, markeredgecolor="white")
    else:
        text = "does not depend on it, as far as shown" if value.status == "flat" else value.status
        axes.text(0.5, row, text, ha="center", va="center", fontsize=9, transform=axes.get_yaxis_transform())


def _legend(noun: str) -> list[Line2D]:
    return [
        Line2D([], [], marker="|", color="none", markeredgecolor=DIVERGED, markersize=10, label=f"{noun} (above)"),
        Line2D([], [], marker="|", color="none", markeredgecolor=SURVIVED, markersize=10, label="survived (below)"),
        Line2D(
            [],
            [],
            marker="D",
            color=INK,
            markersize=7,
            markeredgecolor="white",
            label="half diverge, with 95% interval",
        ),
    ]
