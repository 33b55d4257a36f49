"""Which trial would tell most of a contour for the updates that it takes.

What counts is how unsure the model is of the side of the contour that a point lies on: over the space, the variance of
that, p (1 - p), times the share of the variance of f that a trial takes away (after the targeted integrated mean
square error of V. Picheny, D. Ginsbourger, O. Roustant, R. T. Haftka and N.-H. Kim, "Adaptive designs of experiments
for accurate approximation of a target region", 2010). A trial takes away what its own time correlates with, if it is
seen: a censored one tells next to nothing. Straddle (B. Bryan et al., "Active learning for identifying function
threshold boundaries", 2005) looks at the point itself only, where trials are the longest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from study.analysis.boundary.gaussian_process import Floats
from study.analysis.boundary.time_model import QUIET, TimeModel

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
        seen = self.seen(model, everywhere)
        # One that is seen with a chance of a half tells half as much: as if its scatter were larger.
        noise = model.later.scatter(everywhere) ** 2
        for number in range(count + len(references), len(everywhere)):
            column = covariance[:, number]
            covariance = covariance - np.outer(column, column) / (column[number] + noise[number] / seen[number])
        variance = np.maximum(np.diag(covariance), 1e-12)
        margin = model.margin(references, level=self.level, budget=self.budget)
        deviation = np.hypot(np.sqrt(variance[count : count + len(references)]), BLUR)
        # What can be won at a point is no more than to be sure of its side.
        inside = margin.inside()
        weights = inside * (1 - inside) / deviation**2
        cross = covariance[:count, count : count + len(references)]
        gain = seen[:count] * (cross**2 @ weights) / (variance[:count] + noise[:count])
        cost = model.expected_updates(candidates, budget=self.budget) + OVERHEAD
        values: Floats = gain / cost**self.exploration
        return values

    def seen(self, model: TimeModel, points: Floats) -> Floats:
        """Probability that a trial's time is seen: it took a step and went to NaN within the budget; (points,)."""
        within = model.later.probability(points, log_budget=np.log(self.budget - 1))
        quiet = model.quiet(points, budget=self.budget)
        seen: Floats = np.maximum((1 - model.immediate(points)) * within * np.where(quiet, QUIET, 1.0), 1e-3)
        return seen
