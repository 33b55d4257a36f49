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
        count = len(candidates)
        everywhere = np.concatenate([candidates, references, pending])
        mean, covariance = model.later.posterior(everywhere)
        deviation = np.sqrt(np.maximum(np.diag(covariance), 1e-12))
        forecast = model.forecast(everywhere, budget=self.budget, known=(mean, deviation))
        for number in range(count + len(references), len(everywhere)):
            column = covariance[:, number]
            gained = forecast.take(slice(number, number + 1)).gained(column[number : number + 1])
            covariance = covariance - np.outer(column, column) * gained
        variance = np.maximum(np.diag(covariance), 1e-12)
        others = slice(count, count + len(references))
        # What can be won at a point is no more than to be sure of its side.
        inside = forecast.take(others).margin(self.level).inside()
        weights = inside * (1 - inside) / (variance[others] + BLUR**2)
        tried = forecast.take(slice(count))
        gain = (covariance[:count, others] ** 2 @ weights) * tried.gained(variance[:count])
        cost = tried.expected_updates() + OVERHEAD
        values: Floats = gain / cost**self.exploration
        return values
