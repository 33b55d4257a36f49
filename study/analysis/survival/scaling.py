"""The law of scaling, and its trials: those that took a step, of choices with which something diverged."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from study.analysis.predictors import NUMERIC, texts
from study.analysis.survival.accelerated_failure_time import AcceleratedFailureTime, accelerated_failure_time
from study.analysis.table import usable, varying_axes
from study.analysis.wording import count


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """A law of scaling, and the trials that it is of."""

    law: AcceleratedFailureTime
    """Over all axes that vary among `trials`."""
    trials: pd.DataFrame
    """Rows of the results table, failed ones among them."""
    at_once: int
    """Trials that diverged at update 1 and so are not among them."""
    left_out: str
    """A sentence on the trials that are not among them; empty where all are."""


def scaling(table: pd.DataFrame, *, confidence: float = 0.95) -> Scaling:
    """The law of scaling over all axes that vary, of the trials that one law can hold for.

    The loss of update 1 is that of the initial weights. A trial that diverges there has taken no step, so the learning
    rate cannot have had a part in it; counted in, such trials hide the scaling of the others behind their scatter.

    Nor does it hold a choice with which nothing diverged. Such a choice has no time ratio: its trials only say that
    their times are larger than the budget.

    Args:
        table: A results table.
        confidence: Of the intervals, between 0 and 1.
    """
    diverged = table["outcome"] == "diverged"
    at_once = diverged & (table["time_to_nan"] == 1).fillna(False).astype(bool)
    remarks: list[str] = []
    if at_once.any():
        part = f"{at_once.sum()} of the {count(int(diverged.sum()), 'trial')} that diverged"
        remarks.append(f"{part}, which did so at update 1, before the first step")
    kept = table[~at_once]
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
        at_once=int(at_once.sum()),
        left_out=f"Left out of the law: {'; '.join(remarks)}." if remarks else "",
    )
