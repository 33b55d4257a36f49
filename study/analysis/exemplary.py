"""The trials of a results table that are worth looking at one by one."""

from __future__ import annotations

import pandas as pd

from study.analysis.predictors import grouping_axis, texts
from study.analysis.table import event_of
from study.trial.exemplary import Ended, exemplary


def exemplary_trials(table: pd.DataFrame) -> pd.DataFrame:
    """A handful of trials that diverged, as `study.trial.exemplary` chooses them.

    Args:
        table: A results table.

    Returns:
        Rows of the table by time-to-NaN, with the column `why` first: what a trial stands for.
    """
    died = table[table["outcome"] == "diverged"]
    by = grouping_axis(table)
    groups = texts(died[by]) if by is not None else [None] * len(died)
    ended = [
        Ended(number=int(number), time=int(time), group=group)
        for number, time, group in zip(died["trial_number"], died["time_to_nan"], groups, strict=True)
    ]
    why = exemplary(ended, event_of(died).words)
    chosen = died.set_index("trial_number", drop=False).loc[list(why)].assign(why=list(why.values()))
    return chosen[["why", *(column for column in chosen.columns if column != "why")]]
