"""`Drawing`: a figure with its caption, or the reason why there is none; and how all figures look.

Colours are those of M. Okabe and K. Ito, Color universal design (2008), which the colour-blind can tell apart. What a
colour says, a shape, a line style or a label says as well, so that a grey print can be read.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from study.trial.errors import UserError

BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILION, PURPLE = (
    "#000000",
    "#e69f00",
    "#56b4e9",
    "#009e73",
    "#f0e442",
    "#0072b2",
    "#d55e00",
    "#cc79a7",
)
GREY, PALE, INK = "#7a828e", "#e3e6ea", "#333942"

CYCLE = ((BLUE, "-"), (VERMILION, "--"), (GREEN, "-."), (PURPLE, ":"), (ORANGE, "-"), (SKY, "--"), (BLACK, "-."))
"""Colour and line style of the first, second, ... group."""

DIVERGED, SURVIVED = VERMILION, BLUE

PROBABILITY = LinearSegmentedColormap.from_list("probability", ["#e3eff8", "#f8f6f1", "#f8deb9", "#eebc85"])
"""Of P(NaN) from 0 to 1: lighter to darker, so that its order is there in grey too, and pale enough for points."""

WIDTH = 8.3
"""Inches, at 100 pixels an inch: the width of a README."""

STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#555b66",
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.6,
    "lines.markersize": 5,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.fonttype": "path",
    "svg.hashsalt": "study",
}


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A figure and what stands under it. In a notebook it shows both."""

    name: str
    """Of a file, without an ending."""
    caption: str
    figure: Figure | None = None
    """None where there is nothing to draw; the caption then says why."""

    def png(self, *, dpi: int = 100) -> bytes:
        """The figure as a PNG; only where there is one."""
        return self._saved("png", dpi=dpi)

    @cached_property
    def data_uri(self) -> str:
        """The figure as an SVG that needs nothing from outside, for a page; only where there is one.

        Kept, since the layout of a figure that is drawn again may differ by a rounding.
        """
        return "data:image/svg+xml;base64," + base64.b64encode(self._saved("svg", dpi=150)).decode()

    def save(self, folder: Path, *, dpi: int = 200) -> Path:
        """Write the figure as a PNG.

        Raises:
            UserError: There is nothing to draw, or no such folder.
        """
        if self.figure is None:
            raise UserError(f"{self.name}: there is no figure to write; {self.caption}")
        path = folder / f"{self.name}.png"
        try:
            path.write_bytes(self.png(dpi=dpi))
        except OSError as error:
            raise UserError(f"{path}: cannot be written ({error.strerror or error})") from error
        return path

    def _saved(self, kind: str, *, dpi: int) -> bytes:
        assert self.figure is not None
        buffer = io.BytesIO()
        metadata: dict[str, Any] = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
        with matplotlib.rc_context(STYLE):
            self.figure.savefig(buffer, format=kind, dpi=dpi, metadata=metadata)
        return buffer.getvalue()

    def _ipython_display_(self) -> None:
        import IPython.display

        # Its functions have no types.
        display: Any = IPython.display
        if self.figure is not None:
            display.display({"image/png": self.png(), "text/plain": f"{self.name}.png"}, raw=True)
        display.display(display.Markdown(f"*{self.caption}*"))


def new_figure(height: float, *, width: float = WIDTH) -> Figure:
    """An empty figure of this height and width in inches; no global state knows it."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def styled() -> Any:
    """The context in which figures are made: the look of all of them."""
    return matplotlib.rc_context(STYLE)


def grid(axes: Axes, *, which: str = "both") -> None:
    """Pale lines behind everything."""
    axes.grid(True, axis=which, color=PALE, linewidth=0.8)  # type: ignore[arg-type]
    axes.set_axisbelow(True)


def plain_ticks(axes: Axes, *, axis: str, values: Any) -> None:
    """Ticks at these values and nowhere else, as on a logarithmic axis of a few numbers."""
    which = axes.xaxis if axis == "x" else axes.yaxis
    which.set_major_locator(matplotlib.ticker.FixedLocator(list(values)))
    which.set_minor_locator(matplotlib.ticker.NullLocator())
    which.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda value, place: f"{value:g}"))
