"""`Forecast`: what a model of times says of trials to come, all of it from one prediction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

Floats = NDArray[np.float64]

QUANTILES, INTERVALS = 16, 48
"""Of a time's distribution, for its mean; and of a time to come, as what is told of it: shorter ones tell no more."""

DEVIATIONS = ndtri((np.arange(5) + 0.5) / 5)
"""Quantiles of f, over which what a trial tells is averaged."""


@dataclass(frozen=True, kw_only=True)
class Margin:
    """Where points are with respect to a contour, in the logarithm of steps.

    Attributes:
        distance: Of the median time below the contour's, positive where more trials than the level go to NaN;
            (points,).
        deviation: Of what is known of that distance, (points,).
    """

    distance: Floats
    deviation: Floats

    def inside(self) -> Floats:
        """Probability that P(NaN) is above the level, (points,)."""
        inside: Floats = ndtr(self.distance / self.deviation)
        return inside


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """Of a trial at each of some points.

    Attributes:
        budget: In updates, 2 or more.
        mean: Of f, the median of the logarithm of the steps to NaN; (points,).
        deviation: Of what is known of f, (points,).
        scatter: Deviation of the logarithm of the steps around f, between seeds; (points,).
        immediate: P(NaN at update 1), (points,).
    """

    budget: int
    mean: Floats
    deviation: Floats
    scatter: Floats
    immediate: Floats

    def take(self, which: slice) -> Forecast:
        """Of those points alone."""
        return Forecast(
            budget=self.budget,
            mean=self.mean[which],
            deviation=self.deviation[which],
            scatter=self.scatter[which],
            immediate=self.immediate[which],
        )

    def margin(self, level: float) -> Margin:
        """How far the points are from the contour on which P(NaN within the budget) is `level`, between 0 and 1."""
        contour = contour_of(level, budget=self.budget, scatter=self.scatter, immediate=self.immediate)
        return Margin(distance=contour - self.mean, deviation=self.deviation)

    def expected_updates(self) -> Floats:
        """Mean number of updates that a trial runs, (points,)."""
        spread = np.hypot(self.deviation, self.scatter)
        quantiles = ndtri((np.arange(QUANTILES) + 0.5) / QUANTILES)
        logarithms = np.minimum(self.mean[:, np.newaxis] + spread[:, np.newaxis] * quantiles, 50)
        times = np.minimum(1 + np.exp(logarithms), self.budget)
        updates: Floats = self.immediate + (1 - self.immediate) * times.mean(axis=1)
        return updates

    def precision(self) -> Floats:
        """Of f as a trial tells it, 1 / variance, at quantiles of what f may be; (points, quantiles).

        A trial tells the interval that its time lies in, the last one open. With a and b the ends of an interval less
        f, over the scatter s, and with the normal density phi and distribution Phi, its Fisher information is the sum
        over all intervals of (phi(a) - phi(b))^2 / (Phi(b) - Phi(a)) / s^2: 1 / s^2 where intervals are short, next to
        nothing where the trial survives.
        """
        ends = np.log(np.unique(np.geomspace(1, self.budget - 1, INTERVALS).round()))
        f = self.mean[:, np.newaxis] + self.deviation[:, np.newaxis] * DEVIATIONS
        z = (ends - f[..., np.newaxis]) / self.scatter[:, np.newaxis, np.newaxis]
        edge = np.zeros((*f.shape, 1))
        density = np.concatenate([edge, np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi), edge], axis=2)
        below = np.concatenate([edge, ndtr(z), edge + 1], axis=2)
        parts = np.diff(density, axis=2) ** 2 / np.maximum(np.diff(below, axis=2), 1e-12)
        precision: Floats = np.maximum(parts.sum(axis=2), 1e-6) / self.scatter[:, np.newaxis] ** 2
        return precision

    def gained(self, variance: Floats) -> Floats:
        """What a trial takes away of the variance of f, over the variance squared; (points,).

        Args:
            variance: Of what is known of f when the trial is run, (points,).
        """
        # The mean is over what f may be: where most of it survives, most trials tell nothing.
        shares = 1 / (variance[:, np.newaxis] + 1 / self.precision())
        gained: Floats = (1 - self.immediate) * shares.mean(axis=1)
        return gained


def contour_of(level: float, *, budget: int, scatter: Floats, immediate: Floats) -> Floats:
    """The f at which P(NaN within a budget) is `level`; shapes and the rest as in `Forecast`."""
    with np.errstate(divide="ignore"):
        rest = np.clip((level - immediate) / (1 - immediate), 1e-6, 1 - 1e-6)
    contour: Floats = np.log(budget - 1) - scatter * ndtri(rest)
    return contour
