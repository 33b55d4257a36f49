"""Which trials of a study are worth looking at one by one."""

from __future__ import annotations

import pandas as pd

from study.analysis.predictors import grouping_axis, texts
from study.analysis.table import event_of


def exemplary_trials(table: pd.DataFrame) -> pd.DataFrame:
    """A handful of trials that diverged: the soonest and the latest NaN, and the one in the middle of them.

    With them, for each value of the first choice that varies, such as each activation, the trial in the middle
    of its own; of equal ones the lowest number.

    Args:
        table: A results table.

    Returns:
        Rows of the table by time-to-NaN, with the column `why` first: what a trial stands for.
    """
    died = table[table["outcome"] == "diverged"].sort_values(["time_to_nan", "trial_number"])
    if died.empty:
        return died.assign(why="")
    words = event_of(died).words
    latest = died[died["time_to_nan"] == died["time_to_nan"].iloc[-1]].index[0]
    reasons: dict[object, list[str]] = {}
    for index, why in (
        (died.index[0], f"soonest {words.noun}"),
        (died.index[(len(died) - 1) // 2], f"middle {words.time}"),
        (latest, f"latest {words.noun}"),
    ):
        reasons.setdefault(index, []).append(why)
    if (by := grouping_axis(table)) is not None:
        for value, group in died.groupby(texts(died[by]), sort=True):
            reasons.setdefault(group.index[(len(group) - 1) // 2], []).append(f"middle of {value}")
    chosen = died.loc[[index for index in died.index if index in reasons]]
    chosen = chosen.assign(why=[", ".join(reasons[index]) for index in chosen.index])
    return chosen[["why", *(column for column in chosen.columns if column != "why")]]
