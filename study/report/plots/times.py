"""Times to NaN against any axis, with survivors as what they are: right-censored."""

from __future__ import annotations

import pandas as pd

from study.analysis.predictors import numbers
from study.analysis.table import event_of
from study.report.figures.drawing import DIVERGED, SURVIVED
from study.report.plots.along import by_use, hover, positions, x_axis
from study.report.plots.plot import LINES, Plot, styled
from study.report.plots.time_scale import TICKS, TimeScale


def times(trials: pd.DataFrame) -> Plot:
    """Time to NaN against any axis, chosen in a list; survivors as censored at their budget.

    Args:
        trials: Those that have a result.
    """
    from plotly.graph_objects import Figure, Scatter

    words = event_of(trials).words
    diverged = (trials["outcome"] == "diverged").to_numpy(dtype=bool)
    axes = by_use(trials)
    about = hover(trials)
    figure = Figure()
    looks = (
        (diverged, f"{words.noun} at this update", {"symbol": "x", "color": DIVERGED, "size": 7}),
        (~diverged, "survived: later than this", {"symbol": "triangle-up-open", "color": SURVIVED, "size": 8}),
    )
    for there, name, marker in looks:
        figure.add_trace(
            Scatter(
                x=positions(trials, axes[0])[there],
                y=numbers(trials, "updates")[there],
                mode="markers",
                name=f"{name} ({int(there.sum())})",
                marker=marker,
                text=about[there],
                hovertemplate="%{text}<extra></extra>",
            )
        )
    buttons = [
        {
            "label": axis,
            "method": "update",
            "args": [
                {"x": [positions(trials, axis)[there] for there, *_ in looks]},
                {f"xaxis.{key}": value for key, value in x_axis(trials, axis).items()},
            ],
        }
        for axis in axes
    ]
    figure.update_layout(
        xaxis=x_axis(trials, axes[0]),
        yaxis={
            "type": "log",
            "title": {"text": f"update of {words.noun}"},
            "tickvals": [time for time in TICKS if time <= TimeScale.of(trials).budget],
            **LINES,
        },
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0.0},
        updatemenus=[
            {"buttons": buttons, "x": 1.0, "xanchor": "right", "y": 1.02, "yanchor": "bottom", "showactive": True}
        ],
    )
    return Plot(
        name="times",
        title=f"{words.time[0].upper()}{words.time[1:]} against an axis",
        caption=(
            "Crosses: the update at which a trial diverged. Triangles point up from the budget of a trial that "
            "survived, for its time is known to be larger and otherwise unknown. The list at the right chooses the "
            "axis; points of an axis with few values are spread a little sideways."
        ),
        figure=styled(figure),
    )
