"""Parallel coordinates, with survivors told from times."""

from __future__ import annotations

from typing import Any

import pandas as pd

from study.analysis.predictors import numbers, scale
from study.analysis.table import event_of
from study.analysis.table_axes import axes_of
from study.report.plots.along import by_use, levels, numeric_ticks, positions
from study.report.plots.plot import Plot, styled, with_survivors
from study.report.plots.time_scale import TimeScale


def parallel_coordinates(trials: pd.DataFrame) -> Plot:
    """Parallel coordinates with the time to NaN first, where survivors have a tick of their own.

    Drawn by plotly, for Optuna's have one scale of colours for times and survivors, and nothing to select by.

    Args:
        trials: Those that have a result.
    """
    from plotly.graph_objects import Figure, Parcoords

    words, times = event_of(trials).words, TimeScale.of(trials)
    places, labels = times.ticks
    first = {"label": words.time, "values": times.places(trials), "range": [0, times.survived]}
    figure = Figure(
        Parcoords(
            dimensions=[
                {**first, "tickvals": places, "ticktext": labels},
                *(_dimension(trials, axis) for axis in by_use(trials)),
            ],
            # Lines of a larger number are drawn over others, so survivors have the smallest: they lie at the bottom.
            line={
                "color": times.survived - times.places(trials),
                "colorscale": [(1 - place, colour) for place, colour in reversed(with_survivors(times))],
                "cmin": 0,
                "cmax": times.survived,
                "showscale": True,
                "colorbar": {
                    "tickvals": [times.survived - place for place in places],
                    "ticktext": labels,
                    "thickness": 12,
                },
            },
            unselected={"line": {"opacity": 0.04}},
        )
    )
    return Plot(
        name="parallel",
        title="Parallel coordinates",
        caption=(
            f"A line is a trial. On the first axis is its {words.time}, soonest at the bottom and lightest; survivors "
            "have a place above all times and are grey, for their time is not known. Drag along an axis to see only "
            "some trials, drag the name of an axis to move it. Lines are spread a little along an axis with few values."
        ),
        figure=styled(figure, margin={"l": 80, "r": 20, "t": 70, "b": 40}),
    )


def _dimension(trials: pd.DataFrame, axis: str) -> dict[str, Any]:
    """An axis of parallel coordinates."""
    values = levels(trials, axis)
    if values is not None:
        return {
            "label": axis,
            "values": positions(trials, axis),
            "tickvals": list(range(len(values))),
            "ticktext": values,
            "range": [-0.3, len(values) - 0.7],
        }
    kind = axes_of(trials).columns[axis]
    ticks = numeric_ticks(trials, axis)
    places = {"values": scale(kind, numbers(trials, axis)), "tickvals": scale(kind, ticks["tickvals"])}
    return {"label": axis, **ticks, **places}
