"""Which trial would tell most of a contour for the updates that it takes.

What counts is how unsure the model is of the side of the contour that a point lies on: over the space, the variance of
that, p (1 - p), times the share of what is not known of P there that a trial takes away, of f by its time and of g by
whether it goes to NaN at update 1 (after the targeted integrated mean
square error of V. Picheny, D. Ginsbourger, O. Roustant, R. T. Haftka and N.-H. Kim, "Adaptive designs of experiments
for accurate approximation of a target region", 2010). A trial takes away what its own time correlates with, as far as
it tells that time: at update 2, and where it survives, it tells next to nothing. Straddle (B. Bryan et al., "Active
learning for identifying function threshold boundaries", 2005) looks at the point itself only, where trials are the
longest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from study.analysis.boundary.forecast import Told
from study.analysis.boundary.gaussian_process import CensoredGaussianProcess, Floats
from study.analysis.boundary.time_model import TimeModel

OVERHEAD = 3.0
"""What a trial costs beside its updates, in updates."""

BLUR = 0.1
"""Deviation of f and of g by which the contour is widened: closer than that nobody needs to know it. Of f it is in the
logarithm of steps."""


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
        trials = np.concatenate([candidates, pending])
        latents = {
            part: _Latent(process, candidates=candidates, pending=pending, references=references)
            for part, process in model.processes.items()
        }
        at_trials = model.forecast_from(
            trials, budget=self.budget, known={part: latent.at_trials for part, latent in latents.items()}
        )
        at_references = model.forecast_from(
            references, budget=self.budget, known={part: latent.at_references for part, latent in latents.items()}
        )
        told = at_trials.told()
        for part, latent in latents.items():
            latent.learn_pending(told[part])
        inside = at_references.inside(self.level)
        slopes = at_references.slopes()
        # What can be won at a point is no more than to be sure of its side.
        blurred, values = np.zeros(len(references)), np.zeros(len(candidates))
        for part, latent in latents.items():
            blurred += slopes[part] ** 2 * (latent.variance_at_references + BLUR**2)
        for part, latent in latents.items():
            weights = inside * (1 - inside) * slopes[part] ** 2 / blurred
            values += latent.taken_away(weights, told[part])
        cost = at_trials.expected_updates()[: len(candidates)] + OVERHEAD
        worth: Floats = values / cost**self.exploration
        return worth


class _Latent:
    """What is known of f or of g at candidates, trials in flight and references, in this order.

    Attributes:
        at_trials: Mean and deviation at candidates and trials in flight, before anything is learned from those.
        at_references: The same at references.
    """

    def __init__(
        self, process: CensoredGaussianProcess, *, candidates: Floats, pending: Floats, references: Floats
    ) -> None:
        self._candidates, self._trials = len(candidates), len(candidates) + len(pending)
        places = np.concatenate([candidates, pending, references])
        mean, self._variance, self._covariance = process.posterior(places, after=len(candidates))
        deviation = np.sqrt(self._variance)
        self.at_trials = mean[: self._trials], deviation[: self._trials]
        self.at_references = mean[self._trials :], deviation[self._trials :]

    @property
    def variance_at_references(self) -> Floats:
        """Shape (references,)."""
        return self._variance[self._trials :]

    def learn_pending(self, told: Told) -> None:
        """Take away of the variance what the trials in flight will tell."""
        for place in range(self._candidates, self._trials):
            column = self._covariance[:, place - self._candidates].copy()
            gained = told.gained(self._variance[[place]], slice(place, place + 1))
            self._covariance -= np.outer(column, column[self._candidates :]) * gained
            self._variance = np.maximum(self._variance - column**2 * gained, 1e-12)

    def taken_away(self, weights: Floats, told: Told) -> Floats:
        """What a trial at each candidate takes away of the variance at the references, (candidates,).

        Args:
            weights: Of the references, (references,).
        """
        own = slice(self._candidates)
        covariance = self._covariance[own, self._trials - self._candidates :]
        taken: Floats = covariance**2 @ weights * told.gained(self._variance[own], own)
        return taken
