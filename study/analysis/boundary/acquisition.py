"""Which trial would tell most of a contour for the updates that it takes.

What counts is how unsure the model is of the side of the contour that a point lies on: over the space, the variance of
that, p (1 - p), times the share of the variance of f that a trial takes away (after the targeted integrated mean
square error of V. Picheny, D. Ginsbourger, O. Roustant, R. T. Haftka and N.-H. Kim, "Adaptive designs of experiments
for accurate approximation of a target region", 2010). A trial takes away what its own time correlates with, as far as
it tells that time: at update 2, and where it survives, it tells next to nothing. Straddle (B. Bryan et al., "Active
learning for identifying function threshold boundaries", 2005) looks at the point itself only, where trials are the
longest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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
        places = np.concatenate([candidates, references, pending])
        targets = np.concatenate([references, pending])
        mean, variance, covariance = model.later.posterior(places, targets)
        forecast = model.forecast(places, budget=self.budget, known=(mean, np.sqrt(variance)))
        tried, others = slice(len(candidates)), slice(len(candidates), len(candidates) + len(references))
        for number in range(len(pending)):
            column = covariance[:, len(references) + number].copy()
            place = slice(others.stop + number, others.stop + number + 1)
            gained = forecast.take(place).gained(variance[place])
            covariance -= np.outer(column, column[len(candidates) :]) * gained
            variance = np.maximum(variance - column**2 * gained, 1e-12)
        # What can be won at a point is no more than to be sure of its side.
        inside = forecast.take(others).margin(self.level).inside()
        weights = inside * (1 - inside) / (variance[others] + BLUR**2)
        told = covariance[tried, : len(references)] ** 2 @ weights
        cost = forecast.take(tried).expected_updates() + OVERHEAD
        values: Floats = told * forecast.take(tried).gained(variance[tried]) / cost**self.exploration
        return values
