"""Phase diagrams: where over two axes a trial goes to NaN, and how sure the boundary is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm
from matplotlib.contour import QuadContourSet
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from study.analysis.boundary.phase_diagram import PhaseDiagram
from study.report.figures.drawing import (
    DIVERGED,
    INK,
    PROBABILITY,
    SURVIVED,
    Drawing,
    new_figure,
    plain_ticks,
    styled,
)
from study.trial.axes import as_text

LEVELS = np.linspace(0, 1, 21)
"""Of the fitted probability, where its colour changes."""
MOST_PANELS = 9
FEW_VALUES = 6
"""An axis with at most as many values has a tick at each."""


def phase_figure(
    panels: Sequence[PhaseDiagram], *, failed: int = 0, note: str = "", name: str = "phase_diagram"
) -> Drawing:
    """A panel a phase diagram: trials as points, fitted P(NaN) as colour, the 50% contour and its 95% band.

    A panel without a fit shows its trials and nothing else.

    Args:
        panels: Of `phase_diagram` or `phase_panels`, over the same axes.
        failed: Trials left out since they have no result.
        note: A sentence for the end of the caption, such as how well held-out trials are predicted.
        name: Of the drawing.
    """
    assert len({(panel.x, panel.y) for panel in panels}) == 1
    shown = [panel for panel in panels if len(panel.trial_x)][:MOST_PANELS]
    trials = sum(len(panel.trial_x) for panel in panels)
    events = sum(int(panel.trial_diverged.sum()) for panel in panels)
    if not shown:
        return Drawing(name=name, caption=panels[0].words)
    counts = f"n = {trials}, {events} diverged, {trials - events} survived to the budget"
    counts += f", {failed} failed" if failed else ""
    if not any(panel.fitted for panel in shown) and (events in (0, trials) or trials < 4):
        return Drawing(name=name, caption=f"No phase diagram: {panels[0].words}")
    first, words = shown[0], shown[0].divergence.words
    columns = 1 if len(shown) == 1 else 2 if len(shown) in (2, 4) else 3
    rows = -(-len(shown) // columns)
    with styled():
        figure = new_figure(0.9 + (3.6 if columns == 1 else 2.9 if columns == 2 else 2.5) * rows)
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for panel, axes in zip(shown, grid.flat, strict=False):
            _panel(axes, panel, titled=len(panels) > 1)
        for axes in grid.flat[len(shown) :]:
            axes.set_visible(False)
        for axes in grid[:, 0]:
            axes.set_ylabel(first.y.label)
        for column in range(columns):
            lowest = [axes for axes in grid[:, column] if axes.get_visible()][-1]
            lowest.set_xlabel(first.x.label)
            lowest.tick_params(labelbottom=True)
        if any(shows_fit(panel) for panel in shown):
            bar = figure.colorbar(
                _scale(), ax=list(grid.flat), shrink=0.9, pad=0.015, aspect=32, ticks=[0, 0.25, 0.5, 0.75, 1]
            )
            bar.ax.set_yticklabels(["0%", "25%", "50%", "75%", "100%"])
            bar.set_label(f"fitted P({words.noun} within the budget)")
            bar.ax.axhline(0.5, color=INK, linewidth=1.6)
        figure.legend(
            handles=_legend(words.went), loc="outside upper left", ncols=4, columnspacing=1.4, handletextpad=0.5
        )
    return Drawing(name=name, caption=f"{_caption(panels, shown, counts)} {note}".strip(), figure=figure)


def _caption(panels: Sequence[PhaseDiagram], shown: Sequence[PhaseDiagram], counts: str) -> str:
    first = shown[0]
    caption = (
        f"P({first.divergence.words.noun} within the budget) over {first.x.column} and {first.y.column}: crosses "
        "diverged, circles survived; colour is the fitted probability, the line where it is one half, the hatched band "
        f"its pointwise 95% confidence band. {counts}."
    )
    for panel in panels:
        if len(panels) == 1:
            # A fitted panel's first sentence says again what is drawn and counted.
            words = panel.words.partition(". ")[2] if panel.fitted else panel.words
            caption += f" {words}" if words else ""
        elif not panel.fitted:
            caption += f" {_title(panel)}: no fit, {int(panel.trial_diverged.sum())} of {len(panel.trial_x)} diverged."
        elif panel.dependence is not None and panel.dependence >= 0.05:
            caption += f" {_title(panel)}: no fit is drawn, for the trials do not show that P depends on either axis."
    averaged = {sentence for panel in panels for sentence in _averaged(panel)}
    if len(panels) > 1 and len(averaged) == 1:
        caption += f" {averaged.pop()}"
    if len(shown) < len([panel for panel in panels if len(panel.trial_x)]):
        caption += f" Only the first {len(shown)} panels are drawn."
    return caption


def _averaged(panel: PhaseDiagram) -> list[str]:
    return [f"{part.strip(' .')}." for part in panel.words.split(". ") if part.startswith("Averaged")]


def shows_fit(panel: PhaseDiagram) -> bool:
    """Whether a panel has a fit that says something: a contour that may be chance is not drawn."""
    return panel.fitted and panel.dependence is not None and panel.dependence < 0.05


def _title(panel: PhaseDiagram) -> str:
    return ", ".join(as_text(value) for value in panel.at.values()) or "all trials"


def _panel(axes: Axes, panel: PhaseDiagram, *, titled: bool) -> None:
    if panel.x.logarithmic:
        axes.set_xscale("log")
    if panel.y.logarithmic:
        axes.set_yscale("log")
    if shows_fit(panel):
        # Steps of colour, not a gradient: a value can be read from them, and the file is a quarter of the size.
        axes.contourf(
            panel.grid_x, panel.grid_y, panel.probability, levels=LEVELS, cmap=PROBABILITY, vmin=0, vmax=1, zorder=0
        )
        sure = panel.above_half
        if ((sure > 0.025) & (sure < 0.975)).any():
            axes.contourf(
                panel.grid_x, panel.grid_y, sure, levels=[0.025, 0.975], colors="none", hatches=["///"], zorder=1
            ).set(edgecolor="#b4bac3", linewidth=0)
            _contour(axes, panel, sure, levels=[0.025, 0.975], width=0.8, line="--")
        _contour(axes, panel, panel.probability, levels=[0.5], width=2.2, line="-")
    died = panel.trial_diverged
    size = 34 if len(died) < 150 else 20
    axes.scatter(
        panel.trial_x[~died], panel.trial_y[~died], s=size, marker="o", facecolors="white", edgecolors=SURVIVED,
        linewidths=1.0, zorder=3, clip_on=False,
    )  # fmt: skip
    axes.scatter(
        panel.trial_x[died], panel.trial_y[died], s=1.25 * size, marker="X", color=DIVERGED, edgecolors="white",
        linewidths=0.5, zorder=4, clip_on=False,
    )  # fmt: skip
    for axis, values, logarithmic in (
        ("x", panel.trial_x, panel.x.logarithmic),
        ("y", panel.trial_y, panel.y.logarithmic),
    ):
        different = np.unique(values)
        if logarithmic and 1 < len(different) <= FEW_VALUES:
            plain_ticks(axes, axis=axis, values=different)
    if panel.at or titled:
        title = f"{_title(panel)}: {int(died.sum())} of {len(died)} diverged"
        axes.set_title(title if shows_fit(panel) else f"{title}, no fit")


def _contour(
    axes: Axes, panel: PhaseDiagram, values: np.ndarray, *, levels: list[float], width: float, line: str
) -> QuadContourSet | None:
    inside = [level for level in levels if np.nanmin(values) < level < np.nanmax(values)]
    if not inside:
        return None
    return axes.contour(
        panel.grid_x, panel.grid_y, values, levels=inside, colors=INK, linewidths=width, linestyles=line, zorder=2
    )


def _scale() -> ScalarMappable:
    return ScalarMappable(BoundaryNorm(LEVELS.tolist(), PROBABILITY.N), PROBABILITY)


def _legend(went: str) -> list[object]:
    return [
        Line2D([], [], marker="X", color="none", markerfacecolor=DIVERGED, markeredgecolor="white", markersize=8,
               label=went),
        Line2D([], [], marker="o", color="none", markerfacecolor="white", markeredgecolor=SURVIVED, markersize=6,
               label="survived its budget"),
        Line2D([], [], color=INK, linewidth=2.2, label="P = 50%"),
        Patch(facecolor="white", edgecolor="#b4bac3", hatch="///", linewidth=0, label="95% band of it"),
    ]  # fmt: skip
