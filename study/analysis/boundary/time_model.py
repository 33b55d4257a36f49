"""`TimeModel`: when a trial goes to NaN, anywhere in a space, from the trials that there are.

Two parts, since there are two ways to NaN. At update 1 the initial weights and the data decide, before any step: a
logistic regression gives that probability. Later the steps decide: the logarithm of their number to NaN is a Gaussian
process over the space, right-censored where a trial survived (`study.analysis.boundary.gaussian_process`). Together
they give P(NaN within any budget), and the contour on which it has a given value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.special import ndtr, ndtri
from sklearn.linear_model import LogisticRegression

from study.analysis.boundary.gaussian_process import CensoredGaussianProcess, Floats, Hyperparameters
from study.analysis.predictors import Booleans
from study.analysis.survival.clock import steps_of

NEIGHBOURS, QUIET = 8, 0.1
"""So many nearest trials that all survived say that a point is hardly inside: what is left of that probability. The
normal distribution that approximates the process has a tail there that many survivors never take away."""

FEWEST = 4
"""Trials that took a step before there is anything to fit."""

FEW = 200
"""Trials, evenly spaced among all, that hyperparameters are looked for on: they are as well known from these, and the
search takes a time that grows with the cube of their number."""


@dataclass(frozen=True, kw_only=True)
class Observed:
    """What is known of trials.

    Attributes:
        points: Their axes as columns of numbers between 0 and 1, (trials, columns).
        updates: Number of updates run: the time-to-NaN where it diverged, otherwise the budget; (trials,).
        diverged: Whether they did, (trials,).
    """

    points: Floats
    updates: Floats
    diverged: Booleans

    def take(self, which: Booleans) -> Self:
        """Those trials alone."""
        return type(self)(points=self.points[which], updates=self.updates[which], diverged=self.diverged[which])


def log_steps(updates: Floats, diverged: Booleans) -> tuple[Floats, Floats]:
    """The interval that the logarithm of the steps to NaN is known to lie in, by `study.analysis.survival.clock`.

    Args:
        updates: 2 or more, (trials,).
        diverged: (trials,).
    """
    low, high = steps_of(updates, diverged)
    with np.errstate(divide="ignore"):
        return np.log(low), np.log(high)


class TimeModel:
    """Fitted to trials.

    Args:
        observed: The trials; at least `FEWEST` of them with more than one update.
        groups: Number of columns of each axis.
        start: Hyperparameters of a fit to fewer trials.
        iterations: Of the search for hyperparameters; 0 keeps `start`.

    Attributes:
        later: The Gaussian process of the logarithm of the steps.
    """

    def __init__(
        self,
        observed: Observed,
        *,
        groups: Sequence[int],
        start: Hyperparameters | None = None,
        iterations: int = 30,
    ) -> None:
        self._observed = observed
        immediate = observed.diverged & (observed.updates == 1)
        stepped = observed.take(~immediate & (observed.updates > 1))
        assert len(stepped.points) >= FEWEST
        low, high = log_steps(stepped.updates, stepped.diverged)
        some = (
            np.unique(np.linspace(0, len(low) - 1, FEW).round().astype(int)) if len(low) > FEW else np.arange(len(low))
        )
        if iterations and len(some) < len(low):
            search = CensoredGaussianProcess(
                stepped.points[some], low=low[some], high=high[some], groups=groups, start=start, iterations=iterations
            )
            start, iterations = search.hyperparameters, 0
        self.later = CensoredGaussianProcess(
            stepped.points, low=low, high=high, groups=groups, start=start, iterations=iterations
        )
        self._share = (immediate.sum() + 0.5) / (len(immediate) + 1)
        self._immediate: LogisticRegression | None = None
        if immediate.any():
            self._immediate = LogisticRegression(C=1.0, max_iter=1000).fit(observed.points - 0.5, immediate)

    def immediate(self, points: Floats) -> Floats:
        """P(NaN at update 1), (points,)."""
        if self._immediate is None:
            return np.full(len(points), self._share)
        chance: Floats = self._immediate.predict_proba(points - 0.5)[:, 1]
        return chance

    def probability(self, points: Floats, *, budget: int) -> Floats:
        """P(NaN within so many updates) of a trial, (points,)."""
        at_once = self.immediate(points)
        if budget == 1:
            return at_once
        probability: Floats = at_once + (1 - at_once) * self.later.probability(points, log_budget=np.log(budget - 1))
        return probability

    def margin(self, points: Floats, *, level: float, budget: int) -> Margin:
        """How far points are from the contour on which P(NaN within a budget) is `level`.

        Args:
            points: (points, columns).
            level: Between 0 and 1.
            budget: In updates, 2 or more.
        """
        mean, deviation = self.later.predict(points)
        at_once = self.immediate(points)
        with np.errstate(divide="ignore"):
            rest = np.clip((level - at_once) / (1 - at_once), 1e-6, 1 - 1e-6)
        contour = np.log(budget - 1) - self.later.scatter(points) * ndtri(rest)
        return Margin(
            distance=contour - mean, deviation=deviation, immediate=at_once, quiet=self.quiet(points, budget=budget)
        )

    def quiet(self, points: Floats, *, budget: int) -> Booleans:
        """Whether the nearest trials, by the process's own measure, all lasted longer than a budget; (points,)."""
        observed = self._observed
        lasted = np.where(observed.diverged, observed.updates > budget, observed.updates >= budget)
        if len(lasted) < NEIGHBOURS:
            return np.zeros(len(points), dtype=bool)
        correlation = self.later.correlation(points, self._observed.points)
        nearest = np.argpartition(-correlation, NEIGHBOURS - 1, axis=1)[:, :NEIGHBOURS]
        return np.asarray(lasted[nearest].all(axis=1), dtype=np.bool_)

    def expected_updates(self, points: Floats, *, budget: int) -> Floats:
        """Mean number of updates that a trial runs, (points,)."""
        mean, deviation = self.later.predict(points)
        spread = np.hypot(deviation, self.later.scatter(points))
        quantiles = ndtri((np.arange(QUANTILES) + 0.5) / QUANTILES)
        times = np.minimum(1 + np.exp(np.minimum(mean[:, np.newaxis] + spread[:, np.newaxis] * quantiles, 50)), budget)
        at_once = self.immediate(points)
        updates: Floats = at_once + (1 - at_once) * times.mean(axis=1)
        return updates


QUANTILES = 16
"""Of a time's distribution, for its mean."""


@dataclass(frozen=True, kw_only=True)
class Margin:
    """Where points are with respect to a contour, in the logarithm of steps.

    Attributes:
        distance: Of the median time below the contour's, positive where more trials than the level go to NaN;
            (points,).
        deviation: Of what is known of that distance, (points,).
        immediate: P(NaN at update 1), (points,).
        quiet: Whether the nearest trials all survived, (points,).
    """

    distance: Floats
    deviation: Floats
    immediate: Floats
    quiet: Booleans

    def inside(self) -> Floats:
        """Probability that P(NaN) is above the level, (points,)."""
        inside: Floats = ndtr(self.distance / self.deviation) * np.where(self.quiet, QUIET, 1.0)
        return inside
