"""The likelihood of times that follow a law with scatter, and are known exactly, to an interval, or from below.

The logarithm of a time T is a linear function of the trial's axes plus scatter of a known shape:

    log T = x . b + sigma e        e: smallest extreme value (T is Weibull), normal or logistic

(Kalbfleisch and Prentice, The statistical analysis of failure time data, 1980; Lawless, Statistical models and methods
for lifetime data, 1982). With the parameters b / sigma and 1 / sigma instead of b and sigma, the log-likelihood is
concave (Burridge, A note on maximum likelihood estimation for regression models using grouped data, 1981; Olsen, Note
on the uniqueness of the maximum likelihood estimator for the Tobit model, 1978), so that a maximum is the only one, and
whether there is one can be asked of the data beforehand.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.special import expit, log_expit, log_ndtr

from study.analysis.survival.likelihood import Numbers

Distribution = Literal["weibull", "log-normal", "log-logistic"]
DISTRIBUTIONS: tuple[Distribution, ...] = ("weibull", "log-normal", "log-logistic")


def _log_density(z: Numbers, distribution: Distribution) -> tuple[Numbers, Numbers, Numbers]:
    """The log density of the scatter, and its first two derivatives."""
    if distribution == "weibull":
        return z - np.exp(z), 1 - np.exp(z), -np.exp(z)
    if distribution == "log-normal":
        return -(z**2) / 2 - math.log(2 * math.pi) / 2, -z, -np.ones_like(z)
    upper = expit(z)
    return log_expit(z) + log_expit(-z), 1 - 2 * upper, -2 * upper * (1 - upper)


def _log_probability(low: Numbers, high: Numbers, distribution: Distribution) -> Numbers:
    """The log probability that the scatter is between two numbers, of which one can be infinite."""
    if distribution == "weibull":
        start = np.exp(low)
        with np.errstate(over="ignore", invalid="ignore"):
            span = np.where(np.isneginf(low), np.exp(high), start * np.expm1(high - low))
        return -start + np.log(-np.expm1(-span))
    if distribution == "log-normal":
        # In the lower tail, where the distribution function keeps its digits.
        flipped = low > 0
        first, second = np.where(flipped, -high, low), np.where(flipped, -low, high)
        top = log_ndtr(second)
        normal: Numbers = top + np.log(-np.expm1(log_ndtr(first) - top))
        return normal
    logistic: Numbers = log_expit(high) + log_expit(-low) + np.log(-np.expm1(low - high))
    return logistic


class CensoredTimes:
    """The log-likelihood of times given a design matrix, as a function of b / sigma (p) and 1 / sigma (last)."""

    def __init__(self, low: Numbers, high: Numbers, values: Numbers, *, distribution: Distribution) -> None:
        """Take the times apart by what is known of them.

        Args:
            low: The time is above this, shape (trials); 0 where nothing is known from below.
            high: The time is at most this, shape (trials); infinite where it is right-censored, and the same as `low`
                where the time is known exactly.
            values: Design matrix with a column of ones, shape (trials, p).
            distribution: Of the times.
        """
        assert np.all((low >= 0) & (high >= low) & (high > 0) & (low < math.inf))
        self.distribution = distribution
        self.exact = low == high
        self.values = values
        with np.errstate(divide="ignore"):
            self.low, self.high = np.log(low), np.log(high)

    def __call__(self, parameters: Numbers) -> tuple[float, Numbers, Numbers]:
        """The log-likelihood of the times (densities per unit of time), its gradient and its Hessian."""
        size, inverse = len(parameters), float(parameters[-1])
        if inverse <= 0:
            return -math.inf, np.zeros(size), np.zeros((size, size))
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            exact = self._exact(parameters[:-1], inverse)
            between = self._between(parameters[:-1], inverse)
        return exact[0] + between[0], exact[1] + between[1], exact[2] + between[2]

    def _exact(self, slopes: Numbers, inverse: float) -> tuple[float, Numbers, Numbers]:
        time = self.high[self.exact]
        direction = np.column_stack([-self.values[self.exact], time])
        z = inverse * time - self.values[self.exact] @ slopes
        log_density, first, second = _log_density(z, self.distribution)
        gradient, hessian = direction.T @ first, (direction * second[:, None]).T @ direction
        gradient[-1] += len(time) / inverse
        hessian[-1, -1] -= len(time) / inverse**2
        return float(log_density.sum() - time.sum() + len(time) * math.log(inverse)), gradient, hessian

    def _between(self, slopes: Numbers, inverse: float) -> tuple[float, Numbers, Numbers]:
        low, high, x = self.low[~self.exact], self.high[~self.exact], self.values[~self.exact]
        predictor = x @ slopes
        z_low, z_high = inverse * low - predictor, inverse * high - predictor
        log_probability = _log_probability(z_low, z_high, self.distribution)
        size = len(slopes) + 1
        if not np.isfinite(log_probability).all():
            return -math.inf, np.zeros(size), np.zeros((size, size))
        bound_low, slope_low, bend_low = self._end(z_low, log_probability)
        bound_high, slope_high, bend_high = self._end(z_high, log_probability)
        first_low, first_high = -slope_low, slope_high
        down = np.column_stack([-x, np.where(bound_low, low, 0.0)])
        up = np.column_stack([-x, np.where(bound_high, high, 0.0)])
        gradient = down.T @ first_low + up.T @ first_high
        cross = (down * (slope_low * slope_high)[:, None]).T @ up
        hessian = (
            (down * (-bend_low - slope_low**2)[:, None]).T @ down
            + (up * (bend_high - slope_high**2)[:, None]).T @ up
            + cross
            + cross.T
        )
        return float(log_probability.sum()), gradient, hessian

    def _end(self, z: Numbers, log_probability: Numbers) -> tuple[npt.NDArray[np.bool_], Numbers, Numbers]:
        """Whether an interval has this end, and the density there and its slope, over the interval's probability."""
        there = np.isfinite(z)
        log_density, first, _ = _log_density(np.where(there, z, 0.0), self.distribution)
        relative = np.where(there, np.exp(log_density - log_probability), 0.0)
        return there, relative, relative * first

    def differences(self) -> csr_array:
        """The conditions for `study.analysis.survival.likelihood.recession`.

        The log-likelihood never falls in a direction exactly if no upper end of a time, seen from the law, falls and
        no lower end rises (both stay where the time is exact), and 1 / sigma does not fall.
        """
        size = self.values.shape[1] + 1
        bounded_low, bounded_high = np.isfinite(self.low), np.isfinite(self.high)
        up = np.column_stack([-self.values, self.high])[bounded_high]
        down = np.column_stack([self.values, -self.low])[bounded_low]
        return csr_array(np.vstack([up, down, np.eye(size)[-1:]]))
