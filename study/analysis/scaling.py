"""The trials to which a law of scaling can be fitted, and the law: those of choices with which something diverged."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from study.analysis.accelerated_failure_time import AcceleratedFailureTime, accelerated_failure_time
from study.analysis.predictors import NUMERIC, texts
from study.analysis.table import usable, varying_axes
from study.analysis.wording import count


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """A law of scaling, and the trials that it is of."""

    law: AcceleratedFailureTime
    """Over all axes that vary among `trials`."""
    trials: pd.DataFrame
    """Rows of the results table, failed ones among them."""
    left_out: str
    """A sentence on the trials that are not among them; empty where all are."""


def scaling(table: pd.DataFrame, *, confidence: float = 0.95) -> Scaling:
    """The law of scaling over all axes that vary, without choices with which nothing diverged.

    Such a choice has no time ratio: its trials only say that their times are larger than any of the budget. The law
    of the others is the same with or without them, but only without them does it give a time for every trial.

    Args:
        table: A results table.
        confidence: Of the intervals, between 0 and 1.
    """
    kept = table
    remarks: list[str] = []
    for axis in varying_axes(table):
        if axis in NUMERIC:
            continue
        values = texts(kept[axis])
        died = set(values[kept["outcome"] == "diverged"])
        never = [value for value in dict.fromkeys(texts(usable(kept)[axis])) if value not in died]
        if never and died:
            trials = int(values.isin(never).sum())
            remarks.append(f"{count(trials, 'trial')} with {axis} {' or '.join(never)}, of which none diverged")
            kept = kept[values.isin(died)]
    axes = varying_axes(kept)
    return Scaling(
        law=accelerated_failure_time(kept, axes=axes or None, confidence=confidence),
        trials=kept,
        left_out=f"Left out of the law: {'; '.join(remarks)}." if remarks else "",
    )
