"""`OutcomeModel`: the probability of what a trial does or does not, anywhere in a space; for where no time is known.

A latent number g is a Gaussian process over the space, and the probability is Phi(g), with the normal distribution Phi:
probit regression (C. E. Rasmussen and C. K. I. Williams, "Gaussian Processes for Machine Learning", 2006, sections 3.3
and 3.6). It is the censored process of `study.analysis.boundary.gaussian_process` of a number that scatters around g
with deviation 1, of which only the sign is seen.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from study.analysis.boundary.gaussian_process import CensoredGaussianProcess, Floats, Hyperparameters
from study.analysis.predictors import Booleans


class OutcomeModel:
    """Fitted to trials.

    Args:
        points: Their axes as columns, as `CensoredGaussianProcess` takes them; (trials, columns).
        happened: Whether it did, (trials,).
        start: Hyperparameters of a fit to fewer trials.
        iterations: Of the search for hyperparameters; 0 keeps `start`.
        before: A model of some of these trials, to begin from.

    Attributes:
        latent: The process of g.
    """

    def __init__(
        self,
        points: Floats,
        *,
        happened: Booleans,
        start: Hyperparameters | None = None,
        iterations: int = 30,
        before: OutcomeModel | None = None,
    ) -> None:
        self.latent: CensoredGaussianProcess = CensoredGaussianProcess(
            points,
            low=np.where(happened, 0.0, -np.inf),
            high=np.where(happened, np.inf, 0.0),
            scatter=1.0,
            start=start,
            iterations=iterations,
            before=None if before is None else before.latent,
        )

    def probability(self, points: Floats) -> Floats:
        """That it happens in a trial, what is not known of g averaged over; (points,)."""
        return chance_of(*self.latent.predict(points))

    def left_out(self) -> Floats:
        """The same at each of the trials, as all others tell it; (trials,)."""
        return chance_of(*self.latent.left_out())


def chance_of(mean: Floats, deviation: Floats) -> Floats:
    """Phi(g), averaged over a normal g; the shape of both."""
    chance: Floats = ndtr(mean / np.hypot(deviation, 1.0))
    return chance
