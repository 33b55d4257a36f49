"""The two parts of a study by the groups of an axis: NaN at update 1, and how long the other trials last.

A survival curve of all trials mixes the two: its drop at update 1 is a property of initial weights and data, and what
follows is one of training (`study.analysis.survival.clock`). An axis can move them in opposite directions, as units do
in `lr_by_units`, and then the curve of all shows neither.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from study.analysis.groups import QUANTILE_GROUPS, groups_of
from study.analysis.survival.clock import at_first_update, past_first_update
from study.analysis.survival.kaplan_meier import EVERYONE, KaplanMeier, survival_curve
from study.analysis.survival.log_rank import LogRank, log_rank_test
from study.analysis.table import durations, event_of, usable


@dataclass(frozen=True, kw_only=True)
class TwoParts:
    """Both parts, by the groups of one axis; in both parts the groups are the same."""

    axis: str | None
    """The axis that makes the groups; None for one group of all trials."""
    first: pd.DataFrame
    """One row a group: `group`, `trials`, `events` (NaN at update 1), `share` and its interval `low` to `high`
    (Wilson's)."""
    later: KaplanMeier
    """Curves of the trials that took a step."""
    test: LogRank
    """Between the groups of the trials that took a step."""

    @property
    def events_at_first(self) -> int:
        """Trials that diverged at update 1."""
        return int(self.first["events"].sum())


def two_parts(
    table: pd.DataFrame, *, by: str | None = None, quantiles: int = QUANTILE_GROUPS, confidence: float = 0.95
) -> TwoParts:
    """Both parts of a results table, of all trials or by the groups of an axis.

    Args:
        table: A results table; failed trials are left out.
        by: The axis whose values make the groups (see `study.analysis.groups.groups_of`).
        quantiles: How many groups a numeric axis with many values is cut into.
        confidence: Of bands and intervals, between 0 and 1.

    Raises:
        UserError: Not an axis.
    """
    trials = usable(table)
    if by is None:
        groups = pd.Series(EVERYONE, index=trials.index, dtype="category")
    else:
        groups = groups_of(trials, by, quantiles=quantiles)
    labels = [str(label) for label in groups.cat.categories]
    at_once = at_first_update(trials)
    first = pd.DataFrame(
        {
            "group": labels,
            "trials": [int((groups == label).sum()) for label in labels],
            "events": [int(at_once[groups == label].sum()) for label in labels],
        }
    )
    first["share"] = first["events"] / first["trials"]
    ends = [
        proportion_confint(e, n, alpha=1 - confidence, method="wilson")
        for e, n in first[["events", "trials"]].to_numpy()
    ]
    first = first.assign(low=[low for low, _ in ends], high=[high for _, high in ends])
    rest = past_first_update(trials)
    duration, event = durations(rest)
    divergence = event_of(trials)
    inside = groups[rest.index]
    curves = tuple(
        survival_curve(
            duration[inside == label],
            event[inside == label],
            group=label,
            confidence=confidence,
            divergence=divergence,
        )
        for label in labels
    )
    return TwoParts(
        axis=by,
        first=first,
        later=KaplanMeier(
            axis=by,
            curves=curves or (survival_curve([], [], confidence=confidence, divergence=divergence),),
            confidence=confidence,
            band="log-log",
        ),
        test=log_rank_test(duration, event, inside, axis=by, divergence=divergence),
    )
