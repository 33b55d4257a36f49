"""`Forecast`: what a time model says of trials to come, all of it from one prediction.

There are two ways to NaN (`study.analysis.boundary.time_model`). At update 1 with probability Phi(g), before any step;
later where the logarithm of the steps, which scatters around f with deviation s, is at most that of the budget's. So
within a budget of B updates

    P = 1 - (1 - Phi(g)) (1 - Phi(u)),  u = (log(B - 1) - f) / s

with the normal distribution Phi. Either way may be missing: what no trial did is taken not to happen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtr, ndtri

from study.analysis.boundary.outcome_model import chance_of

Floats = NDArray[np.float64]

QUANTILES, INTERVALS = 16, 48
"""Of a time's distribution, for its mean; and of a time to come, as what is told of it: shorter ones tell no more."""

DEVIATIONS = ndtri((np.arange(5) + 0.5) / 5)
"""Quantiles of a latent number, over which what a trial tells is averaged."""

MANY_DEVIATIONS = ndtri((np.arange(201) + 0.5) / 201)
"""Quantiles of g, over which the side of the contour is averaged: enough for its 95% interval."""

Part = Literal["first", "later"]

PARTS: tuple[Part, ...] = ("first", "later")
"""The ways to NaN: at update 1, told by g; after a step, told by f."""

SURE = 1e-12
"""No probability is taken to be nearer to 0 or 1."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """What trials tell of a latent number.

    Attributes:
        precision: Of the number as a trial tells it, 1 / variance, at quantiles of what it may be; (points, quantiles).
        share: Of trials that tell anything, (points,).
    """

    precision: Floats
    share: Floats

    def gained(self, variance: Floats, which: slice) -> Floats:
        """What a trial takes away of the variance, over the variance squared; (points,).

        Args:
            variance: Of what is known of the number when the trial is run, at some of the points; (points,).
            which: Those.
        """
        # The mean is over what the number may be: where most of it tells nothing, most trials do not.
        shares = 1 / (variance[:, np.newaxis] + 1 / self.precision[which])
        gained: Floats = self.share[which] * shares.mean(axis=1)
        return gained


@dataclass(frozen=True, kw_only=True)
class First:
    """What is known of g, all of shape (points,).

    Attributes:
        mean: Of g.
        deviation: Of what is known of it.
    """

    mean: Floats
    deviation: Floats

    def precision(self) -> Floats:
        """Of g as a trial tells it, 1 / variance, at quantiles of what g may be; (points, quantiles).

        The Fisher information of whether it goes to NaN at update 1: phi(g)^2 / (Phi(g) (1 - Phi(g))).
        """
        g = self.mean[:, np.newaxis] + self.deviation[:, np.newaxis] * DEVIATIONS
        precision: Floats = np.exp(2 * _log_density(g) - log_ndtr(g) - log_ndtr(-g))
        return np.maximum(precision, 1e-6)


@dataclass(frozen=True, kw_only=True)
class Later:
    """What is known of f, all of shape (points,) but the budget.

    Attributes:
        budget: In updates, 2 or more.
        mean: Of f, the median of the logarithm of the steps to NaN.
        deviation: Of what is known of f.
        scatter: The deviation s of the logarithm of the steps around f, between seeds.
        scatter_deviation: Of what is known of log s.
    """

    budget: int
    mean: Floats
    deviation: Floats
    scatter: Floats
    scatter_deviation: Floats

    @property
    def ahead(self) -> Floats:
        """How far the budget is beyond f, in deviations of a trial: u at the mean of f; (points,)."""
        ahead: Floats = (np.log(self.budget - 1) - self.mean) / self.scatter
        return ahead

    def chance(self) -> Floats:
        """Phi(u), what is not known of f averaged over; (points,)."""
        chance: Floats = ndtr((np.log(self.budget - 1) - self.mean) / np.hypot(self.deviation, self.scatter))
        return chance

    def times(self) -> Floats:
        """Mean number of updates that a trial runs which takes a step, (points,)."""
        spread = np.hypot(self.deviation, self.scatter)
        quantiles = ndtri((np.arange(QUANTILES) + 0.5) / QUANTILES)
        logarithms = np.minimum(self.mean[:, np.newaxis] + spread[:, np.newaxis] * quantiles, 50)
        times: Floats = np.minimum(1 + np.exp(logarithms), self.budget).mean(axis=1)
        return times

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

    def beyond(self, chance: Floats) -> Floats:
        """Probability that Phi(u) is above a chance, 1 where that is 0 or less.

        Args:
            chance: Shape (points,) or (points, several); that of what is returned.
        """
        mean, deviation, scatter, unsure = (
            one.reshape(-1, *[1] * (chance.ndim - 1))
            for one in (self.mean, self.deviation, self.scatter, self.scatter_deviation)
        )
        z = ndtri(np.clip(chance, SURE, 1 - SURE))
        contour = np.log(self.budget - 1) - scatter * z
        beyond = ndtr((contour - mean) / np.hypot(deviation, scatter * z * unsure))
        return np.where(chance > 0, beyond, 1.0)


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """Of a trial at each of some points, at least one way to NaN.

    Attributes:
        budget: In updates, 2 or more.
        first: At update 1; None where no trial went so.
        later: After a step; None where no trial went so.
        laters: The same with other scatters that the trials allow, and their weights; they count for `inside`.
    """

    budget: int
    first: First | None
    later: Later | None
    laters: tuple[tuple[float, Later], ...] = ()

    def immediate(self) -> Floats | float:
        """P(NaN at update 1), (points,); 0 where no trial went so."""
        return 0.0 if self.first is None else chance_of(self.first.mean, self.first.deviation)

    def probability(self) -> Floats:
        """P(NaN within the budget), what is not known of f and g averaged over; (points,)."""
        later = 0.0 if self.later is None else self.later.chance()
        probability: Floats = np.asarray(1 - (1 - self.immediate()) * (1 - later))
        return probability

    def expected_updates(self) -> Floats:
        """Mean number of updates that a trial runs, (points,)."""
        immediate = self.immediate()
        times = self.budget if self.later is None else self.later.times()
        updates: Floats = np.asarray(immediate + (1 - immediate) * times)
        return updates

    def distance(self, level: float) -> Floats:
        """On which side of the contour the means of f and g are, and how far, as normal quantiles; (points,).

        Positive where P is above the level. Where all trials take a step it is in deviations of log steps.
        """
        log_survival = 0.0 if self.first is None else log_ndtr(-self.first.mean)
        if self.later is not None:
            log_survival = log_survival + log_ndtr(-self.later.ahead)
        chance = -np.expm1(log_survival)
        distance: Floats = ndtri(np.clip(chance, SURE, 1 - SURE)) - ndtri(level)
        return distance

    def inside(self, level: float) -> Floats:
        """Probability that P is above the level, by what is known of f, s and g; (points,)."""
        if self.first is None:
            assert self.later is not None
            return self._beyond(np.full(len(self.later.mean), level))
        if self.later is None:
            inside: Floats = ndtr((self.first.mean - ndtri(level)) / self.first.deviation)
            return inside
        g = self.first.mean[:, np.newaxis] + self.first.deviation[:, np.newaxis] * MANY_DEVIATIONS
        immediate = np.minimum(ndtr(g), 1 - SURE)
        averaged: Floats = self._beyond((level - immediate) / (1 - immediate)).mean(axis=1)
        return averaged

    def _beyond(self, chance: Floats) -> Floats:
        """That of `Later`, averaged over the scatters."""
        assert self.later is not None
        beyond = np.zeros(chance.shape)
        for weight, later in self.laters or ((1.0, self.later),):
            beyond += weight * later.beyond(chance)
        return beyond

    def told(self) -> dict[Part, Told]:
        """What trials at the points tell of g and of f."""
        told: dict[Part, Told] = {}
        if self.first is not None:
            told["first"] = Told(precision=self.first.precision(), share=np.ones(len(self.first.mean)))
        if self.later is not None:
            # Only a trial that takes a step tells of f.
            share = (1 - self.immediate()) * np.ones(len(self.later.mean))
            told["later"] = Told(precision=self.later.precision(), share=share)
        return told

    def slopes(self) -> dict[Part, Floats]:
        """How much P changes with g and with f at their means, up to a common factor; each (points,)."""
        if self.first is None or self.later is None:
            return {part: np.ones(1) for part in PARTS}
        g, u = self.first.mean, self.later.ahead
        by_first = _log_density(g) + log_ndtr(-u)
        by_later = _log_density(u) + log_ndtr(-g) - np.log(self.later.scatter)
        larger = np.maximum(by_first, by_later)
        return {"first": np.exp(by_first - larger), "later": np.exp(by_later - larger)}


def _log_density(z: Floats) -> Floats:
    density: Floats = -0.5 * z**2 - 0.5 * np.log(2 * np.pi)
    return density
