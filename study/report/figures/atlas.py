"""The atlas: a phase diagram at high resolution by time-to-NaN, a zoom into its edge, and how rough the edge is."""

from __future__ import annotations

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import NullFormatter

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


def atlas_figure(
    whole: Atlas, *, zoom: Atlas | None = None, seeds: Atlas | None = None, name: str = "atlas"
) -> Drawing:
    """Panels of one seed, a zoom into its edge, the mean of several seeds, and box counts of the first two.

    Args:
        whole: The picture.
        zoom: A part of it at the same resolution; None leaves its panel out.
        seeds: The picture of several seeds; None leaves its panel out.
        name: Of the drawing.
    """
    pictures = [picture for picture in (whole, zoom, seeds) if picture is not None]
    dimensions = {"the whole": whole.dimension()} | ({"the zoom": zoom.dimension()} if zoom is not None else {})
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
        _counts(places.flat[len(pictures)], dimensions)
    return Drawing(name=name, caption=_caption(whole, zoom, seeds, dimensions), figure=figure)


def _seeds(picture: Atlas) -> str:
    return "one seed" if picture.seeds == 1 else f"mean of {picture.seeds} seeds"


def _picture(axes: Axes, picture: Atlas) -> QuadMesh:
    shown = np.ma.masked_array(picture.mean_time, picture.share == 0)
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


def _counts(axes: Axes, dimensions: dict[str, BoxDimension]) -> None:
    for (label, found), (colour, line), marker in zip(dimensions.items(), CYCLE, "os", strict=False):
        sizes, counts = np.array(found.sizes), np.array(found.counts)
        if found.dimension is None:
            continue
        name = f"{label}: {found.dimension:.2f} ({found.low:.2f} to {found.high:.2f})"
        axes.plot(sizes, counts, marker, color=colour, label=name)
        middle = np.exp(np.log(counts).mean() - found.dimension * (np.log(sizes) - np.log(sizes).mean()))
        axes.plot(sizes, middle, line, color=colour, linewidth=1.2)
    highest = max(found.counts[0] for found in dimensions.values())
    sizes = np.array(next(iter(dimensions.values())).sizes)
    smooth = 1.3 * highest * sizes ** -float(SMOOTH["both"])
    axes.plot(sizes, smooth, ":", color=INK, linewidth=1.4, label="as steep as a smooth curve: 1")
    axes.set_xscale("log")
    axes.set_yscale("log")
    plain_ticks(axes, axis="x", values=sizes)
    axes.yaxis.set_minor_formatter(NullFormatter())
    grid(axes)
    axes.set_xlabel("side of a box, in pixels")
    axes.set_ylabel("boxes with the edge in them")
    axes.set_title("dimension of the edge (95% interval)")
    axes.legend(loc="lower left")


def _caption(whole: Atlas, zoom: Atlas | None, seeds: Atlas | None, dimensions: dict[str, BoxDimension]) -> str:
    words = whole.divergence.words
    rows, columns = whole.share.shape
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
    found = "; ".join(f"of {label} {one.words}" for label, one in dimensions.items())
    return f"{about} Dimension of the edge by box counting: {found}. A smooth curve has 1."
