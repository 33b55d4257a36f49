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
from sklearn.linear_model import LogisticRegression

from study.analysis.boundary.forecast import Forecast, Margin, contour_of
from study.analysis.boundary.gaussian_process import CensoredGaussianProcess, Floats, Hyperparameters
from study.analysis.predictors import Booleans
from study.analysis.survival.clock import steps_of

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
        before: A model of the first of these trials, from whose sites this one begins.

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
        before: TimeModel | None = None,
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
        self.later: CensoredGaussianProcess = CensoredGaussianProcess(
            stepped.points,
            low=low,
            high=high,
            groups=groups,
            start=start,
            iterations=iterations,
            sites=None if before is None else before.later.sites,
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

    def forecast(self, points: Floats, *, budget: int, known: tuple[Floats, Floats] | None = None) -> Forecast:
        """What is to be expected of trials.

        Args:
            points: (points, columns).
            budget: In updates, 2 or more.
            known: Mean and deviation of f there, where they are at hand.
        """
        mean, deviation = known or self.later.predict(points)
        return Forecast(
            budget=budget,
            mean=mean,
            deviation=deviation,
            scatter=self.later.scatter(points),
            immediate=self.immediate(points),
        )

    def margin(self, points: Floats, *, level: float, budget: int) -> Margin:
        """How far points are from the contour on which P(NaN within a budget) is `level`.

        Args:
            points: (points, columns).
            level: Between 0 and 1.
            budget: In updates, 2 or more.
        """
        return self.forecast(points, budget=budget).margin(level)

    def distance(self, points: Floats, *, level: float, budget: int) -> Floats:
        """That of `margin` without its deviation, which takes longer; (points,)."""
        contour = contour_of(level, budget=budget, scatter=self.later.scatter(points), immediate=self.immediate(points))
        distance: Floats = contour - self.later.mean(points)
        return distance
