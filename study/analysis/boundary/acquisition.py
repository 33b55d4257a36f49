"""Which trial would tell most of a contour for the updates that it takes.

What counts is how uncertain the model is near the contour: the integral over the space of the variance of f, weighted
by how likely the contour is to pass there (targeted integrated mean square error: V. Picheny, D. Ginsbourger,
O. Roustant, R. T. Haftka and N.-H. Kim, "Adaptive designs of experiments for accurate approximation of a target
region", 2010). A trial at x lowers it by what its own time correlates with; one that will be censored tells less, by
the Fisher information that is left. Straddle (B. Bryan et al., "Active learning for identifying function threshold
boundaries", 2005) looks at the point itself only, where trials are the longest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr, ndtr
from scipy.stats import norm

from study.analysis.boundary.gaussian_process import Floats
from study.analysis.boundary.time_model import TimeModel

OVERHEAD = 3.0
"""What a trial costs beside its updates, in updates."""

BLUR = 0.1
"""Deviation, in the logarithm of steps, by which the contour is widened: closer than that nobody needs to know it."""


@dataclass(frozen=True, kw_only=True)
class Acquisition:
    """How trials are valued.

    Attributes:
        level: The probability whose contour is sought.
        budget: In updates.
        exploration: Exponent of the cost between 0, where the number of trials counts, and 1, where the number of
            updates does.
    """

    level: float
    budget: int
    exploration: float

    def values(self, model: TimeModel, candidates: Floats, *, references: Floats, pending: Floats) -> Floats:
        """What a trial at each candidate is worth, (candidates,); only comparisons mean anything.

        Args:
            model: Of the trials so far.
            candidates: (candidates, columns).
            references: Points all over the space, (references, columns).
            pending: Trials in flight, whose result is not known but will be: (pending, columns).
        """
        count = len(candidates)
        everywhere = np.concatenate([candidates, references, pending])
        covariance = model.later.covariance(everywhere)
        noise = self.noise(model, everywhere)
        for number in range(count + len(references), len(everywhere)):
            column = covariance[:, number]
            covariance = covariance - np.outer(column, column) / (column[number] + noise[number])
        variance = np.maximum(np.diag(covariance), 1e-12)
        margin = model.margin(references, level=self.level, budget=self.budget)
        deviation = np.hypot(np.sqrt(variance[count : count + len(references)]), BLUR)
        weights = norm.pdf(margin.distance / deviation) / deviation
        cross = covariance[:count, count : count + len(references)]
        gain = (cross**2 @ weights) / (variance[:count] + noise[:count])
        gain *= 1 - model.immediate(candidates)
        cost = model.expected_updates(candidates, budget=self.budget) + OVERHEAD
        values: Floats = gain / cost**self.exploration
        return values

    def noise(self, model: TimeModel, points: Floats) -> Floats:
        """Variance of a trial's log time as an observation of f, larger by as much as censoring takes away; (points,).

        Of a normal number that is censored above z deviations, the information on its mean is
        Phi(z) + phi(z) (phi(z) / (1 - Phi(z)) - z) of what it is without.
        """
        mean, deviation = model.later.predict(points)
        scatter = model.later.scatter(points)
        z = np.clip((np.log(self.budget - 1) - mean) / np.hypot(scatter, deviation), -8, 8)
        hazard = np.exp(norm.logpdf(z) - log_ndtr(-z))
        left = np.maximum(ndtr(z) + norm.pdf(z) * (hazard - z), 1e-6)
        variance: Floats = scatter**2 / left
        return variance
