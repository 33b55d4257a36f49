"""Where trials stand along an axis of a plot, its ticks, and what is said of a trial under the pointer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from study.analysis.findings import boundary_axes
from study.analysis.prediction.importance import Importance
from study.analysis.predictors import Floats, numbers, predictor_axes, texts
from study.analysis.table import event_of
from study.analysis.table_axes import axes_of
from study.report.plots.plot import LINES
from study.trial.axes import Axis, as_text

FEW = 12
"""An axis with at most as many values has its points spread a little, else they would hide each other."""


def by_use(trials: pd.DataFrame) -> list[str]:
    """The axes that vary, those first along which a boundary is best looked for."""
    first = boundary_axes(trials, Importance(axes=(), words=""))
    return [*first, *(axis for axis in predictor_axes(trials) if axis not in first)]


def positions(trials: pd.DataFrame, axis: str) -> np.ndarray:
    """Where trials stand along an axis; those of an axis with few values are spread, always in the same way."""
    values = levels(trials, axis)
    if values is None:
        return numbers(trials, axis)
    places = texts(trials[axis]).map({text: place for place, text in enumerate(values)}).to_numpy(dtype=float)
    # The fractional parts of multiples of the golden ratio fill an interval evenly.
    spread = (np.arange(len(trials)) * 0.6180339887498949) % 1 - 0.5
    return np.asarray(places + 0.5 * spread)


def levels(trials: pd.DataFrame, axis: str) -> list[str] | None:
    """The values of an axis that has few, in order; None of one that has many."""
    kind = axes_of(trials).columns[axis]
    values = trials[axis].dropna().unique().tolist()
    if kind.is_numeric and len(values) > FEW:
        return None
    found = [as_text(value) for value in sorted(values)]
    return found + [text for text in dict.fromkeys(texts(trials[axis])) if text not in found]


def x_axis(trials: pd.DataFrame, axis: str) -> dict[str, Any]:
    """Plotly's settings of an axis on which trials stand at their `positions`."""
    found = axes_of(trials).columns[axis]
    values = levels(trials, axis)
    scale: dict[str, Any] = (
        {"type": "log" if found.logarithmic else "linear", **numeric_ticks(trials, axis)}
        if values is None
        else {"type": "linear", "tickvals": list(range(len(values))), "ticktext": values}
    )
    return {**scale, "title": {"text": found.label}, "autorange": True, **LINES}


def numeric_ticks(trials: pd.DataFrame, axis: str) -> dict[str, Any]:
    """Ticks of a numeric axis with many values, and their labels."""
    values = numbers(trials, axis)
    shown = rounded(axes_of(trials).columns[axis], values[np.isfinite(values)])
    return {"tickvals": shown, "ticktext": [f"{value:.3g}" for value in shown]}


def rounded(axis: Axis, values: Floats) -> Floats:
    """The values themselves where they are few, else rounded ones within their range; its ends where there are none."""
    found = np.unique(values)
    if len(found) <= FEW:
        return np.asarray(found)
    low, high = found[0], found[-1]
    if axis.logarithmic:
        exponents = np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
        inner = np.outer(10**exponents, [1, 3]).ravel()
    else:
        inner = np.asarray(MaxNLocator(6).tick_values(low, high))
    within = inner[(inner >= low) & (inner <= high)]
    return np.asarray(within if len(within) > 1 else [low, high])


def hover(trials: pd.DataFrame) -> np.ndarray:
    """What is said of each trial under the pointer: its outcome, the axes that vary, its seed."""
    words = event_of(trials).words
    axes = [*predictor_axes(trials), "seed"]
    told = []
    for row in trials.to_dict("records"):
        what = f"{words.noun} at update" if row["outcome"] == "diverged" else "survived to update"
        values = [f"{axis} {_short(row[axis])}" for axis in axes if not pd.isna(row[axis])]
        told.append("<br>".join([f"trial {row['trial_number']}: {what} {row['updates']}", *values]))
    return np.array(told, dtype=object)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else as_text(value)
