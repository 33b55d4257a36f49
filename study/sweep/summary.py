"""The closing table of a sweep."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from study.space.search_space import Choices, SearchSpace
from study.tracking import address
from study.trial.axes import NONE, as_text
from study.trial.folders import checkout
from study.trial.home import Home
from study.trial.outcome import LOSS_THRESHOLD

if TYPE_CHECKING:
    import pandas as pd

    from study.sweep.loop import SweepReport

MOST_ROWS = 20
"""Choices of an axis that the trials are split by; more of them are no summary."""


def summarise(report: SweepReport, *, name: str, space: SearchSpace, home: Home, console: Console) -> None:
    """Print what a sweep came to, split by the first axis with a handful of choices, and where to look further.

    Args:
        report: What the sweep came to.
        name: Of the study.
        space: What was varied.
        home: Where it is kept.
        console: Where to print.
    """
    axis = split_by(space)
    title = Text(f"{name}: {len(report.table)} trials")
    # Narrow, so that the counts stand side by side in 80 columns with all but the longest names of axes.
    table = Table(
        title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False
    )
    exploded = bool(report.table["exploded"].any())
    columns = ("trials", "diverged", "soonest", "median", "survived", *(("exploded",) if exploded else ()), "failed")
    for column in (axis or "", *columns):
        # Where a terminal is too narrow it is the axis that goes on in the next line.
        of_axis = column == axis
        table.add_column(column, justify="left" if of_axis else "right", no_wrap=not of_axis, overflow="fold")
    if axis is not None:
        for value, trials in report.table.groupby(axis, dropna=False):
            table.add_row(Text(_shown(value)), *_row(trials, exploded=exploded))
        table.add_section()
    table.add_row("all", *_row(report.table, exploded=exploded), style="bold")
    console.print(table)
    told = (
        f"soonest, median: {space.divergence.words.time} in updates; the median is that of all trials, with those that "
        "survived known to be later (Kaplan-Meier)"
    )
    if exploded:
        told += f"; exploded: of those that survived, with a loss above {LOSS_THRESHOLD:g} at some update"
    console.print(Text(told, style="dim"), soft_wrap=True)
    failed = int((report.table["outcome"] == "failed").sum())
    if failed:
        them = "it" if failed == 1 else "them"
        console.print(Text(f"{failed} failed: the same command with --retry-failed tries {them} again"), soft_wrap=True)
    console.print(Text(where_to_look(report, name=name, home=home)), soft_wrap=True)


def split_by(space: SearchSpace) -> str | None:
    """The first axis with at most MOST_ROWS choices; None where there is none."""
    for axis, parameter in space.parameters.items():
        if isinstance(parameter, Choices) and len(parameter.values) <= MOST_ROWS:
            return axis
    return None


def where_to_look(report: SweepReport, *, name: str, home: Home) -> str:
    """The commands that show more, as they can be pasted into a shell."""
    if home.artifacts is None:
        ui = f"{home.tracking_uri}{address(report.experiment_id)}"
    else:
        # Behind `make`, `study` is not on the PATH unless the virtual environment is activated.
        ui = "make ui" if checkout() else "study ui"
    return f"Look further: {ui} (MLflow), or study results {shlex.quote(name)}"


def _shown(value: Any) -> str:
    """A value of an axis; a missing one is of an axis that is unset, or that the trial does not have."""
    import pandas as pd

    return NONE if pd.isna(value) else as_text(value)


def _row(trials: pd.DataFrame, *, exploded: bool) -> list[str]:
    diverged = trials[trials["outcome"] == "diverged"]["time_to_nan"]
    return [
        str(len(trials)),
        f"{len(diverged)} ({len(diverged) / len(trials):.0%})" if len(trials) else "0",
        str(diverged.min()) if len(diverged) else "",
        _median(trials),
        str((trials["outcome"] == "survived").sum()),
        *([str(trials["exploded"].sum())] if exploded else []),
        str((trials["outcome"] == "failed").sum()),
    ]


def _median(trials: pd.DataFrame) -> str:
    """The median time to the event by Kaplan and Meier, as in the report; trials that failed tell nothing of it."""
    from scipy.stats import CensoredData, ecdf

    diverged = trials.loc[trials["outcome"] == "diverged", "time_to_nan"].to_numpy(float)
    survived = trials.loc[trials["outcome"] == "survived", "updates"].to_numpy(float)
    if not len(diverged) + len(survived):
        return ""
    curve = ecdf(CensoredData(uncensored=diverged, right=survived)).sf
    # A product of fractions that is one half in truth may end a rounding error above it.
    reached = curve.quantiles[curve.probabilities <= 0.5 + 1e-9]
    return f"{reached[0]:g}" if len(reached) else f">{survived.max():g}"
