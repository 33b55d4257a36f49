"""The contour of P(NaN within a budget), told from times: a curve along one axis, a map over two."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.contour import QuadContourSet

from study.analysis.boundary.contour import UNSURE, Contour
from study.analysis.predictors import numbers, with_result
from study.analysis.table_axes import axes_of
from study.report.figures.drawing import DIVERGED, INK, PALE, PROBABILITY, SURVIVED, Drawing, new_figure, styled

LEVELS = np.linspace(0, 1, 21)
"""Of P, where its colour changes."""


def contour_figure(found: Contour, table: pd.DataFrame, *, name: str = "contour") -> Drawing:
    """P as a curve or as colour, the contour, and the band in which its side is not known at 95%.

    Args:
        found: Of `study.analysis.boundary.contour.contour`.
        table: The results table that it was found in.
        name: Of the drawing.
    """
    trials = with_result(table)
    with styled():
        figure = new_figure(4.2)
        axes = figure.subplots()
        if len(found.along) == 1:
            _curve(axes, found, trials)
        else:
            mapped = _map(axes, found, trials)
            bar = figure.colorbar(mapped, ax=axes, shrink=0.9, pad=0.015, aspect=32, ticks=[0, 0.25, 0.5, 0.75, 1])
            bar.set_label(f"P({found.divergence.words.noun} within {found.updates} updates)")
        columns = axes_of(table).columns
        axes.set_xlabel(columns[found.along[0]].label)
        if columns[found.along[0]].logarithmic:
            axes.set_xscale("log")
        if len(found.along) == 2:
            axes.set_ylabel(columns[found.along[1]].label)
            if columns[found.along[1]].logarithmic:
                axes.set_yscale("log")
    band, died, lived = ("pale", "Ticks above", "below") if len(found.along) == 1 else ("hatched", "Crosses", "circles")
    caption = (
        f"{found.words} From a Gaussian process of the time, survivors right-censored; {band}: where the side is not "
        f"known at 95%, pointwise. {died}: trials that diverged within that budget, {lived}: that did not, of all "
        "values of the axes that are held."
    )
    return Drawing(name=name, caption=caption, figure=figure)


def _died(found: Contour, trials: pd.DataFrame) -> np.ndarray:
    times = numbers(trials, "time_to_nan")
    return np.nan_to_num(times, nan=np.inf) <= found.updates


def _curve(axes: Axes, found: Contour, trials: pd.DataFrame) -> None:
    line = found.grid[0]
    crossing = found.crossings[0]
    if crossing.unsure:
        low = line[0] if crossing.low is None else crossing.low
        high = line[-1] if crossing.high is None else crossing.high
        axes.axvspan(low, high, color=PALE, zorder=0)
    axes.plot(line, found.probability, color=INK, linewidth=2.2)
    axes.axhline(found.level, color=INK, linewidth=0.8, linestyle="--")
    died = _died(found, trials)
    places = numbers(trials, found.along[0])
    axes.plot(places[died], np.full(died.sum(), 1.04), "|", color=DIVERGED, markersize=9, clip_on=False)
    axes.plot(places[~died], np.full((~died).sum(), -0.04), "|", color=SURVIVED, markersize=9, clip_on=False)
    axes.set_ylabel(f"P({found.divergence.words.noun} within {found.updates} updates)")
    axes.set_ylim(-0.08, 1.08)


def _map(axes: Axes, found: Contour, trials: pd.DataFrame) -> QuadContourSet:
    x, y = found.grid
    mapped = axes.contourf(x, y, found.probability, levels=LEVELS, cmap=PROBABILITY, vmin=0, vmax=1, zorder=0)
    if ((found.inside > UNSURE[0]) & (found.inside < UNSURE[1])).any():
        axes.contourf(x, y, found.inside, levels=list(UNSURE), colors="none", hatches=["///"], zorder=1).set(
            edgecolor="#b4bac3", linewidth=0
        )
    if found.inside.min() < 0.5 < found.inside.max():
        axes.contour(x, y, found.inside, levels=[0.5], colors=INK, linewidths=2.2, zorder=2)
    died = _died(found, trials)
    across, up = (numbers(trials, axis) for axis in found.along)
    axes.scatter(across[~died], up[~died], s=18, marker="o", facecolors="white", edgecolors=SURVIVED, zorder=3)
    axes.scatter(across[died], up[died], s=24, marker="X", color=DIVERGED, edgecolors="white", linewidths=0.5, zorder=4)
    return mapped
