"""Onset: which number of a trial was the first that was not finite, where, and what followed when."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from study.analysis.onsets import LAST_LAG, TIMELINE_LABELS, Onsets, lags
from study.analysis.predictors import grouping_axis, texts
from study.analysis.table import event_of, usable
from study.analysis.wording import count
from study.report.figures.drawing import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PALE,
    PURPLE,
    SURVIVED,
    VERMILION,
    Drawing,
    grid,
    new_figure,
    styled,
)
from study.trial.phrases import tensor_label
from study.trial.tensor_name import TensorName
from study.trial.words import PHASES

MOST_TENSORS = 9
LOOKS = {
    "data": (ORANGE, "\\\\"),
    "forward": (BLUE, ""),
    "loss": (GREEN, ".."),
    "backward": (VERMILION, "//"),
    "optimizer": (PURPLE, "xx"),
}
"""Colour and hatch of each phase."""

LARGEST_FLOAT32 = 3.4028234663852886e38
"""Largest finite number of IEEE 754 single precision: (2 - 2^-23) 2^127."""


def onset_figure(onsets: Onsets, *, name: str = "onset") -> Drawing:
    """Which tensor held the first number that was not finite, and at which timestep.

    Args:
        onsets: Of `study.analysis.onsets.onsets`.
        name: Of the drawing.
    """
    if onsets.trials.empty:
        return Drawing(name=name, caption=onsets.answer)
    trials = onsets.trials
    counted = trials.groupby(["onset_tensor", "onset_phase"], observed=True).size()
    totals = counted.groupby("onset_tensor").sum().sort_values(ascending=False, kind="stable")
    shown = list(totals.index[:MOST_TENSORS])
    rest = int(totals.iloc[MOST_TENSORS:].sum())
    steps = trials["onset_timestep"].dropna().astype(int)
    with styled():
        figure = new_figure(1.3 + 0.3 * max(len(shown) + bool(rest), 4))
        left, right = figure.subplots(1, 2, width_ratios=[1.25, 1])
        for row, tensor in enumerate(shown):
            start = 0
            for phase in PHASES:
                number = int(counted.get((tensor, phase), 0))
                if number:
                    colour, hatch = LOOKS[phase]
                    left.barh(row, number, left=start, color=colour, hatch=hatch, edgecolor="w")
                start += number
            left.text(start, row, f" {start}", va="center", fontsize=9)
        labels = [tensor_label(TensorName.parse(str(tensor))) for tensor in shown]
        if rest:
            left.barh(len(shown), rest, color=PALE)
            left.text(rest, len(shown), f" {rest}", va="center", fontsize=9)
            labels.append(f"{len(totals) - len(shown)} others")
        left.set_yticks(range(len(labels)), labels)
        left.tick_params(axis="y", length=0)
        left.invert_yaxis()
        left.set_xlabel("trials")
        left.set_xlim(0, 1.15 * float(totals.iloc[0]))
        left.set_title("first number that was not finite")
        for phase in PHASES:
            if (trials["onset_phase"] == phase).any():
                colour, hatch = LOOKS[phase]
                left.bar(0, 0, color=colour, hatch=hatch, edgecolor="w", label=phase)
        left.legend(loc="lower right", title="phase")
        _timesteps(right, steps, trials)
    caption = (
        f"The very first number that was not finite, of {count(len(trials), 'trial')} for which it is known, "
        f"survivors among them; right: its timestep, where it has one ({len(steps)} of them). {onsets.counts}."
    )
    return Drawing(name=name, caption=caption, figure=figure)


def _timesteps(axes: Axes, steps: pd.Series, trials: pd.DataFrame) -> None:
    axes.set_title("timestep of it")
    axes.set_xlabel("timestep (from 0)")
    axes.set_ylabel("trials")
    if steps.empty:
        axes.text(0.5, 0.5, "none has a timestep", ha="center", transform=axes.transAxes, color=GREY)
        axes.set_yticks([])
        return
    last = int(trials["timesteps"].max())
    axes.hist(steps, bins=np.linspace(0, last, 21).tolist(), color=BLUE, edgecolor="white")
    axes.set_xlim(0, last)
    grid(axes, which="y")


def timeline_figure(table: pd.DataFrame, *, name: str = "timeline") -> Drawing:
    """When each kind of number stopped being finite, counted from the update of the trial's time-to-NaN.

    Args:
        table: A results table with the columns of the timeline.
        name: Of the drawing.
    """
    told = lags(table)
    if told.empty:
        return Drawing(name=name, caption="No timeline: no trial that diverged has one recorded.")
    died = int((table["outcome"] == "diverged").sum())
    censored, failed = int((table["outcome"] == "survived").sum()), int((table["outcome"] == "failed").sum())
    events = [str(column) for column in told]
    first = int(np.nanmin(told[events].to_numpy(dtype=np.float64)))
    places = [*range(max(first, -LAST_LAG), 2)]
    with styled():
        figure = new_figure(1.0 + 0.33 * len(events))
        axes = figure.subplots()
        for row, event in enumerate(events):
            values = told[event].dropna().clip(lower=places[0]).astype(int)
            shares = values.value_counts() / len(told)
            axes.scatter(
                shares.index, np.full(len(shares), row), s=360 * shares, color=VERMILION if row else BLUE, alpha=0.85
            )
            never = int(told[event].isna().sum())
            axes.text(1.01, row, f"never: {never}" if never else "", va="center", fontsize=9,
                      transform=axes.get_yaxis_transform())  # fmt: skip
        axes.set_yticks(range(len(events)), [TIMELINE_LABELS[event] for event in events])
        axes.invert_yaxis()
        axes.set_xticks(places, [f"≤ {p}" if p == -LAST_LAG and first < p else f"{p:+d}" if p else "0" for p in places])
        axes.set_xlim(places[0] - 0.6, 1.6)
        axes.set_ylim(len(events) - 0.4, -0.6)
        axes.axvline(0, color=GREY, linewidth=1, zorder=0)
        grid(axes)
        axes.set_xlabel("update, counted from that of the divergence")
    caption = (
        "First update at which each kind of number was not finite (for the first row: at which the loss was finite and "
        f"above 10), in {count(len(told), 'trial')} that diverged; the area is the share of those trials. A weight "
        f"counts for the update that starts from it. n = {died + censored}, {died} diverged, {censored} censored"
        + (f", {failed} failed" if failed else "")
        + "."
    )
    return Drawing(name=name, caption=caption, figure=figure)


def growth_figure(table: pd.DataFrame, *, by: str | None = None, name: str = "growth") -> Drawing:
    """By how many powers of ten a state would grow over a sequence, at each trial's last finite update.

    It is the cell state, or the hidden state where some of the trials' cells have no other.

    Args:
        table: A results table with the column `cell_growth` or `hidden_growth`.
        by: The axis whose values are rows; without it, the first choice that varies, if any does.
        name: Of the drawing.
    """
    trials = usable(table)
    failed = len(table) - len(trials)
    state = _grown_state(trials)
    if state is None:
        return Drawing(name=name, caption="No growth figure: the growth of the states was not recorded.")
    trials = trials[trials[f"{state}_growth"].notna()]
    powers = trials[f"{state}_growth"].to_numpy(dtype=np.float64) * trials["timesteps"].to_numpy(dtype=np.float64)
    powers = powers / math.log(10)
    died = (trials["outcome"] == "diverged").to_numpy(dtype=bool)
    by = by or grouping_axis(table)
    values = texts(trials[by]) if by else pd.Series("all trials", index=trials.index)
    groups = sorted(values.unique())
    limit = math.log10(LARGEST_FLOAT32)
    with styled():
        figure = new_figure(1.2 + 0.55 * len(groups))
        axes = figure.subplots()
        for row, group in enumerate(groups):
            inside = (values == group).to_numpy(dtype=bool)
            for those, offset, marker, colour, filled in (
                (inside & died, -0.16, "X", VERMILION, True),
                (inside & ~died, 0.16, "o", SURVIVED, False),
            ):
                number = int(those.sum())
                # Low-discrepancy offsets: dense places stay readable, and the figure is the same every time.
                jitter = ((np.arange(number) * 0.6180339887) % 1 - 0.5) * 0.24
                axes.scatter(
                    powers[those], row + offset + jitter, s=20, marker=marker, linewidths=0.6, alpha=0.8,
                    facecolors=colour if filled else "white", edgecolors="white" if filled else colour,
                    label={"X": event_of(trials).words.went, "o": "survived"}[marker] if row == 0 else None,
                )  # fmt: skip
        axes.axvline(limit, color="#000000", linewidth=1, linestyle=":")
        axes.text(limit, -0.55, " largest float32", fontsize=9, va="bottom")
        axes.set_xscale("symlog", linthresh=1)
        axes.xaxis.set_major_formatter(lambda value, place: f"{value:g}")
        axes.set_yticks(range(len(groups)), groups)
        axes.set_ylim(len(groups) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        grid(axes, which="x")
        axes.set_xlabel(f"growth of max |{state[0]}| over the sequence (powers of ten)")
        figure.legend(loc="outside upper left", ncols=2)
    caption = (
        f"Growth rate of the largest {state} state over the timesteps, times their number, at the last update at which "
        f"it was finite{f', by {by}' if by else ''}; linear below 1. Right of the dotted line a state that starts near "
        f"1 overflows before the sequence ends. n = {len(trials)}, {int(died.sum())} diverged, "
        f"{int((~died).sum())} censored" + (f", {failed} failed" if failed else "") + "."
    )
    return Drawing(name=name, caption=caption, figure=figure)


def _grown_state(trials: pd.DataFrame) -> str | None:
    """`cell` or `hidden`: the state whose growth is recorded of all cells that the trials have; None for neither."""
    if "timesteps" not in trials or trials.empty:
        return None
    by_cell = [of for _, of in trials.groupby("cell")] if "cell" in trials else [trials]
    for state in ("cell", "hidden"):
        if all(f"{state}_growth" in of and of[f"{state}_growth"].notna().any() for of in by_cell):
            return state
    return None
