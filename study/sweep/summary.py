"""The closing table of a sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from study.space.search_space import Choices, SearchSpace
from study.sweep.home import Home
from study.tracking.views import address

if TYPE_CHECKING:
    import pandas as pd

    from study.sweep.loop import SweepReport


def summarise(report: SweepReport, *, name: str, space: SearchSpace, home: Home, console: Console) -> None:
    """Print what a sweep came to, split by the first axis with choices, and where to look further."""
    axis = next((axis for axis, parameter in space.parameters.items() if isinstance(parameter, Choices)), None)
    table = Table(title=f"{name}: {len(report.table)} trials", title_justify="left", box=SIMPLE_HEAD)
    for column in (axis or "", "trials", "diverged", "soonest", "median", "survived", "failed"):
        table.add_column(column, justify="left" if column == axis else "right", no_wrap=True)
    if axis is not None:
        for value, group in report.table.groupby(axis, dropna=False):
            table.add_row(str(value), *_row(group))
        table.add_section()
    table.add_row("all", *_row(report.table), style="bold")
    console.print(table)
    console.print("soonest, median: time-to-NaN in updates, over the trials that diverged", style="dim")
    # Behind `make`, `study` is not on the PATH unless the virtual environment is activated.
    place = "make ui" if home.artifacts is not None else f"{home.tracking_uri}{address(report.experiment_id)}"
    console.print(f"Look further: {place} (MLflow), or study results {name}", highlight=False, soft_wrap=True)


def _row(trials: pd.DataFrame) -> list[str]:
    diverged = trials[trials["outcome"] == "diverged"]["time_to_nan"]
    return [
        str(len(trials)),
        f"{len(diverged)} ({len(diverged) / len(trials):.0%})" if len(trials) else "0",
        str(diverged.min()) if len(diverged) else "",
        f"{diverged.median():g}" if len(diverged) else "",
        str((trials["outcome"] == "survived").sum()),
        str((trials["outcome"] == "failed").sum()),
    ]
