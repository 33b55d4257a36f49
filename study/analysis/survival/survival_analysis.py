"""Survival analysis of a study: when trials diverge, and what makes them diverge sooner.

A study has two parts (`study.analysis.survival.clock`): trials that diverge at update 1, before any step, and the time
that the others last. The first is asked about by `study.analysis.survival.first_update`. Of the second there are curves
(`study.analysis.survival.kaplan_meier`), tests between groups (`study.analysis.survival.log_rank`), hazard ratios
(`study.analysis.survival.cox`) and the law of scaling (`study.analysis.survival.scaling`). What becomes of both
together is told by `study.analysis.survival.differences`. Here they are asked together, of every axis that varies.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from study.analysis.groups import QUANTILE_GROUPS
from study.analysis.survival.clock import past_first_update
from study.analysis.survival.cox import CoxModel, cox
from study.analysis.survival.differences import SurvivalDifferences, survival_differences
from study.analysis.survival.first_update import FirstUpdate, first_update
from study.analysis.survival.two_parts import TwoParts, two_parts
from study.analysis.table import durations, event_of, usable, varying_axes
from study.trial.divergence import NONFINITE, Divergence
from study.trial.outcome import LOSS_THRESHOLD


@dataclass(frozen=True, kw_only=True)
class SurvivalAnalysis:
    """What survival analysis says of a study; each part says in words what it cannot tell."""

    trials: int
    """With a result: those that diverged or survived."""
    diverged: int
    survived: int
    exploded: int
    """Of those that survived: with a loss that was far too large at some update."""
    failed: int
    """Without a result, and so in no other number here."""
    axes: tuple[str, ...]
    """The axes that vary."""
    overall: TwoParts
    """Both parts, of all trials."""
    parts: dict[str, TwoParts]
    """Both parts by each axis that varies."""
    first: FirstUpdate
    """Odds ratios of divergence at update 1."""
    hazard_ratios: CoxModel
    """Of the trials that took a step."""
    differences: SurvivalDifferences
    """Of the shares that survive, both parts together."""
    divergence: Divergence
    """The event."""

    @property
    def tests_table(self) -> pd.DataFrame:
        """One row an axis: `axis`, `groups`, `p_value_first` (that it has no part in divergence at update 1), and of
        the log-rank test of the later ones `chi_square`, `degrees_of_freedom`, `p_value`, `answer`."""
        rows = [
            {
                "axis": axis,
                "groups": len(parts.first),
                "p_value_first": self.first.p_values.get(axis, math.nan),
                "chi_square": parts.test.chi_square,
                "degrees_of_freedom": parts.test.degrees_of_freedom,
                "p_value": parts.test.p_value,
                "answer": parts.test.answer,
            }
            for axis, parts in self.parts.items()
        ]
        columns = ["axis", "groups", "p_value_first", "chi_square", "degrees_of_freedom", "p_value", "answer"]
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
        if self.divergence != NONFINITE:
            found += f" (diverged: a loss {self.divergence.words.rule})"
        if self.exploded:
            those = "its loss exploded" if self.trials == 1 else f"of {self.exploded} of these the loss exploded"
            found += f", but {those}: it was above {LOSS_THRESHOLD:g} at some update"
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
        exploded=int(results["exploded"].sum()) if "exploded" in results else 0,
        failed=len(table) - len(results),
        axes=axes,
        overall=two_parts(results, confidence=confidence),
        parts={axis: two_parts(results, by=axis, quantiles=quantiles, confidence=confidence) for axis in axes},
        first=first_update(results),
        hazard_ratios=cox(past_first_update(results), axes=axes, confidence=confidence),
        differences=survival_differences(results, quantiles=quantiles, confidence=confidence),
        divergence=event_of(results),
    )
