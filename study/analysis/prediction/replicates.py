"""How well the axes can tell an outcome at all: replicates of a configuration differ in nothing but the seed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from study.analysis.predictors import configurations, with_result


@dataclass(frozen=True, kw_only=True)
class Replicates:
    """Pairs of trials of one configuration, each with a seed of its own."""

    pairs: int
    """One a configuration that has trials of two seeds or more with a result: the first of its first two seeds."""
    alike: int
    """Pairs of which both diverged or both survived."""

    @property
    def share(self) -> float:
        """Share of pairs that end alike."""
        return self.alike / self.pairs

    @property
    def interval(self) -> tuple[float, float]:
        """95% interval of that share, Wilson's."""
        low, high = proportion_confint(self.alike, self.pairs, alpha=0.05, method="wilson")
        return float(low), float(high)

    @property
    def accuracy_at_most(self) -> tuple[float, float, float]:
        """Accuracy that no model of the axes can exceed, and its 95% interval; see `best_accuracy`."""
        low, high = self.interval
        return best_accuracy(self.share), best_accuracy(low), best_accuracy(high)


def best_accuracy(alike: float) -> float:
    """Upper bound of the accuracy of any model of the axes, from the share of pairs that end alike.

    A configuration that diverges with probability p has pairs alike with a = p^2 + (1 - p)^2, and the best that can be
    said of it is right with max(p, 1 - p) = (1 + sqrt(2 a - 1)) / 2. That is concave in a, so by Jensen's inequality
    its mean over configurations is at most its value at the mean of a.
    """
    return (1 + math.sqrt(max(0.0, 2 * alike - 1))) / 2


def replicates(table: pd.DataFrame) -> Replicates | None:
    """The pairs of a results table; None where no configuration has trials of two seeds with a result.

    In a table without seeds every trial counts as one with a seed of its own.
    """
    trials = with_result(table)
    if "seed" in trials:
        trials = trials[~trials["seed"].groupby(configurations(trials)).transform(lambda seeds: seeds.duplicated())]
    outcome = (trials["outcome"] == "diverged").to_numpy(dtype=bool)
    groups = configurations(trials)
    first_two = [np.flatnonzero(groups == group)[:2] for group in np.unique(groups)]
    pairs = [pair for pair in first_two if len(pair) == 2]
    if not pairs:
        return None
    return Replicates(pairs=len(pairs), alike=sum(bool(outcome[one] == outcome[other]) for one, other in pairs))


def sentence(found: Replicates) -> str:
    """It in words."""
    low, high = found.interval
    best, least, most = found.accuracy_at_most
    return (
        f"Of {found.pairs} configurations two seeds end alike in {found.share:.0%} ({low:.0%} to {high:.0%}), so no "
        f"model of the axes can be right in more than {best:.0%} ({least:.0%} to {most:.0%}) of the trials."
    )
