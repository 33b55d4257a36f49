"""The map of a user's model: its layers in the order of their calls, how large their numbers are, and which broke."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator

from study.report.figures.anatomy import GREY, INFINITE, NAN, VERMILION, as_svg, empty_figure, power
from study.report.figures.drawing import Drawing, styled
from study.trial.anatomy import Anatomy, Snapshot
from study.trial.reduction import Statistics

ROW, WIDTH, NARROW = 30, 1160, 830
"""Pixels: height of a row, width of the map on a page, and in a README."""

COLUMNS = ("output", "gradient", "weights")
TITLES = ("largest |output|", "largest |gradient of the output|", "largest |weight|")
COLUMN_OF = {"data": 0, "forward": 0, "loss": 0, "backward": 1, "optimizer": 2}
"""Phase of an onset -> the column in which it is marked."""

LOOKS = {"BEFORE": (GREY, "o"), "AT": (VERMILION, "o"), "LAST": (VERMILION, "o"), "AFTER": ("#0072b2", "|")}
EDGE = "#333942"
TIMES = "\N{MULTIPLICATION SIGN}"
LONGEST = 34
"""Characters of a name."""


@dataclass(frozen=True)
class _Row:
    name: str
    about: str
    depth: int
    layer: str | None
    values: Mapping[str, Sequence[Statistics | None]]
    """Snapshot -> of each column."""


def layer_map(anatomy: Anatomy, *, width: int = WIDTH) -> Figure:
    """A row a layer, and in three columns how large its output, the gradient of it and its weights are.

    Args:
        anatomy: Of a user's model, with at least one snapshot.
        width: Pixels.
    """
    names = round(0.345 * width)
    rows = list(_rows(anatomy))
    height = 40 + ROW * len(rows) + 48
    figure = empty_figure(width, height, left=names, right=18, top=40, bottom=48)
    columns: Any = figure.subplots(1, 3, sharey=True, gridspec_kw={"wspace": 0.09})
    marked = _marked(anatomy, rows)
    for place, axes in enumerate(columns):
        _column(axes, rows, anatomy.snapshots, place=place, marked=marked)
    left = columns[0]
    left.set_ylim(len(rows) - 0.5, -0.5)
    for number, row in enumerate(rows):
        across = -(names - 12) / (left.bbox.width / figure.dpi * 72)
        one = left.get_yaxis_transform()
        bold = "bold" if marked is not None and number == marked[0] else "normal"
        left.text(
            across + 0.07 * row.depth,
            number,
            _short(row.name),
            transform=one,
            va="center",
            fontweight=bold,
            fontsize=13,
        )
        left.text(-0.04, number, row.about, transform=one, va="center", ha="right", color="#59616e", fontsize=12)
    _legend(figure, anatomy.snapshots)
    return figure


drawn = as_svg(layer_map)


def drawing(anatomy: Anatomy, *, name: str) -> Drawing:
    """The map for a README.

    Args:
        anatomy: Of a trial of a model file.
        name: Of the picture's file.
    """
    with styled():
        figure = layer_map(anatomy, width=NARROW) if anatomy.snapshots else None
    return Drawing(name=name, figure=figure, caption="; ".join(anatomy.notes) or "The layers, and the one that broke.")


def _rows(anatomy: Anatomy) -> Iterator[_Row]:
    snapshots = anatomy.snapshots
    for name in snapshots[0].statistics.get("data", {}):
        of_data = {one.name: (one.statistics["data"].get(name), None, None) for one in snapshots}
        yield _Row(name, "of the batch", 0, None, of_data)
    for path, first in snapshots[0].layers.items():
        seen = {one.name: one.layers.get(path) for one in snapshots}
        yield _Row(
            path.rpartition("/")[2] if first.depth else path,
            f"{first.kind}{_shape(first.shape)}",
            first.depth,
            first.layer,
            {name: (None, None, None) if s is None else (s.output, s.gradient, s.weights) for name, s in seen.items()},
        )
    yield _Row("loss", "", 0, None, {one.name: (_of_number(one.loss), None, None) for one in snapshots})


def _shape(shape: Sequence[int]) -> str:
    return f"  {f' {TIMES} '.join(map(str, shape))}" if shape else ""


def _of_number(value: float) -> Statistics:
    size = abs(value)
    return Statistics(
        mean=value,
        std=0.0,
        minimum=value,
        maximum=value,
        smallest=size,
        largest=size,
        nonfinite=float(not math.isfinite(value)),
    )


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 3]}..."


def _marked(anatomy: Anatomy, rows: Sequence[_Row]) -> tuple[int, int] | None:
    """Row and column of the onset."""
    onset = anatomy.onset
    if onset is None:
        return None
    column = COLUMN_OF[onset.phase]
    wanted = [number for number, row in enumerate(rows) if row.layer is not None and row.layer == onset.layer]
    if onset.phase == "data":
        wanted = [number for number, row in enumerate(rows) if row.layer is None and row.name == onset.tensor]
    elif onset.phase == "loss" or not wanted:
        wanted = wanted if onset.phase != "loss" else [len(rows) - 1]
    return (wanted[-1] if onset.phase == "data" else wanted[0], column) if wanted else None


def _column(
    axes: Axes, rows: Sequence[_Row], snapshots: Sequence[Snapshot], *, place: int, marked: tuple[int, int] | None
) -> None:
    sizes = [
        stats.largest
        for row in rows
        for values in row.values.values()
        if (stats := values[place]) is not None and math.isfinite(stats.largest) and stats.largest > 0
    ]
    low, high = (math.log10(min(sizes)), math.log10(max(sizes))) if sizes else (-1.0, 1.0)
    room = max(0.08 * (high - low), 0.4)
    axes.set_xscale("log")
    axes.set_xlim(10 ** max(low - room, -320), 10 ** min(high + room + 0.28 * (high - low + 2 * room), 307))
    axes.xaxis.set_major_locator(LogLocator(numticks=5))
    axes.xaxis.set_major_formatter(lambda value, _: power(value))
    axes.minorticks_off()
    axes.tick_params(axis="y", left=False, labelleft=False)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(TITLES[place])
    for number in range(len(rows)):
        axes.axhline(number, color="#eceff2", linewidth=1, zorder=0)
    if marked is not None:
        axes.axhspan(marked[0] - 0.5, marked[0] + 0.5, color="#fdf0e7", zorder=-1, linewidth=0)
    for snapshot in snapshots:
        _points(axes, rows, snapshot, place)
    if marked is not None and marked[1] == place:
        axes.annotate(
            "first",
            (0.0, marked[0]),
            xycoords=axes.get_yaxis_transform(),
            xytext=(3, 0),
            textcoords="offset points",
            color=VERMILION,
            fontweight="bold",
            va="center",
            fontsize=12,
        )


def _points(axes: Axes, rows: Sequence[_Row], snapshot: Snapshot, place: int) -> None:
    """The largest magnitude of every row; at the right edge where there are numbers that are not finite."""
    colour, marker = LOOKS.get(snapshot.name, (GREY, "s"))
    for number, row in enumerate(rows):
        found = row.values[snapshot.name][place]
        if found is None:
            continue
        if math.isfinite(found.largest):
            if found.largest > 0:
                size = 6 if marker == "o" else 9
                axes.plot([found.largest], [number], marker, color=colour, markersize=size, markeredgewidth=2)
            continue
        if snapshot.name == "AFTER":
            continue
        nan = math.isnan(found.largest)
        axes.plot(
            [0.985],
            [number],
            "X" if nan else "D",
            color=NAN if nan else INFINITE,
            markeredgecolor=EDGE,
            markersize=8 if nan else 7,
            transform=axes.get_yaxis_transform(),
            clip_on=False,
            zorder=4,
        )
        axes.annotate(
            _share(found.nonfinite),
            (0.985, number),
            xycoords=axes.get_yaxis_transform(),
            xytext=(-8, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=11,
        )


def _share(share: float) -> str:
    return f"{100 * share:.2g}%" if share < 1 else "all"


def _legend(figure: Figure, snapshots: Sequence[Snapshot]) -> None:
    entries = [(LOOKS[s.name], f"{s.name}, update {s.update}") for s in snapshots if s.name in LOOKS]
    entries += [((NAN, "X"), "NaN, and the share not finite"), ((INFINITE, "D"), "infinite")]
    handles = [
        Line2D(
            [],
            [],
            color=colour,
            marker=marker,
            linestyle="none",
            markersize=8,
            markeredgewidth=2 if marker == "|" else 0.6,
            markeredgecolor=colour if marker in "o|" else EDGE,
        )
        for (colour, marker), _ in entries
    ]
    figure.legend(
        handles,
        [label for _, label in entries],
        loc="upper right",
        ncols=len(handles),
        frameon=False,
        fontsize=12,
        handletextpad=0.2,
        bbox_to_anchor=(1.0, 1.0),
        columnspacing=1.4,
    )
