"""How well the axes can tell an outcome at all: replicates of a configuration differ in nothing but the seed.

A configuration diverges with some probability p, and the best that can be said of its trials is right with
max(p, 1 - p). The mean of that over configurations is the *ceiling* of any model of the axes. It is bounded from both
sides by seeds alone, however few:

- from below by a rule that a trial ends as most other seeds of its configuration do (a half for ties), which knows less
  than p;
- from above by the share a of pairs of seeds that end alike: a = p^2 + (1 - p)^2 in a configuration, and
  max(p, 1 - p) = (1 + sqrt(2 a - 1)) / 2 is concave in a, so that its mean is at most its value at the mean of a
  (Jensen's inequality).

From `ENOUGH_SEEDS` on, it is estimated: by the distribution of p that makes the counts most likely, without an
assumption on its shape (J. Kiefer and J. Wolfowitz, Consistency of the maximum likelihood estimator in the presence of
infinitely many incidental parameters, 1956; N. Laird, Nonparametric maximum likelihood estimation of a mixing
distribution, 1978, for the iteration), with a bootstrap over configurations. Where many configurations have p
near one half the estimate is about a point too high with 8 seeds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import binom
from statsmodels.stats.proportion import proportion_confint

from study.analysis.prediction.accuracy import worth
from study.analysis.predictors import Floats, configurations, with_result

ENOUGH_SEEDS = 8
"""Seeds a configuration from which the ceiling is estimated and not only bounded."""

_GRID = np.linspace(0, 1, 51)
_ROUNDS = 200
_RESAMPLES = 200


@dataclass(frozen=True, kw_only=True)
class Replicates:
    """The ceiling of the accuracy of any model of the axes."""

    configurations: int
    """Those that have trials of as many seeds with a result."""
    seeds: int
    """Of each, at least 2; where a configuration has more, its first ones."""
    alike: float
    """Share of the pairs of seeds that end alike."""
    alike_low: float
    """Of its 95% interval."""
    alike_high: float
    estimate: float | None
    """Of the ceiling; None with fewer than `ENOUGH_SEEDS`."""
    low: float
    """The ceiling is at least this, with 97.5% confidence."""
    high: float
    """It is at most this."""
    least: float
    """Accuracy of naming what most other seeds did, which is at most the ceiling."""
    most: float
    """The ceiling is at most this, but for chance."""


def best_accuracy(alike: float) -> float:
    """Upper bound of the ceiling, from the share of pairs that end alike."""
    return (1 + math.sqrt(max(0.0, 2 * alike - 1))) / 2


def replicates(table: pd.DataFrame) -> Replicates | None:
    """The ceiling, from the configurations of a results table; None where none has two seeds with a result.

    In a table without seeds every trial counts as one with a seed of its own.
    """
    trials = with_result(table)
    if "seed" in trials:
        trials = trials[~trials["seed"].groupby(configurations(trials)).transform(lambda seeds: seeds.duplicated())]
    outcome = (trials["outcome"] == "diverged").to_numpy(dtype=bool)
    groups = configurations(trials)
    sizes = np.bincount(groups) if len(groups) else np.zeros(0, dtype=np.int64)
    several = sizes[sizes > 1]
    if not len(several):
        return None
    # Some trials may have failed: as many seeds as keep most trials.
    seeds = max(range(2, int(several.max()) + 1), key=lambda number: number * int((sizes >= number).sum()))
    died = np.array(
        [outcome[np.flatnonzero(groups == group)[:seeds]].sum() for group in np.flatnonzero(sizes >= seeds)]
    )
    alike = (died * (died - 1) + (seeds - died) * (seeds - died - 1)) / (seeds * (seeds - 1))
    others = _right_by_others(died, seeds)
    alike_low, alike_high = _interval(alike)
    estimate, low, high = None, _interval(others)[0], best_accuracy(alike_high)
    if seeds >= ENOUGH_SEEDS:
        estimate = float(_ceiling(np.bincount(died, minlength=seeds + 1)[None].astype(np.float64))[0])
        low, high = _bootstrap(died, seeds)
    return Replicates(
        configurations=len(died),
        seeds=seeds,
        alike=float(alike.mean()),
        alike_low=alike_low,
        alike_high=alike_high,
        estimate=estimate,
        low=low,
        high=high,
        least=float(others.mean()),
        most=best_accuracy(float(alike.mean())),
    )


def _right_by_others(died: Floats, seeds: int) -> Floats:
    """How often the majority of a configuration's other seeds names the outcome of one, shape (configurations,)."""
    lived = seeds - died
    of_those = [np.where(own - 1 > other, 1.0, np.where(own - 1 == other, 0.5, 0.0)) for own, other in
                ((died, lived), (lived, died))]  # fmt: skip
    return np.asarray((died * of_those[0] + lived * of_those[1]) / seeds)


def _interval(shares: Floats) -> tuple[float, float]:
    """Wilson's 95% interval of the mean of shares, one a configuration."""
    equal = worth(shares, np.arange(len(shares))) if len(shares) > 1 else 1.0
    low, high = proportion_confint(shares.mean() * equal, equal, alpha=0.05, method="wilson")
    return float(low), float(high)


def _ceiling(counts: Floats) -> Floats:
    """Mean of max(p, 1 - p) under the most likely distribution of p.

    Args:
        counts: How many configurations had 0, 1, ... diverged seeds, shape (studies, seeds + 1).
    """
    seeds = counts.shape[1] - 1
    likelihood = binom.pmf(np.arange(seeds + 1)[:, None], seeds, _GRID)
    weight = np.full((len(counts), len(_GRID)), 1 / len(_GRID))
    share = counts / counts.sum(axis=1, keepdims=True)
    for _ in range(_ROUNDS):
        total = weight @ likelihood.T
        weight = weight * ((share / total) @ likelihood)
    return np.asarray(weight @ np.maximum(_GRID, 1 - _GRID))


def _bootstrap(died: Floats, seeds: int) -> tuple[float, float]:
    draw = np.random.default_rng(0)
    drawn = draw.multinomial(len(died), np.bincount(died, minlength=seeds + 1) / len(died), size=_RESAMPLES)
    low, high = np.quantile(_ceiling(drawn.astype(np.float64)), [0.025, 0.975])
    return float(low), float(high)


def sentence(found: Replicates) -> str:
    """It in words."""
    pairs = f"Of {found.configurations} configurations with {found.seeds} seeds, two seeds of one end alike in "
    pairs += f"{found.alike:.0%} ({found.alike_low:.0%} to {found.alike_high:.0%})"
    if found.estimate is not None:
        return (
            f"{pairs}; the best model of the axes would be right in {found.estimate:.0%} of the trials "
            f"({found.low:.0%} to {found.high:.0%})."
        )
    return (
        f"{pairs}, so the best model of the axes would be right in {found.least:.0%} to {found.most:.0%} of the trials "
        f"({found.low:.0%} to {found.high:.0%} with the uncertainty of the trials)."
    )
