"""The atlas: a phase diagram at high resolution by time-to-NaN, a zoom into its edge, and how rough the edge is."""

from __future__ import annotations

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator

from study.analysis.boundary.atlas import Atlas
from study.analysis.boundary.box_counting import SMOOTH, BoxDimension
from study.analysis.predictors import Floats, scale, unscale
from study.analysis.wording import count
from study.report.figures.drawing import CYCLE, GREY, INK, Drawing, grid, new_figure, plain_ticks, styled
from study.trial.axes import Axis

TIMES = matplotlib.colormaps["cividis_r"]
"""Of the time to NaN: the later, the darker, so that it ends in a dark line where trials survive, which are white. Its
order is there in grey, and it was made for the colour-blind (J. Nuñez, C. Anderton and R. Renslow, 2018,
doi:10.1371/journal.pone.0199239)."""

SURVIVED_COLOUR = "white"

ByBudget = dict[int, BoxDimension]
"""Dimension of an edge, by the updates within which trials diverged."""

BUDGETS = (2, 5, 10, 20, 50)
"""In updates: those below a picture's own for which its edge is looked at."""


def atlas_figure(
    whole: Atlas, *, zoom: Atlas | None = None, seeds: Atlas | None = None, name: str = "atlas"
) -> Drawing:
    """Panels of one seed, a zoom into its edge, the mean of several seeds, and the dimension of the edge by budget.

    Args:
        whole: The picture.
        zoom: A part of it at the same resolution; None leaves its panel out.
        seeds: The picture of several seeds; None leaves its panel out.
        name: Of the drawing.
    """
    pictures = [picture for picture in (whole, zoom, seeds) if picture is not None]
    parts = {"the whole": whole} | ({} if zoom is None else {"the zoom": zoom})
    dimensions = {label: _dimensions(part) for label, part in parts.items()}
    panels = len(pictures) + 1
    columns = min(panels, 2)
    rows = -(-panels // columns)
    with styled():
        figure = new_figure(0.4 + 3.5 * rows)
        places = figure.subplots(rows, columns, squeeze=False)
        for axes in places.flat[panels:]:
            axes.set_visible(False)
        mapped = [_picture(axes, picture) for axes, picture in zip(places.flat, pictures, strict=False)]
        titles = [_seeds(picture) for picture in pictures]
        if zoom is not None:
            titles[1] = f"the frame at left, {titles[1]}"
            _frame(places.flat[0], whole, zoom)
        for axes, title in zip(places.flat, titles, strict=False):
            axes.set_title(title)
        bar = figure.colorbar(mapped[0], ax=list(places.flat), shrink=0.6, pad=0.015, aspect=40)
        ticks = [tick for tick in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if tick <= whole.budget]
        plain_ticks(bar.ax, axis="y", values=ticks)
        bar.set_label(f"update of {whole.divergence.words.noun}")
        bar.ax.legend(
            handles=[Patch(facecolor=SURVIVED_COLOUR, edgecolor=GREY, label=f"none in\n{whole.budget}")],
            loc="lower left",
            bbox_to_anchor=(-0.6, 1.01),
            handlelength=1.1,
            borderaxespad=0.0,
        )
        _roughness(places.flat[len(pictures)], dimensions, whole)
    return Drawing(name=name, caption=_caption(whole, zoom, seeds, dimensions), figure=figure)


def _seeds(picture: Atlas) -> str:
    return "one seed" if picture.seeds == 1 else f"mean of {picture.seeds} seeds"


def _picture(axes: Axes, picture: Atlas) -> QuadMesh:
    shown = np.ma.masked_array(picture.mean_time, np.isinf(picture.times).all(axis=2))
    axes.set_facecolor(SURVIVED_COLOUR)
    mesh = axes.pcolormesh(
        _borders(picture.x, picture.x_values),
        _borders(picture.y, picture.y_values),
        shown,
        cmap=TIMES,
        norm=LogNorm(vmin=1, vmax=picture.budget),
        rasterized=True,
    )
    for axis, setter in ((picture.x, axes.set_xscale), (picture.y, axes.set_yscale)):
        if axis.logarithmic:
            setter("log")
    if picture.x.logarithmic and picture.x_values[-1] < 10 * picture.x_values[0]:
        # Of less than a decade, matplotlib's own ticks are in each other's way.
        plain_ticks(axes, axis="x", values=MaxNLocator(5).tick_values(picture.x_values[0], picture.x_values[-1]))
    axes.set_xlabel(picture.x.label)
    axes.set_ylabel(picture.y.label)
    for side in ("top", "right"):
        axes.spines[side].set_visible(True)
    return mesh


def _borders(axis: Axis, values: Floats) -> Floats:
    """Of the pixels around values, halfway on the axis's scale."""
    places = scale(axis, values)
    halves = (places[1:] + places[:-1]) / 2
    return unscale(axis, np.concatenate([[2 * places[0] - halves[0]], halves, [2 * places[-1] - halves[-1]]]))


def _frame(axes: Axes, whole: Atlas, zoom: Atlas) -> None:
    """Where the zoom is, in black around white, so that it can be seen on every colour."""
    left, right = _borders(zoom.x, zoom.x_values)[[0, -1]]
    low, high = _borders(zoom.y, zoom.y_values)[[0, -1]]
    for colour, width in (("white", 3.0), ("black", 1.2)):
        axes.add_patch(
            Rectangle((left, low), right - left, high - low, fill=False, edgecolor=colour, linewidth=width, zorder=3)
        )


def _dimensions(picture: Atlas) -> ByBudget:
    """Of the edge, by budget; those of which it has one."""
    budgets = sorted({*(budget for budget in BUDGETS if budget < picture.budget), picture.budget})
    found = {budget: picture.dimension(within=budget) for budget in budgets}
    return {budget: one for budget, one in found.items() if one.dimension is not None}


def _roughness(axes: Axes, dimensions: dict[str, ByBudget], whole: Atlas) -> None:
    for place, ((label, found), (colour, line), marker) in enumerate(
        zip(dimensions.items(), CYCLE, "os", strict=False)
    ):
        # A little apart, so that their intervals can be told.
        budgets = np.array(list(found)) * 1.05**place
        middle, low, high = np.array([(one.dimension, one.low, one.high) for one in found.values()], dtype=float).T
        axes.errorbar(
            budgets, middle, [middle - low, high - middle], fmt=marker + line, color=colour, label=label, capsize=2.5
        )
    for value, words in ((SMOOTH["both"], "a smooth curve"), (2, "all of the plane")):
        axes.axhline(value, color=GREY, linewidth=1.0, linestyle=":")
        axes.annotate(words, (1, value), xycoords=("axes fraction", "data"), xytext=(-3, 3), textcoords="offset points",
                      ha="right", color=INK)  # fmt: skip
    axes.set_xscale("log")
    plain_ticks(axes, axis="x", values=[budget for budget in (*BUDGETS, whole.budget) if budget <= whole.budget])
    grid(axes)
    axes.set_ylim(0.7, 2.3)
    axes.set_xlabel("updates within which a trial diverged")
    axes.set_ylabel("dimension of the edge")
    axes.set_title("how rough the edge is (95% interval)")
    axes.legend(loc="lower right")


def _caption(whole: Atlas, zoom: Atlas | None, seeds: Atlas | None, dimensions: dict[str, ByBudget]) -> str:
    words = whole.divergence.words
    rows, columns, _ = whole.times.shape
    about = (
        f"Each pixel is a trial, {columns} by {rows}: its colour is the update of {words.noun}, white trials survived "
        f"their {count(whole.budget, 'update')}."
    )
    if zoom is not None:
        across = np.ptp(scale(whole.x, whole.x_values)) / np.ptp(scale(zoom.x, zoom.x_values))
        up = np.ptp(scale(whole.y, whole.y_values)) / np.ptp(scale(zoom.y, zoom.y_values))
        about += f" The zoom is {across:.0f} by {up:.0f} times as fine."
    if seeds is not None:
        about += (
            f" Of {seeds.seeds} seeds the mean time is shown, survivors counted with {seeds.budget}; "
            "where it is white none diverged."
        )
    found = [
        f"of {label} {one.words}" for label, by_budget in dimensions.items() if (one := by_budget.get(whole.budget))
    ]
    told = f"Dimension of the edge by box counting: {'; '.join(found)}." if found else "There is no edge."
    return f"{about} {told} A smooth curve has 1."
