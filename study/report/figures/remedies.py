"""The losses of a diagnosis: of the unchanged model and of each remedy, side by side on a common scale."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from study.diagnosis.result import Diagnosis
from study.report.figures.drawing import BLUE, VERMILION, Drawing, grid, new_figure, styled

MOST = 7
"""Remedies that are drawn, the best first; the table has them all."""

COLUMNS = 4

HIGHEST = 1e3
"""Times the largest loss of a training that held: what is above is cut off, or what held would be a flat line."""


def remedies_figure(found: Diagnosis, *, name: str = "remedies") -> Drawing:
    """Loss over updates, one panel for the unchanged model and one for each remedy that was run.

    A loss that is not finite ends its line with a cross. The scale of the losses is logarithmic where they span more
    than a factor of 100 and none is negative.

    Args:
        found: The answer.
        name: Of the drawing.
    """
    run = [one for one in found.remedies if one.runs][:MOST]
    panels = [("unchanged", [found.loss]), *((one.change, [of.loss for of in one.runs]) for one in run)]
    rows = -(-len(panels) // COLUMNS)
    finite = [loss for _, lines in panels for line in lines for loss in line if math.isfinite(loss)]
    held = [loss for one in run for of in one.runs if not of.diverged for loss in of.loss if math.isfinite(loss)]
    logarithmic = _spans_decades(finite)
    top = HIGHEST * max(held) if held and logarithmic else math.inf
    with styled():
        figure = new_figure(2.5 * rows)
        _draw(figure, panels, rows=rows, logarithmic=logarithmic, top=top)
    words = (
        "Loss over updates of the unchanged model and of each remedy, a line a seed, all panels on one scale. "
        "A cross is the last finite loss of a training whose next loss was not finite."
    )
    if max(finite, default=0.0) > top:
        words += f" Losses above {top:.1g} are beyond the panels, with their cross at the edge."
    left = len([one for one in found.remedies if one.runs]) - len(run)
    return Drawing(name=name, caption=words + (f" {left} more are in the table." if left else ""), figure=figure)


def _draw(
    figure: Figure,
    panels: Sequence[tuple[str, Sequence[Sequence[float]]]],
    *,
    rows: int,
    logarithmic: bool,
    top: float,
) -> None:
    columns = min(len(panels), COLUMNS)
    places = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    flat: list[Axes] = list(places.flat)
    for number, (axes, (title, lines)) in enumerate(zip(flat, panels, strict=False)):
        for loss in lines:
            _line(axes, loss, top=top)
        axes.set_title("\n".join(textwrap.wrap(title, 24)), fontsize=9)
        grid(axes)
        if logarithmic:
            axes.set_yscale("log")
        if number % columns == 0:
            axes.set_ylabel("loss")
        if number + columns >= len(panels):
            axes.set_xlabel("update")
            axes.xaxis.set_tick_params(labelbottom=True)
    if flat[0].get_ylim()[1] > top:
        flat[0].set_ylim(top=top)
    for axes in flat[len(panels) :]:
        axes.set_visible(False)


def _line(axes: Axes, loss: Sequence[float], *, top: float) -> None:
    finite = [(update, value) for update, value in enumerate(loss, start=1) if math.isfinite(value)]
    updates, values = [update for update, _ in finite], [value for _, value in finite]
    ended = len(finite) < len(loss)
    colour = VERMILION if ended else BLUE
    axes.plot(updates, values, color=colour, linewidth=1.2)
    if ended and finite:
        last = min(values[-1], top)
        axes.plot(updates[-1:], [last], "x", color=colour, markersize=8, markeredgewidth=2, clip_on=last < top)


def _spans_decades(values: Sequence[float]) -> bool:
    return bool(values) and min(values) > 0 and max(values) > 100 * min(values)
