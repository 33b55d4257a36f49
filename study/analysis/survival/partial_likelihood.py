"""The partial likelihood of Cox's model for whole-numbered times, with ties treated exactly.

A time-to-NaN is a whole number of updates, so many trials share one, although no two of them need have been equally
close to divergence. Cox's partial likelihood (Regression models and life-tables, 1972) is the probability of the order
in which trials diverge. Where d of them tie, the order among them is unknown, and the likelihood is that of any order:

    P(all of D before the rest) = integral of  S exp(-S y)  product over i in D of (1 - exp(-w_i y))  dy,  y > 0

with w_i = exp(x_i . beta) for the trials D that diverge at that update and S the sum of w over those that outlive it
(DeLong, Guirguis and So, Efficient computation of subset selection probabilities with application to Cox regression,
1994; the likelihood is that of Kalbfleisch and Prentice, Marginal likelihoods based on Cox's regression and life model,
1973). Without ties it is Cox's own. It is log-concave in beta, being an integral of a log-concave function.

Efron's formula (The efficiency of Cox's likelihood function for censored data, 1977), which other programs default to,
approximates this. It is good while ties are few or effects small, and biased towards no effect where both are large,
as they are here: see `study.analysis.survival.cox`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array, hstack, vstack

from study.analysis.survival.likelihood import Numbers

_STEP = 0.4
_NODES = np.arange(-32.0, 8.0 + _STEP / 2, _STEP)
"""Nodes of the trapezoidal rule in standard deviations from the mode of the integrand in log y. The integrand is
analytic and falls exponentially to the left and faster to the right, so the rule is right to about 11 digits."""
_FARTHEST_RANGE = 600.0
"""Linear predictors that span more than this are refused, since their exponentials leave the range of a double; at
such a distance a partial likelihood has long reached its limit."""


@dataclass(frozen=True, kw_only=True)
class Contributions:
    """What each update with a divergence adds to the log partial likelihood."""

    time: Numbers
    """The updates, shape (K), ascending; one at which everything at risk diverges adds nothing and is left out."""
    value: Numbers
    """Shape (K)."""
    gradient: Numbers
    """Shape (K, p)."""
    hessian: Numbers
    """Shape (K, p, p)."""


class PartialLikelihood:
    """The log partial likelihood of durations given a design matrix, as a function of the coefficients."""

    def __init__(self, duration: npt.ArrayLike, event: npt.ArrayLike, values: Numbers) -> None:
        """Sort the trials once.

        Args:
            duration: Updates until divergence or censoring, shape (trials).
            event: Whether the trial diverged then, shape (trials).
            values: Design matrix, shape (trials, p); only differences between rows matter.
        """
        time, happened = np.asarray(duration, dtype=np.float64), np.asarray(event, dtype=bool)
        # A trial that is censored at an update outlives those that diverge at it.
        order = np.lexsort((~happened, time))
        time, happened = time[order], happened[order]
        self.values = (values - values.mean(axis=0) if len(values) else values)[order]
        at = np.flatnonzero(happened)
        times, first, tied = np.unique(time[at], return_index=True, return_counts=True)
        outlive = at[first] + tied
        kept = outlive < len(time)
        position = np.searchsorted(times, time[at])
        self.time = times[kept]
        self._outlive = outlive[kept]
        """Index of the first trial that outlives each update."""
        self._events = at[kept[position]]
        self._update = (np.cumsum(kept) - 1)[position[kept[position]]]
        """For each divergence, the index of its update."""
        self._starts = np.searchsorted(self._update, np.arange(len(self.time)))

    def __call__(self, coefficients: Numbers) -> tuple[float, Numbers, Numbers]:
        """The log partial likelihood, its gradient (p) and its Hessian (p, p)."""
        size = len(coefficients)
        parts = self.contributions(coefficients)
        if parts is None:
            return -math.inf, np.zeros(size), np.zeros((size, size))
        return float(parts.value.sum()), parts.gradient.sum(axis=0), parts.hessian.sum(axis=0)

    def contributions(self, coefficients: Numbers) -> Contributions | None:
        """The parts that the updates add; None where the coefficients are too large to compute with."""
        x, starts, update = self.values, self._starts, self._update
        size = x.shape[1]
        if len(self.time) == 0:
            nothing = np.empty(0)
            return Contributions(
                time=nothing, value=nothing, gradient=np.empty((0, size)), hessian=np.empty((0, size, size))
            )
        predictor = x @ coefficients
        if not np.ptp(predictor) < _FARTHEST_RANGE:
            return None
        weight = np.exp(predictor - predictor.max())
        total = self._over_those_that_outlive(weight)
        mean = self._over_those_that_outlive(weight[:, None] * x) / total[:, None]
        square = self._over_those_that_outlive(weight[:, None, None] * x[:, :, None] * x[:, None, :])
        spread = square / total[:, None, None] - mean[:, :, None] * mean[:, None, :]
        # In units of 1/S the integral depends on the ratios w_i / S alone.
        ratio = weight[self._events] / total[update]
        mode, deviation = self._mode(ratio)
        log_y = mode[:, None] + deviation[:, None] * _NODES
        u = ratio[:, None] * np.exp(log_y)[update]
        log_integrand = log_y - np.exp(log_y) + np.add.reduceat(np.log(-np.expm1(-u)), starts, axis=0)
        peak = log_integrand.max(axis=1)
        density = np.exp(log_integrand - peak[:, None])
        integral = density.sum(axis=1)
        value = peak + np.log(integral * deviation * _STEP)
        density /= integral[:, None]
        # Derivatives of the log of an integral are means over its density: of the slope of log(1 - exp(-u)) in log u,
        # of its curvature, and of the slope's square.
        slope = _slope(u)
        difference = x[self._events] - mean[update]
        score = np.add.reduceat(slope[:, :, None] * difference[:, None, :], starts, axis=0)
        gradient = np.einsum("kz,kzp->kp", density, score)
        mean_slope = np.einsum("ez,ez->e", density[update], slope)
        mean_curvature = np.einsum("ez,ez->e", density[update], slope * (1 - u - slope))
        outer = difference[:, :, None] * difference[:, None, :]
        hessian = (
            np.einsum("kzp,kzq->kpq", score * density[:, :, None], score)
            - gradient[:, :, None] * gradient[:, None, :]
            + np.add.reduceat(mean_curvature[:, None, None] * outer, starts, axis=0)
            - np.add.reduceat(mean_slope, starts)[:, None, None] * spread
        )
        return Contributions(time=self.time, value=value, gradient=gradient, hessian=hessian)

    def _over_those_that_outlive(self, numbers: Numbers) -> Numbers:
        sums: Numbers = np.cumsum(numbers[::-1], axis=0)[::-1][self._outlive]
        return sums

    def _mode(self, ratio: Numbers) -> tuple[Numbers, Numbers]:
        """Where each integrand is largest in log y, and its width there."""
        tied = np.add.reduceat(np.ones_like(ratio), self._starts)
        mode = np.log1p(tied)
        for _ in range(20):
            u = ratio * np.exp(mode)[self._update]
            slope = _slope(u)
            rise = 1 + np.add.reduceat(slope, self._starts) - np.exp(mode)
            bend = np.exp(mode) - np.add.reduceat(slope * (1 - u - slope), self._starts)
            step = rise / bend
            # At the mode y is 1 plus a sum of slopes, each between 0 and 1.
            mode = np.clip(mode + step, 0.0, np.log1p(tied))
            if np.abs(step).max() < 1e-6:
                break
        return mode, 1 / np.sqrt(bend)

    def differences(self) -> csr_array:
        """The conditions for `study.analysis.survival.likelihood.recession`.

        The partial likelihood never falls in a direction d exactly if at every update the predictor x . d of each
        trial that diverges is at least that of each one that outlives it (Bryson and Johnson 1981). A helper number
        for each update stands between the two.
        """
        updates = len(self.time)
        trials = np.arange(self._outlive.min(initial=len(self.values)), len(self.values))
        above = hstack([csr_array(self.values[self._events]), -_indicator(self._update, updates)])
        last_outlived = np.searchsorted(self._outlive, trials, side="right") - 1
        below = hstack([csr_array(-self.values[trials]), _indicator(last_outlived, updates)])
        # What outlives an update has outlived those before it.
        later = _indicator(np.arange(updates - 1), updates) - _indicator(np.arange(1, updates), updates)
        nothing = csr_array((later.shape[0], self.values.shape[1]))
        return csr_array(vstack([above, below, hstack([nothing, later])]))


def _slope(u: Numbers) -> Numbers:
    """The derivative of log(1 - exp(-u)) in log u, which is u / (exp(u) - 1): from 1 at 0 down to 0."""
    small = u < 1e-8
    bounded = np.clip(u, 1e-8, 700.0)
    return np.where(small, 1 - u / 2, bounded / np.expm1(bounded))


def _indicator(position: npt.NDArray[np.intp], size: int) -> csr_array:
    """A row for each position, 1 there and 0 elsewhere."""
    rows = np.arange(len(position))
    return csr_array((np.ones(len(position)), (rows, position)), shape=(len(position), size))
