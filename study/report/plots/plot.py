"""`Plot`: a figure of plotly with its caption, and how all plots look."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from study.report.figures.drawing import INK, PALE
from study.report.plots.time_scale import TimeScale

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

TIMES = ("#fde725", "#9fda3a", "#4ac16d", "#1fa187", "#277f8e", "#365c8d", "#440154")
"""Colours of times, soonest first: viridis from its light end, whose order the colour-blind see and grey keeps."""

SURVIVED_COLOUR = "#b8bec8"

LINES: dict[str, Any] = {"gridcolor": PALE, "zeroline": False, "linecolor": INK, "ticks": "outside"}
"""Of an axis."""


@dataclass(frozen=True, kw_only=True)
class Plot:
    """One plot, and what stands under it. A notebook shows both.

    Attributes:
        name: Of its place in a page.
        title: Of its section.
        caption: In sentences.
        figure: Of plotly.
    """

    name: str
    title: str
    caption: str
    figure: Figure

    def _ipython_display_(self) -> None:
        import IPython.display

        # Its functions have no types.
        display: Any = IPython.display
        # As data alone: the script that draws it is JupyterLab's own, by plotly's extension, and not in the notebook.
        data = json.loads(self.figure.to_json())
        display.display({"application/vnd.plotly.v1+json": data, "text/plain": self.title}, raw=True)
        display.display(display.Markdown(f"*{self.caption}*"))


def styled(figure: Figure, *, margin: dict[str, int] | None = None) -> Figure:
    """The figure with the look of all plots."""
    figure.update_layout(
        template="simple_white",
        font={"family": "system-ui, Helvetica, Arial, sans-serif", "size": 13, "color": INK},
        height=520,
        margin=margin or {"l": 70, "r": 20, "t": 60, "b": 60},
        paper_bgcolor="white",
        plot_bgcolor="white",
    )
    return figure


def with_survivors(scale: TimeScale) -> list[tuple[float, str]]:
    """A scale of colours from 0 to 1: of times up to the budget, then at once that of survivors."""
    end = float(np.log10(scale.budget)) / scale.survived
    colours = [(end * place / (len(TIMES) - 1), colour) for place, colour in enumerate(TIMES)]
    return [*colours, ((1 + end) / 2, TIMES[-1]), ((1 + end) / 2, SURVIVED_COLOUR), (1.0, SURVIVED_COLOUR)]
