"""The plots: parallel coordinates, contour, importances, and times against an axis."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from study.analysis.findings import boundary_axes
from study.analysis.prediction.importance import Importance
from study.analysis.predictors import Floats, numbers, predictor_axes, texts, with_result
from study.analysis.predictors import scale as scale_of
from study.analysis.table import event_of
from study.analysis.table_axes import axes_of
from study.report.figures.drawing import DIVERGED, INK, PALE, SURVIVED
from study.report.plots.as_study import as_study
from study.report.plots.time_scale import TICKS, TimeScale
from study.report.tables import load
from study.trial.axes import Axis, as_text
from study.trial.errors import UserError

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

TIMES = ("#fde725", "#9fda3a", "#4ac16d", "#1fa187", "#277f8e", "#365c8d", "#440154")
"""Colours of times, soonest first: viridis from its light end, whose order the colour-blind see and grey keeps."""

SURVIVED_LINE = "#b8bec8"

FEW = 12
"""An axis with at most as many values has its points spread a little, else they would hide each other."""

TREES = 64

MOST_IN_SURFACE = 160
"""Trials that the surface of a contour is made of."""


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


def plots(study: str | pd.DataFrame) -> tuple[Plot, ...]:
    """All interactive plots that a study has something for.

    Args:
        study: A results table, or the name of one as `study.report.tables.load` takes it.

    Raises:
        UserError: No such study, or no axis that varies in it.

    Example:
        >>> plots("recorded:card")[0]
    """
    trials = with_result(load(study) if isinstance(study, str) else study)
    if not len(trials) or not predictor_axes(trials):
        raise UserError(
            f"{study if isinstance(study, str) else 'the results table'}: has no plots; "
            "that needs trials with a result and an axis that varies"
        )
    return tuple(_plots(trials))


def _plots(trials: pd.DataFrame) -> Iterator[Plot]:
    yield times(trials)
    yield parallel_coordinates(trials)
    numeric = boundary_axes(trials, Importance(axes=(), words=""))
    if len(numeric) > 1:
        yield contour(trials, x=numeric[0], y=numeric[1])
    if len(trials) >= 4 and trials["updates"].nunique() > 1:
        yield importances(trials)


def times(trials: pd.DataFrame) -> Plot:
    """Time to NaN against any axis, chosen in a list; survivors as censored at their budget.

    Args:
        trials: Those that have a result.
    """
    from plotly.graph_objects import Figure, Scatter

    words = event_of(trials).words
    diverged = (trials["outcome"] == "diverged").to_numpy(dtype=bool)
    axes = _by_use(trials)
    about = _hover(trials)
    figure = Figure()
    looks = (
        (diverged, f"{words.noun} at this update", {"symbol": "x", "color": DIVERGED, "size": 7}),
        (~diverged, "survived: later than this", {"symbol": "triangle-up-open", "color": SURVIVED, "size": 8}),
    )
    for there, name, marker in looks:
        figure.add_trace(
            Scatter(
                x=_positions(trials, axes[0])[there],
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
                {"x": [_positions(trials, axis)[there] for there, *_ in looks]},
                {f"xaxis.{key}": value for key, value in _x_axis(trials, axis).items()},
            ],
        }
        for axis in axes
    ]
    figure.update_layout(
        xaxis=_x_axis(trials, axes[0]),
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
        figure=_styled(figure),
    )


def parallel_coordinates(trials: pd.DataFrame) -> Plot:
    """Parallel coordinates with the time to NaN first, where survivors have a tick of their own.

    Drawn by plotly, for Optuna's have one scale of colours for times and survivors, and nothing to select by.

    Args:
        trials: Those that have a result.
    """
    from plotly.graph_objects import Figure, Parcoords

    words, scale = event_of(trials).words, TimeScale.of(trials)
    places, labels = scale.ticks
    times = {"label": words.time, "values": scale.places(trials), "range": [0, scale.survived]}
    figure = Figure(
        Parcoords(
            dimensions=[
                {**times, "tickvals": places, "ticktext": labels},
                *(_dimension(trials, axis) for axis in _by_use(trials)),
            ],
            # Lines of a larger number are drawn over others, so survivors have the smallest: they lie at the bottom.
            line={
                "color": scale.survived - scale.places(trials),
                "colorscale": [(1 - place, colour) for place, colour in reversed(_with_survivors(scale))],
                "cmin": 0,
                "cmax": scale.survived,
                "showscale": True,
                "colorbar": {
                    "tickvals": [scale.survived - place for place in places],
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
        figure=_styled(figure, margin={"l": 80, "r": 20, "t": 70, "b": 40}),
    )


def _dimension(trials: pd.DataFrame, axis: str) -> dict[str, Any]:
    """An axis of parallel coordinates."""
    levels = _levels(trials, axis)
    if levels is not None:
        return {
            "label": axis,
            "values": _positions(trials, axis),
            "tickvals": list(range(len(levels))),
            "ticktext": levels,
            "range": [-0.3, len(levels) - 0.7],
        }
    kind = axes_of(trials).columns[axis]
    ticks = _numeric_ticks(trials, axis)
    places = {"values": scale_of(kind, numbers(trials, axis)), "tickvals": scale_of(kind, ticks["tickvals"])}
    return {"label": axis, **ticks, **places}


def _ticks(axis: Axis, values: Floats) -> Floats:
    """Values themselves where they are few, else rounded ones in their range and its ends."""
    found = np.unique(values)
    if len(found) <= FEW:
        return np.asarray(found)
    low, high = found[0], found[-1]
    if axis.logarithmic:
        exponents = np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
        inner = np.outer(10**exponents, [1, 3]).ravel()
    else:
        inner = np.asarray(MaxNLocator(6).tick_values(low, high))
    return np.asarray(inner[(inner >= low) & (inner <= high)])


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
        colorscale=_with_survivors(scale),
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
    about = _hover(trials)
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
        xaxis={**_numeric_ticks(trials, x), "ticks": "outside"},
        yaxis={**_numeric_ticks(trials, y), "ticks": "outside"},
    )
    return Plot(
        name="contour",
        title=f"{x} by {y}",
        caption=(
            f"Colour is the {words.time} between the trials{thinned}, by Optuna's interpolation, which knows no other "
            "axes and no chance; grey where trials survived. The report's phase diagram has the intervals."
        ),
        figure=_styled(figure),
    )


def importances(trials: pd.DataFrame) -> Plot:
    """Optuna's importances of the axes for the time to NaN.

    Args:
        trials: Those that have a result.
    """
    from optuna.importance import FanovaImportanceEvaluator
    from optuna.visualization import plot_param_importances

    words = event_of(trials).words
    figure = plot_param_importances(
        as_study(trials), evaluator=FanovaImportanceEvaluator(n_trees=TREES, seed=0), target_name=words.time
    )
    figure.data[0].update(marker={"color": SURVIVED})
    figure.update_layout(
        title=None,
        xaxis={"title": {"text": "share of the variance"}, **LINES},
        yaxis={"title": {"text": ""}},
        showlegend=False,
    )
    return Plot(
        name="importances",
        title="Importances",
        caption=(
            f"The share of the variance of log {words.time} that an axis explains alone, by a forest (F. Hutter, H. "
            "Hoos and K. Leyton-Brown, An efficient approach for assessing hyperparameter importance, 2014), of axes "
            "that every trial has; survivors count with a time beyond their budget. It has no interval: the report's "
            "importances have, and are of held-out trials."
        ),
        figure=_styled(figure),
    )


LINES: dict[str, Any] = {"gridcolor": PALE, "zeroline": False, "linecolor": INK, "ticks": "outside"}


def _styled(figure: Figure, *, margin: dict[str, int] | None = None) -> Figure:
    figure.update_layout(
        template="simple_white",
        font={"family": "system-ui, Helvetica, Arial, sans-serif", "size": 13, "color": INK},
        height=520,
        margin=margin or {"l": 70, "r": 20, "t": 60, "b": 60},
        paper_bgcolor="white",
        plot_bgcolor="white",
    )
    return figure


def _with_survivors(scale: TimeScale) -> list[tuple[float, str]]:
    """Colours from the soonest time to the budget, then another one at once."""
    end = float(np.log10(scale.budget)) / scale.survived
    colours = [(end * place / (len(TIMES) - 1), colour) for place, colour in enumerate(TIMES)]
    return [*colours, ((1 + end) / 2, TIMES[-1]), ((1 + end) / 2, SURVIVED_LINE), (1.0, SURVIVED_LINE)]


def _by_use(trials: pd.DataFrame) -> list[str]:
    """The axes that vary, those first along which a boundary is best looked for."""
    first = boundary_axes(trials, Importance(axes=(), words=""))
    return [*first, *(axis for axis in predictor_axes(trials) if axis not in first)]


def _positions(trials: pd.DataFrame, axis: str) -> np.ndarray:
    """Where trials stand along an axis; those of an axis with few values are spread, always in the same way."""
    values = _levels(trials, axis)
    if values is None:
        return numbers(trials, axis)
    places = texts(trials[axis]).map({text: place for place, text in enumerate(values)}).to_numpy(dtype=float)
    # The fractional parts of multiples of the golden ratio fill an interval evenly.
    spread = (np.arange(len(trials)) * 0.6180339887498949) % 1 - 0.5
    return np.asarray(places + 0.5 * spread)


def _levels(trials: pd.DataFrame, axis: str) -> list[str] | None:
    """The values of an axis that has few, in order; None of one that has many."""
    kind = axes_of(trials).columns[axis]
    values = trials[axis].dropna().unique().tolist()
    if kind.is_numeric and len(values) > FEW:
        return None
    found = [as_text(value) for value in sorted(values)]
    return found + [text for text in dict.fromkeys(texts(trials[axis])) if text not in found]


def _x_axis(trials: pd.DataFrame, axis: str) -> dict[str, Any]:
    found = axes_of(trials).columns[axis]
    values = _levels(trials, axis)
    scale: dict[str, Any] = (
        {"type": "log" if found.logarithmic else "linear", **_numeric_ticks(trials, axis)}
        if values is None
        else {"type": "linear", "tickvals": list(range(len(values))), "ticktext": values}
    )
    return {**scale, "title": {"text": found.label}, "autorange": True, **LINES}


def _numeric_ticks(trials: pd.DataFrame, axis: str) -> dict[str, Any]:
    values = numbers(trials, axis)
    shown = _ticks(axes_of(trials).columns[axis], values[np.isfinite(values)])
    return {"tickvals": shown, "ticktext": [f"{value:.3g}" for value in shown]}


def _hover(trials: pd.DataFrame) -> np.ndarray:
    """What is said of a trial under the pointer."""
    words = event_of(trials).words
    axes = [*predictor_axes(trials), "seed"]
    told = []
    for row in trials.to_dict("records"):
        what = f"{words.noun} at update" if row["outcome"] == "diverged" else "survived to update"
        values = [f"{axis} {_short(row[axis])}" for axis in axes if not pd.isna(row[axis])]
        told.append("<br>".join([f"trial {row['trial_number']}: {what} {row['updates']}", *values]))
    return np.array(told, dtype=object)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else as_text(value)
