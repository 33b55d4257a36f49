"""The law of scaling: steps to NaN against the learning rate, with what was fitted."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from study.analysis.groups import groups_of
from study.analysis.predictors import numbers
from study.analysis.survival.accelerated_failure_time import AcceleratedFailureTime
from study.analysis.survival.clock import past_first_update, steps_between
from study.analysis.survival.design_matrix import reference
from study.analysis.survival.scaling import Scaling
from study.analysis.table import durations, varying_axes
from study.analysis.table_axes import axes_of
from study.analysis.wording import count
from study.report.figures.drawing import CYCLE, GREY, Drawing, grid, new_figure, styled
from study.trial.axes import LEARNING_RATE, NONE, Axis, AxisValue, as_text

MARKERS = "osD^vPX"


def median_time(law: AcceleratedFailureTime, at: Mapping[str, AxisValue], *, trials: pd.DataFrame) -> float:
    """The median number of steps to NaN by a law; NaN where a coefficient that it needs has no estimate.

    The median of the logarithm is the location, for Weibull times the location + sigma log(log 2) (Kalbfleisch and
    Prentice, The statistical analysis of failure time data, 1980).

    Args:
        law: With an estimate.
        at: A value for every axis of the law.
        trials: Those that the law was fitted to.
    """
    columns = axes_of(trials).columns
    location = law.intercept
    for row in law.time_ratios.to_dict("records"):
        axis, coefficient = row["axis"], float(row["coefficient"])
        value = at[axis]
        text = NONE if value is None or pd.isna(value) else as_text(value)
        if isinstance(row["level"], str):
            amount = float(text == row["level"])
        elif text == NONE:
            amount = 0.0
        elif columns[axis].logarithmic:
            amount = math.log(float(text) / reference(columns[axis], numbers(trials, axis)))
        else:
            amount = float(text) / columns[axis].step
        # A coefficient without an estimate says nothing of trials that do not have its column.
        location += amount * coefficient if amount else 0.0
    shift = math.log(math.log(2)) if law.distribution == "weibull" else 0.0
    return math.exp(location + law.scale * shift) if math.isfinite(location) else math.nan


def scaling_figure(scaling: Scaling, *, by: str | None = None, name: str = "steps_to_nan") -> Drawing:
    """Steps to NaN of every trial against its learning rate on logarithmic axes, and the law's median.

    Args:
        scaling: Of `study.analysis.survival.scaling.scaling`.
        by: An axis of the law whose groups have a colour and a line each; without it, the first number of the law that
            counts by its ratios, such as the units, or else the first choice.
        name: Of the drawing.
    """
    law, trials = scaling.law, past_first_update(scaling.trials)
    words = law.divergence.words
    failed = int((scaling.trials["outcome"] == "failed").sum())
    if not law.estimated or LEARNING_RATE not in set(law.time_ratios["axis"]):
        why = law.answer if not law.estimated else "The learning rate does not vary, so there is no law of it to draw."
        return Drawing(name=name, caption=why)
    if by is None:
        columns = axes_of(trials).columns
        others = [axis for axis in varying_axes(trials) if axis in law.axes and axis != LEARNING_RATE]
        ranked = [axis for axis in others if columns[axis].logarithmic]
        by = next(iter([*ranked, *(axis for axis in others if columns[axis].kind == "str")]), None)
    groups = pd.Series("all trials", index=trials.index, dtype="category") if by is None else groups_of(trials, by)
    event = durations(trials)[1]
    low, high = steps_between(trials)
    duration = np.where(event, high, low)
    rate = trials[LEARNING_RATE].to_numpy(dtype=np.float64)
    span = np.geomspace(rate.min(), rate.max(), 60)
    held = {
        axis: typical(trials[axis], axes_of(trials).columns[axis])
        for axis in law.axes
        if axis not in (LEARNING_RATE, by)
    }
    drawn = 0
    with styled():
        figure = new_figure(4.4)
        axes = figure.subplots()
        for position, group in enumerate(groups.cat.categories):
            colour, line = CYCLE[position % len(CYCLE)]
            marker = MARKERS[position % len(MARKERS)]
            inside = (groups == group).to_numpy()
            dead = inside & event.to_numpy()
            alive = inside & ~event.to_numpy()
            label = f"{group} ({int(dead.sum())} of {int(inside.sum())})"
            axes.scatter(
                rate[dead], duration[dead], s=22, marker=marker, color=colour, alpha=0.75, linewidths=0, label=label
            )
            _censored(axes, rate[alive], duration[alive], colour)
            values = trials.loc[inside, by] if by is not None else pd.Series(dtype=float)
            if by is not None and values.nunique(dropna=False) != 1:
                continue
            fixed = held | ({} if by is None else {by: values.iloc[0]})
            curve = np.array([median_time(law, {**fixed, LEARNING_RATE: one}, trials=trials) for one in span])
            # A median beyond the budgets is an extrapolation: thinner, and only while it is near.
            longest = float(duration[inside].max())
            near = np.isfinite(curve) & (curve <= 3 * longest)
            drawn += bool(near.any())
            axes.plot(span[near & (curve <= longest)], curve[near & (curve <= longest)], color=colour, linestyle=line)
            axes.plot(span[near], curve[near], color=colour, linewidth=0.7, linestyle=line)
        axes.set(xscale="log", yscale="log", xlabel=LEARNING_RATE, ylabel=f"steps to {words.reached}")
        axes.yaxis.set_major_formatter(lambda value, place: f"{value:g}")
        grid(axes)
        handles, labels = axes.get_legend_handles_labels()
        handles.append(Line2D([], [], marker="^", color="none", markeredgecolor=GREY, markerfacecolor="none"))
        labels.append("survived its budget")
        axes.legend(handles, labels, title=by, loc="center left", bbox_to_anchor=(1.0, 0.5), alignment="left")
    events = int(event.sum())
    caption = (
        f"Steps to {words.reached} ({words.time} minus 1) by learning rate: filled points diverged, open triangles "
        f"survived their budget, so theirs are more. n = {len(trials)}, {events} diverged, "
        f"{len(trials) - events} censored" + (f", {failed} failed" if failed else "") + "."
    )
    if drawn:
        fixed_words = f" at {', '.join(f'{axis} = {_shown(value)}' for axis, value in held.items())}" if held else ""
        caption += (
            f" Lines: median of the fitted {law.distribution} law{fixed_words}; thin beyond the budget. {law.answer}"
        )
    caption += f" {scaling.pure.answer}" if scaling.pure else ""
    caption += f" {scaling.left_out}" if scaling.left_out else ""
    hidden = len(groups.cat.categories) - drawn
    if drawn and hidden > 0:
        caption += f" {count(hidden, 'group')} without a line: no estimate, or beyond the figure."
    return Drawing(name=name, caption=caption, figure=figure)


def typical(values: pd.Series, axis: Axis) -> AxisValue:
    """A value of an axis that stands for all: the middle one of numbers, the most frequent one of choices."""
    if axis.is_numeric and values.notna().any():
        ordered = np.sort(values.dropna().to_numpy(dtype=np.float64))
        middle = float(ordered[(len(ordered) - 1) // 2])
        return int(middle) if axis.kind == "int" else middle
    value = values.mode(dropna=False).iloc[0]
    if pd.isna(value):
        return None
    return bool(value) if axis.kind == "bool" else str(value)


def _shown(value: AxisValue) -> str:
    return f"{value:.3g}" if isinstance(value, float) else as_text(value)


def _censored(axes: Axes, rate: npt.NDArray[np.float64], time: npt.NDArray[np.float64], colour: str) -> None:
    # Just above the budget, where "larger than" begins.
    axes.scatter(rate, 1.06 * time, s=20, marker="^", facecolors="none", edgecolors=colour, linewidths=0.7, alpha=0.6)
