"""Figures of a page, each an SVG that needs nothing from outside.

Colours are safe for the colour-blind: blue and vermilion of M. Okabe and K. Ito, "Color universal design", 2008, and a
map from blue over white to red. What is not finite has colours that no map has: black for NaN, yellow for infinite.
"""

from __future__ import annotations

import base64
import io
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, ParamSpec

import matplotlib
import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.collections import PolyCollection
from matplotlib.colors import SymLogNorm, to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogLocator, MaxNLocator

from study.report.figures.drawing import CYCLE
from study.trial.anatomy import Anatomy, Picture, Snapshot
from study.trial.growth import STATE_FIGURES, Growth, outputs_of
from study.trial.reduction import Histogram
from study.trial.timeline import LOSS_EXCEEDED, TIMELINE, Timeline

BLUE, VERMILION, GREY = "#0072b2", "#d55e00", "#8a8f98"
NAN, INFINITE = "#000000", "#ffd400"
MAP = "RdBu_r"
MINUS = "\N{MINUS SIGN}"

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "anatomy",
    "font.family": "sans-serif",
    "font.sans-serif": ["Helvetica", "Arial", "DejaVu Sans"],
    "font.size": 11,
    "axes.titlesize": 11,
    "axes.labelsize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "axes.edgecolor": "#555b66",
    "axes.labelcolor": "#333942",
    "xtick.color": "#333942",
    "ytick.color": "#333942",
    "lines.linewidth": 1.6,
    "lines.markersize": 4,
}


def empty_figure(width: float, height: float, **margins: float) -> Figure:
    """An empty figure.

    Args:
        width: Pixels.
        height: Pixels.
        margins: `left`, `right`, `top` and `bottom`, pixels.
    """
    figure = Figure(figsize=(width / 72, height / 72))
    FigureCanvasSVG(figure)
    figure.subplots_adjust(
        left=margins.get("left", 62) / width,
        right=1 - margins.get("right", 12) / width,
        top=1 - margins.get("top", 24) / height,
        bottom=margins.get("bottom", 42) / height,
    )
    return figure


def _data_uri(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()


Arguments = ParamSpec("Arguments")


def as_svg(function: Callable[Arguments, Figure]) -> Callable[Arguments, str]:
    """The figure that a function makes, as a data URI."""

    @wraps(function)
    def drawn(*arguments: Arguments.args, **options: Arguments.kwargs) -> str:
        with matplotlib.rc_context(STYLE):
            return _data_uri(function(*arguments, **options))

    return drawn


# --- a trial over its updates ---------------------------------------------------------------------------------------


@as_svg
def timeline(told: Timeline, *, updates: int) -> Figure:
    """Which number stopped being finite when: a row an event, the update across."""
    figure = empty_figure(560, 264, left=190, right=40, top=10)
    axes = figure.subplots()
    last = updates + 1
    room = 0.04 * max(last - 1, 1)
    events = [event for event in TIMELINE if event in told]
    for row, event in enumerate(events):
        first = told[event]
        axes.axhline(row, color="#e3e6ea", linewidth=1, zorder=0)
        if first is None:
            axes.annotate("never", (1, row), xytext=(4, 0), textcoords="offset points", va="center", color=GREY)
            continue
        colour = BLUE if event == LOSS_EXCEEDED else VERMILION
        axes.plot([first, last], [row, row], color=colour, alpha=0.35)
        axes.plot([first], [row], "o", color=colour, markersize=7)
        axes.annotate(
            str(first), (first, row), xytext=(-7, 0), textcoords="offset points", va="center", ha="right", fontsize=10
        )
    axes.set_yticks(range(len(events)), [TIMELINE[event].label for event in events])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_ylim(len(events) - 0.4, -0.6)
    axes.set_xlim(1 - 3 * room, last + room)
    axes.set_xticks(_update_ticks(last))
    axes.set_xlabel("update")
    return figure


def _update_ticks(last: int) -> list[int]:
    """Updates from 1 on: round numbers, and no more than seven."""
    ticks = MaxNLocator(integer=True, nbins=6).tick_values(1, last)
    return sorted({max(int(tick), 1) for tick in ticks if tick <= last})


@dataclass(frozen=True)
class _Line:
    label: str
    updates: Sequence[int]
    values: Sequence[float | None]
    colour: str
    dash: str = "-"


LINES = 7
"""Layers in one figure at most."""

LOOKS = {"hidden_state": ("|h|", BLUE, "-"), "cell_state": ("|c|", VERMILION, "--")}
"""State of a recurrent cell -> label, colour and dash of its lines."""


def by_update(
    losses: Sequence[tuple[int, float]], growth: Growth | None, *, updates: int, loss: str = "Loss"
) -> list[tuple[str, str]]:
    """What grows from update to update: titles and figures.

    Args:
        losses: Updates and their losses, as far as they are known.
        growth: Of the trial.
        updates: How many there were.
        loss: What the losses are.
    """
    drawn = []
    if losses:
        numbers, values = zip(*losses, strict=True)
        line = _Line("loss", numbers, values, BLUE)
        drawn.append((loss, _over_updates([line], label="loss", log=True, updates=updates)))
    if growth is None:
        return drawn
    for title, lines, label, log in _growing(growth):
        if lines:
            drawn.append((title, _over_updates(lines, label=label, log=log, updates=updates)))
    return drawn


def _growing(growth: Growth) -> Iterator[tuple[str, list[_Line], str, bool]]:
    """Title, lines, label and whether the axis is logarithmic, of a figure each."""

    def line(name: str, label: str, colour: str, dash: str = "-", *, rate: bool = False) -> _Line:
        shown = [100 * math.expm1(v) if rate and v is not None else v for v in growth.figures[name]]
        return _Line(label, growth.updates, shown, colour, dash)

    known = [(*figures, LOOKS[state]) for state, figures in STATE_FIGURES.items() if figures[0] in growth.figures]
    states = [line(size, *look) for size, _, look in known]
    rates = [line(rate, *look, rate=True) for _, rate, look in known]
    gradient = [line("gradient_norm", "gradient", BLUE)] if "gradient_norm" in growth.figures else []
    distance = [line("weight_distance", "distance from the start", BLUE), line("weight_norm", "norm", VERMILION, "--")]
    layers = [
        line(name, layer, *CYCLE[number % len(CYCLE)])
        for number, (name, layer) in enumerate(outputs_of(growth).items())
    ]
    yield "Largest output by layer", layers[:LINES], "largest magnitude", True
    yield "Largest state at the last timestep", states, "largest magnitude", True
    yield "Growth of the states along the sequence", rates, "% per timestep", False
    yield "Norm of all gradients, before clipping", gradient, "norm", True
    yield "All weights", distance, "Euclidean norm", True


@as_svg
def _over_updates(lines: Sequence[_Line], *, label: str, log: bool, updates: int) -> Figure:
    figure = empty_figure(390, 230, top=14)
    axes = figure.subplots()
    for line in lines:
        finite = [(n, v) for n, v in zip(line.updates, line.values, strict=True) if v is not None and math.isfinite(v)]
        shown = [(n, v) for n, v in finite if v > 0] if log else finite
        axes.plot(
            [n for n, _ in shown],
            [v for _, v in shown],
            line.dash,
            marker="o" if len(shown) < 40 else None,
            color=line.colour,
            label=line.label,
        )
        gone = [n for n, v in zip(line.updates, line.values, strict=True) if v is None or not math.isfinite(v)]
        if gone:
            axes.plot(
                [gone[0]], [1.0], "X", color=NAN, markersize=8, transform=axes.get_xaxis_transform(), clip_on=False
            )
    if log:
        _log_axis(axes, [v for line in lines for v in line.values if v is not None and math.isfinite(v) and v > 0])
    axes.set_xlim(0.5, updates + 0.5)
    axes.set_xticks(_update_ticks(updates))
    axes.set_xlabel("update")
    axes.set_ylabel(label)
    if len(lines) > 1:
        axes.legend(frameon=False, loc="best", fontsize=10, handlelength=2.4)
    return figure


def _log_axis(axes: Any, values: Sequence[float]) -> None:
    axes.set_yscale("log")
    if not values:
        axes.set_ylim(0.1, 1)
        axes.text(0.5, 0.5, "no finite number", transform=axes.transAxes, ha="center", color=GREY)
        return
    low, high = math.log10(min(values)), math.log10(max(values))
    room = max(0.05 * (high - low), 0.15)
    axes.set_ylim(10 ** max(low - room, -45), 10 ** min(high + room, 300))
    axes.minorticks_off()
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4) if high - low < 1 else LogLocator(numticks=6))
    axes.yaxis.set_major_formatter(lambda value, place: f"{value:.3g}" if high - low < 1 else power(value))


# --- an update over its timesteps -----------------------------------------------------------------------------------


def by_timestep(anatomy: Anatomy) -> list[tuple[str, str]]:
    """log10 of the largest magnitude of every state over the timesteps, of the recurrence that the anatomy is about."""
    at = anatomy.decisive
    earlier = [snapshot for snapshot in anatomy.snapshots if snapshot.update < at.update]
    return [
        (
            f"Largest |{symbol}| over the batch and the units",
            _over_timesteps(at, earlier[-1:], symbol=symbol, backwards=anatomy.backwards),
        )
        for symbol in at.growth
    ]


@as_svg
def _over_timesteps(at: Snapshot, earlier: Sequence[Snapshot], *, symbol: str, backwards: bool) -> Figure:
    figure = empty_figure(590, 300, top=16)
    axes = figure.subplots()
    for snapshot, colour in (*((one, GREY) for one in earlier), (at, VERMILION)):
        values = snapshot.growth[symbol].astype(np.float64)
        timesteps = np.arange(len(values))
        with np.errstate(all="ignore"):
            logs = np.log10(values)
        finite = np.isfinite(logs)
        axes.plot(timesteps[finite], logs[finite], color=colour, label=f"update {snapshot.update}")
        if snapshot is at and finite.sum() > 1:
            rate, start = fitted_growth(values)
            axes.plot(
                timesteps[finite],
                start + rate * timesteps[finite],
                "--",
                color=BLUE,
                linewidth=1.2,
                label=f"fit: {100 * (10 ** (-rate if backwards else rate) - 1):+.3g}% per timestep",
            )
        gone = timesteps[~np.isfinite(values)]
        if snapshot is at and len(gone):
            axes.axvspan(
                gone.min() - 0.5, gone.max() + 0.5, color=INFINITE, alpha=0.45, linewidth=0, label="not finite"
            )
    low, high = axes.get_ylim()
    if high > 30:
        limit = math.log10(np.finfo(np.float32).max)
        axes.axhline(limit, color=NAN, linewidth=0.8, linestyle=":")
        axes.text(0, limit, " largest float32", va="bottom", fontsize=9)
        axes.set_ylim(low, limit + 0.07 * (limit - low))
    axes.set_xlim(-0.5, len(at.growth[symbol]) - 0.5)
    if backwards:
        axes.invert_xaxis()
    axes.set_xlabel("timestep" + (" (read from the end)" if backwards else ""))
    axes.set_ylabel(f"log10 of the largest |{symbol}|")
    axes.legend(frameon=False, loc="best", fontsize=10)
    return figure


def fitted_growth(values: np.ndarray) -> tuple[float, float]:
    """Slope and intercept of the least-squares line through log10 of the values, one a timestep, that are finite and
    not zero."""
    with np.errstate(all="ignore"):
        logs = np.log10(np.asarray(values, np.float64))
    finite = np.isfinite(logs)
    rate, start = np.polyfit(np.flatnonzero(finite), logs[finite], 1)
    return float(rate), float(start)


# --- tensors --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ColourScale:
    """A scale for one tensor in several updates: linear around zero, logarithmic beyond, up to the largest number."""

    largest: float
    linear: float

    @classmethod
    def of(cls, histograms: Iterable[Histogram]) -> ColourScale:
        """The scale that holds all these numbers; linear over the 5% of them nearest to zero, if that is not much."""
        counts: Counter[int] = Counter()
        for histogram in histograms:
            counts.update(histogram.positive)
            counts.update(histogram.negative)
        if not counts:
            return cls(1.0, 0.1)
        exponents = np.array(sorted(counts))
        shares = np.cumsum([counts[exponent] for exponent in exponents]) / counts.total()
        largest = 2.0 ** int(exponents[-1])
        few = 2.0 ** int(exponents[np.searchsorted(shares, 0.05)])
        low = max(min(few, largest / 10), min(largest * 1e-6, 1e-3))
        return cls(largest, 10.0 ** math.floor(math.log10(low)))

    @property
    def norm(self) -> SymLogNorm:
        return SymLogNorm(self.linear, linscale=0.5, vmin=-self.largest, vmax=self.largest, base=10)

    def ticks(self) -> list[float]:
        """Zero and at most two powers of ten on either side."""
        low, high = math.ceil(math.log10(self.linear) - 1e-9), math.floor(math.log10(self.largest) + 1e-9)
        chosen = [10.0**e for e in sorted({(low + high) // 2, high} if high - low > 3 else {low, high}) if e >= low]
        chosen = chosen if high >= low else [self.largest]
        return [-size for size in reversed(chosen)] + [0.0] + chosen


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def power(value: float, place: float = 0) -> str:
    """A number as a tick's label, a power of ten where it is one."""
    if value == 0:
        return "0"
    exponent = round(math.log10(abs(value)))
    exact = math.isclose(abs(value), 10.0**exponent, rel_tol=1e-6)
    # Not mathtext, whose parser takes most of a page's time.
    size = f"10{str(exponent).translate(_RAISED)}" if exact else f"{abs(value):.2g}"
    return f"{MINUS}{size}" if value < 0 else size


@as_svg
def colour_bar(scale: ColourScale) -> Figure:
    """The legend of a row of heatmaps."""
    figure = empty_figure(460, 44, left=14, right=150, top=4, bottom=26)
    axes = figure.subplots()
    norm = scale.norm
    axes.imshow(np.linspace(0, 1, 256)[np.newaxis], cmap=MAP, aspect="auto", extent=(0, 1, 0, 1))
    ticks = scale.ticks()
    axes.set_xticks([float(norm(tick)) for tick in ticks], [power(tick) for tick in ticks], fontsize=9)
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    for place, colour, label in ((1.06, INFINITE, "±inf"), (1.28, NAN, "NaN")):
        axes.add_patch(
            Rectangle(
                (place, 0),
                0.05,
                1,
                facecolor=colour,
                edgecolor="#555b66",
                linewidth=0.5,
                transform=axes.transAxes,
                clip_on=False,
            )
        )
        axes.text(place + 0.065, 0.5, label, transform=axes.transAxes, va="center", fontsize=10)
    return figure


@as_svg
def heatmap(picture: Picture, scale: ColourScale, *, gates: Sequence[str]) -> Figure:
    """A matrix in colours.

    Args:
        picture: What to draw.
        scale: Common to all updates shown.
        gates: Of the cell, for pictures whose columns are theirs in a row.
    """
    figure = empty_figure(390, 220, left=52, right=8, top=20 if picture.by_gate else 8)
    axes = figure.subplots()
    rows, columns = picture.heatmap.shape
    axes.imshow(
        _coloured(picture.heatmap.pixels, scale),
        aspect="auto",
        interpolation="none",
        extent=(-0.5, columns - 0.5, rows - 0.5, -0.5),
    )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
    if picture.by_gate:
        width = columns / len(gates)
        axes.set_xticks([])
        for number, gate in enumerate(gates):
            axes.text((number + 0.5) * width - 0.5, -0.5 - 0.03 * rows, gate, ha="center", va="bottom", fontsize=10)
            if number:
                axes.axvline(number * width - 0.5, color="#333942", linewidth=0.8)
    axes.set_xlabel(picture.across)
    axes.set_ylabel(picture.down)
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_linewidth(0.6)
    return figure


def _coloured(pixels: np.ndarray, scale: ColourScale) -> np.ndarray:
    """(rows, columns, 4), 0 to 255."""
    palette = matplotlib.colormaps[MAP].resampled(64)
    assert not isinstance(palette, str)
    with np.errstate(all="ignore"):
        place = np.asarray(scale.norm(np.nan_to_num(pixels, nan=0.0, posinf=0.0, neginf=0.0)))
    image = (np.asarray(palette(place)) * 255).astype(np.uint8)
    image[np.isinf(pixels)] = np.asarray(to_rgba(INFINITE)) * 255
    image[np.isnan(pixels)] = np.asarray(to_rgba(NAN)) * 255
    return image


@as_svg
def histogram(picture: Picture, scale: ColourScale) -> Figure:
    """How many numbers there are of each size and sign, and of those that are not finite."""
    counts = picture.histogram
    figure = empty_figure(390, 150, left=52, right=8, top=8, bottom=38)
    axes = figure.subplots()
    norm = scale.norm
    small = counts.zero
    for sign, by_exponent in ((1, counts.positive), (-1, counts.negative)):
        small += sum(count for exponent, count in by_exponent.items() if 2.0**exponent <= scale.linear)
        shown = [(e, count) for e, count in by_exponent.items() if 2.0**e > scale.linear]
        edges = np.array([(max(2.0 ** (e - 1), scale.linear), 2.0**e) for e, _ in shown]).reshape(-1, 2)
        places = np.sort(np.asarray(norm(sign * edges)), axis=1)
        _bars(axes, places, [count for _, count in shown], VERMILION if sign > 0 else BLUE)
    if small:
        _bars(axes, np.asarray(norm([[-scale.linear, scale.linear]])), [small], "#c3c8d0")
    for place, count, colour in (
        (-0.09, counts.minus_infinity, INFINITE),
        (1.04, counts.plus_infinity, INFINITE),
        (1.13, counts.nan, NAN),
    ):
        if count:
            axes.bar(place, count, 0.05, align="edge", color=colour, edgecolor="#555b66", linewidth=0.5)
    ticks = [tick for tick in scale.ticks() if 0.08 < float(norm(tick)) < 0.92]  # else the labels run into the ends
    ends = [(-0.065, f"{MINUS}inf"), (1.065, "inf"), (1.155, "NaN")]
    axes.set_xticks(
        [*(float(norm(tick)) for tick in ticks), *(place for place, _ in ends)],
        [*map(power, ticks), *(name for _, name in ends)],
        fontsize=8,
    )
    axes.set_xlim(-0.1, 1.2)
    axes.set_yscale("log")
    top = max(
        small,
        10,
        counts.nan,
        counts.plus_infinity,
        counts.minus_infinity,
        *counts.positive.values(),
        *counts.negative.values(),
    )
    axes.set_ylim(BOTTOM, 3 * top)
    axes.yaxis.set_major_locator(LogLocator(numticks=4))
    axes.yaxis.set_major_formatter(power)
    axes.minorticks_off()
    axes.set_ylabel("count")
    axes.set_xlabel("value")
    return figure


BOTTOM = 0.7
"""Where the bars of a histogram begin: below 1, so that a single number is seen."""


def _bars(axes: Any, edges: np.ndarray, counts: Sequence[int], colour: str) -> None:
    """Bars between pairs of edges, all in one path."""
    corners = [
        [(left, BOTTOM), (left, count), (right, count), (right, BOTTOM)]
        for (left, right), count in zip(edges.tolist(), counts, strict=True)
    ]
    axes.add_collection(PolyCollection(corners, facecolor=colour, edgecolor=colour, linewidth=0.3), autolim=False)


@as_svg
def probabilities(snapshot: Snapshot) -> Figure:
    """The Dense layer's outputs, a dot a sample."""
    figure = empty_figure(390, 190, left=52, right=8, top=8)
    axes = figure.subplots()
    with np.errstate(all="ignore"):
        values = 1 / (1 + np.exp(-np.asarray(snapshot.logits, np.float64)))
    samples = np.arange(len(values))
    axes.plot(samples, values, "o", color=BLUE, linestyle="none")
    gone = np.isnan(values)
    axes.plot(samples[gone], np.full(gone.sum(), 0.5), "X", color=NAN, linestyle="none", markersize=7)
    if gone.any():
        axes.text(0.5, 0.62, f"{gone.sum()} of {len(values)} NaN", transform=axes.transAxes, ha="center")
    axes.set_ylim(-0.05, 1.05)
    axes.set_xlim(-0.8, len(values) - 0.2)
    axes.set_ylabel("probability of '1'")
    axes.set_xlabel("sample")
    return figure
