"""Optuna's contour over two axes, with survivors told from times."""

from __future__ import annotations

import numpy as np
import pandas as pd

from study.analysis.predictors import numbers
from study.analysis.table import event_of
from study.report.figures.drawing import INK
from study.report.plots.along import hover, numeric_ticks
from study.report.plots.as_study import as_study
from study.report.plots.plot import Plot, styled, with_survivors
from study.report.plots.time_scale import TimeScale

MOST_IN_SURFACE = 160
"""Trials that the surface is made of: a browser takes minutes for that of a thousand."""


def contour(trials: pd.DataFrame, *, x: str, y: str) -> Plot:
    """Optuna's contour of times over two axes, with survivors told from trials that diverged.

    Args:
        trials: Those that have a result.
        x: Column of a numeric axis.
        y: Another one.
    """
    from optuna.visualization import plot_contour
    from plotly.graph_objects import Scatter

    words, scale = event_of(trials).words, TimeScale.of(trials)
    # The surface has a row and a column for every value, and a browser fills the gaps between them.
    few = trials.iloc[np.unique(np.linspace(0, len(trials) - 1, MOST_IN_SURFACE).astype(int))]
    thinned = "" if len(few) == len(trials) else f" ({len(few)} of the {len(trials)})"
    figure = plot_contour(as_study(few), params=[x, y], target_name=words.time)
    surface = figure.data[0]
    places, labels = scale.ticks
    surface.update(
        colorscale=with_survivors(scale),
        reversescale=False,
        zmin=0,
        zmax=scale.survived,
        zauto=False,
        contours={"start": 0, "end": scale.survived, "size": scale.survived / 12, "coloring": "heatmap"},
        line={"width": 0},
        colorbar={"tickvals": places, "ticktext": labels, "title": {"text": ""}, "thickness": 12},
    )
    figure.data = figure.data[:1]
    diverged = (trials["outcome"] == "diverged").to_numpy(dtype=bool)
    about = hover(trials)
    for there, name, marker in (
        (diverged, "diverged", {"symbol": "x", "color": INK, "size": 7, "line": {"color": "white", "width": 1}}),
        (~diverged, "survived", {"symbol": "circle", "color": "white", "size": 6, "line": {"color": INK, "width": 1}}),
    ):
        across, up = numbers(trials, x), numbers(trials, y)
        figure.add_trace(
            Scatter(
                x=across[there],
                y=up[there],
                mode="markers",
                name=name,
                marker=marker,
                text=about[there],
                hovertemplate="%{text}<extra></extra>",
            )
        )
    figure.update_layout(
        title=None,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0.0},
        xaxis={**numeric_ticks(trials, x), "ticks": "outside"},
        yaxis={**numeric_ticks(trials, y), "ticks": "outside"},
    )
    return Plot(
        name="contour",
        title=f"{x} by {y}",
        caption=(
            f"Colour is the {words.time} between the trials{thinned}, by Optuna's interpolation, which knows no other "
            "axes and no chance; grey where trials survived. The report's phase diagram has the intervals."
        ),
        figure=styled(figure),
    )
