"""How many more survive: shares that are finite at an update which every trial could reach, group against group.

A hazard ratio needs hazards that are proportional; the share of trials that is still finite after a number of updates
needs nothing. At an update that no trial's budget falls short of, nothing is censored, so that it is a plain share, and
two of them differ by an interval of R. G. Newcombe, Interval estimation for the difference between independent
proportions: comparison of eleven methods (1998), method 10.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from study.analysis.groups import QUANTILE_GROUPS, groups_of
from study.analysis.predictors import same_as
from study.analysis.table import durations, event_of, usable, varying_axes
from study.trial.axes import BUDGET_COLUMN
from study.trial.divergence import NONFINITE, Divergence

MOST_TOLD = 3

COLUMNS = (
    "axis",
    "group",
    "baseline",
    "trials",
    "survived",
    "share",
    "low",
    "high",
    "difference",
    "difference_low",
    "difference_high",
)


@dataclass(frozen=True, kw_only=True)
class SurvivalDifferences:
    """Shares that survive and their differences, axis by axis, the other axes as the study drew them."""

    horizon: int
    """The update at which they are taken: the smallest budget. 0 where there are no trials."""
    trials: int
    survived: int
    """Trials that are still finite after it."""
    confidence: float
    groups: pd.DataFrame
    """One row a group of an axis: `axis`, `group`, `baseline` (the axis's first group), `trials`, `survived`, `share`
    and its interval `low` to `high` (Wilson's), `difference` from the baseline's share and its interval
    `difference_low` to `difference_high`; of the baseline itself 0."""
    divergence: Divergence = NONFINITE
    """The event that the survivors have not had."""

    @property
    def contrasts(self) -> pd.DataFrame:
        """The rows of `groups` that are compared with another."""
        return self.groups[self.groups["group"] != self.groups["baseline"]]

    @property
    def answer(self) -> str:
        """The largest differences that are shown, in percentage points, in a sentence; empty where there are none."""
        shown = self.contrasts
        shown = shown[(shown["difference_low"] > 0) | (shown["difference_high"] < 0)]
        # Of an axis with several groups the one that is farthest from its baseline.
        shown = shown.sort_values("difference", key=lambda values: -values.abs(), kind="stable").drop_duplicates("axis")
        if shown.empty:
            return ""
        told = [
            f"{100 * abs(row['difference']):.0f} points {'more' if row['difference'] > 0 else 'fewer'} with "
            f"{row['axis']} {row['group']} than with {row['baseline']} "
            f"({points(row['difference_low'])} to {points(row['difference_high'])})"
            for row in shown.head(MOST_TOLD).to_dict("records")
        ]
        still = self.divergence.words.still
        return f"After update {self.horizon}, of the trials there are still {still} {', '.join(told)}."


def points(difference: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    return f"{round(100 * difference):+d}" if round(100 * difference) else "0"


def survival_differences(
    table: pd.DataFrame, *, quantiles: int = QUANTILE_GROUPS, confidence: float = 0.95
) -> SurvivalDifferences:
    """Compare the groups of every axis that varies; of axes that vary only together the first stands for all.

    Args:
        table: A results table; failed trials are left out.
        quantiles: How many groups a numeric axis with many values is cut into.
        confidence: Of the intervals, between 0 and 1.
    """
    trials = usable(table)
    duration, event = durations(trials)
    horizon = int(trials[BUDGET_COLUMN].min()) if len(trials) else 0
    finite = ~(event & (duration <= horizon))
    twins = {other for others in same_as(trials).values() for other in others}
    parts = [
        _compared(axis, finite, groups_of(trials, axis, quantiles=quantiles), confidence)
        for axis in varying_axes(trials)
        if axis not in twins
    ]
    return SurvivalDifferences(
        horizon=horizon,
        trials=len(trials),
        survived=int(finite.sum()),
        confidence=confidence,
        groups=pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(COLUMNS)),
        divergence=event_of(trials),
    )


def _compared(axis: str, finite: pd.Series, groups: pd.Series, confidence: float) -> pd.DataFrame:
    labels = list(groups.cat.categories)
    number = np.array([int((groups == label).sum()) for label in labels])
    survived = np.array([int(finite[groups == label].sum()) for label in labels])
    low, high = proportion_confint(survived, number, alpha=1 - confidence, method="wilson")
    ends = [(0.0, 0.0)] + [
        confint_proportions_2indep(
            survived[at], number[at], survived[0], number[0], method="newcomb", compare="diff", alpha=1 - confidence
        )
        for at in range(1, len(labels))
    ]
    return pd.DataFrame(
        {
            "axis": axis,
            "group": labels,
            "baseline": labels[0],
            "trials": number,
            "survived": survived,
            "share": survived / number,
            "low": low,
            "high": high,
            "difference": survived / number - survived[0] / number[0],
            "difference_low": [end[0] for end in ends],
            "difference_high": [end[1] for end in ends],
        }
    )
