"""Survival analysis of a study: when trials diverge, and what makes them diverge sooner.

The parts are rooms of their own: curves (`study.analysis.survival.kaplan_meier`), tests between groups
(`study.analysis.survival.log_rank`), hazard ratios (`study.analysis.survival.cox`) and the law of scaling
(`study.analysis.survival.accelerated_failure_time`). Here they are asked together, of every axis that varies.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from study.analysis.groups import QUANTILE_GROUPS
from study.analysis.survival.accelerated_failure_time import AcceleratedFailureTime, accelerated_failure_time
from study.analysis.survival.cox import CoxModel, cox
from study.analysis.survival.kaplan_meier import KaplanMeier, kaplan_meier
from study.analysis.survival.log_rank import LogRank, log_rank
from study.analysis.table import durations, usable, varying_axes


@dataclass(frozen=True, kw_only=True)
class SurvivalAnalysis:
    """What survival analysis says of a study; each part says in words what it cannot tell."""

    trials: int
    """With a result: those that diverged or survived."""
    diverged: int
    survived: int
    failed: int
    """Without a result, and so in no other number here."""
    axes: tuple[str, ...]
    """The axes that vary."""
    overall: KaplanMeier
    curves: dict[str, KaplanMeier]
    """Kaplan-Meier curves by each axis that varies."""
    tests: dict[str, LogRank]
    """The log-rank test between the groups of each axis that varies."""
    hazard_ratios: CoxModel
    scaling: AcceleratedFailureTime
    """The law of scaling with learning rate, units and timesteps, with the other axes that vary held fixed."""

    @property
    def tests_table(self) -> pd.DataFrame:
        """One row an axis: `axis`, `groups`, `chi_square`, `degrees_of_freedom`, `p_value`, `answer`."""
        rows = [
            {
                "axis": axis,
                "groups": len(test.groups),
                "chi_square": test.chi_square,
                "degrees_of_freedom": test.degrees_of_freedom,
                "p_value": test.p_value,
                "answer": test.answer,
            }
            for axis, test in self.tests.items()
        ]
        columns = ["axis", "groups", "chi_square", "degrees_of_freedom", "p_value", "answer"]
        return pd.DataFrame(rows, columns=columns)

    @property
    def answer(self) -> str:
        """What became of the trials, in a sentence."""
        if self.trials == 0:
            return f"No trial has a result ({self.failed} failed)." if self.failed else "There are no trials."
        without = f"; {self.failed} more failed and are in no number here" if self.failed else ""
        if self.trials == 1:
            found = "The one trial diverged" if self.diverged else "The one trial survived its budget"
        elif self.diverged == 0:
            found = f"None of the {self.trials} trials diverged within its budget"
        elif self.survived == 0:
            found = f"All of the {self.trials} trials diverged"
        else:
            found = f"{self.diverged} of the {self.trials} trials diverged, {self.survived} survived their budgets"
        return f"{found}{without}."


def survival_analysis(
    table: pd.DataFrame, *, quantiles: int = QUANTILE_GROUPS, confidence: float = 0.95
) -> SurvivalAnalysis:
    """Ask everything of a results table that survival analysis can answer.

    Args:
        table: A results table.
        quantiles: How many groups a numeric axis with many values is cut into for curves and tests.
        confidence: Of bands and intervals, between 0 and 1.
    """
    results = usable(table)
    axes = varying_axes(results)
    event = durations(results)[1]
    return SurvivalAnalysis(
        trials=len(results),
        diverged=int(event.sum()),
        survived=int((~event).sum()),
        failed=len(table) - len(results),
        axes=axes,
        overall=kaplan_meier(results, confidence=confidence),
        curves={axis: kaplan_meier(results, by=axis, quantiles=quantiles, confidence=confidence) for axis in axes},
        tests={axis: log_rank(results, by=axis, quantiles=quantiles) for axis in axes},
        hazard_ratios=cox(results, confidence=confidence),
        scaling=accelerated_failure_time(results, axes=axes or None, confidence=confidence),
    )
