"""The law of scaling, and its trials: those that took a step, of choices with which something diverged."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from study.analysis.safe_levels import without_safe_levels
from study.analysis.survival.accelerated_failure_time import AcceleratedFailureTime, accelerated_failure_time
from study.analysis.survival.clock import at_first_update
from study.analysis.survival.power_law import PowerLaw, power_law
from study.analysis.table import varying_axes
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
    pure: PowerLaw | None
    """Whether the learning rate's exponent is the same all along; None where it does not vary or there is no law."""


def scaling(table: pd.DataFrame, *, confidence: float = 0.95) -> Scaling:
    """The law of scaling over all axes that vary, of the trials that one law can hold for.

    A trial that diverges at update 1 has taken no step (`study.analysis.survival.clock`), so the learning rate cannot
    have had a part in it.

    Nor does it hold a choice with which nothing diverged. Such a choice has no time ratio: its trials only say that
    their times are larger than the budget.

    Args:
        table: A results table.
        confidence: Of the intervals, between 0 and 1.
    """
    diverged = table["outcome"] == "diverged"
    at_once = at_first_update(table)
    remarks: list[str] = []
    if at_once.any():
        part = f"{at_once.sum()} of the {count(int(diverged.sum()), 'trial')} that diverged"
        remarks.append(f"{part}, which did so at update 1, before the first step")
    safe = without_safe_levels(table[~at_once])
    kept = safe.trials
    remarks += map(str, safe.left_out)
    axes = varying_axes(kept)
    law = accelerated_failure_time(kept, axes=axes or None, confidence=confidence)
    return Scaling(
        law=law,
        pure=power_law(kept, axes=axes, confidence=confidence) if law.constant_product and law.estimated else None,
        trials=kept,
        at_once=int(at_once.sum()),
        left_out=f"Left out of the law: {'; '.join(remarks)}." if remarks else "",
    )
