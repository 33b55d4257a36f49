"""Trials that differ in one axis alone, seed by seed: a comparison in which a seed's own luck cancels out."""

from __future__ import annotations

import pandas as pd

from study.analysis.predictors import configurations
from study.analysis.table import usable
from study.trial.axes import BUDGET_COLUMN, SEED

BLOCK = SEED
"""The column within which trials are compared."""


def paired_trials(table: pd.DataFrame, *, along: str) -> pd.DataFrame:
    """The largest set of trials that differ in one axis, in seed and in budget alone, with a trial for each pair.

    Args:
        table: A results table, of claims for instance.
        along: The axis.

    Returns:
        Rows of the table, for every seed of the set and every value of the axis one; none where no two trials differ in
        that axis alone.
    """
    trials = usable(table)
    others = trials.assign(**{along: trials[along].iloc[0], BUDGET_COLUMN: 1}) if len(trials) else trials
    # Of trials that ran twice the longer one holds the shorter.
    trials = trials.assign(set=configurations(others))
    trials = trials.sort_values([BUDGET_COLUMN, "trial_number"], ascending=[False, True])
    trials = trials.drop_duplicates(["set", along, BLOCK])
    best = trials.iloc[:0]
    for _, group in trials.groupby("set", sort=True):
        values = group[along].nunique()
        complete = group[group.groupby(BLOCK)[along].transform("size") == values]
        if values > 1 and (complete[along].nunique(), len(complete)) > (best[along].nunique(), len(best)):
            best = complete
    return best.drop(columns="set").sort_values("trial_number")
