"""A Gaussian process of times that are known to intervals: log time-to-NaN over all axes, right-censoring included.

The latent f(x) is the median of the logarithm of the time at x; a trial's time scatters around it with a normal
deviation, since seeds differ. What is known of a trial is an interval of its time, open upwards where it survived its
budget. So P(NaN within any budget) comes out of one model.

Inference by Laplace's approximation, hyperparameters by the largest approximate evidence: C. E. Rasmussen and
C. K. I. Williams, "Gaussian Processes for Machine Learning", 2006, algorithms 3.1, 3.2 and 5.1. scikit-learn, whose
kernels are used, has the approximation for two classes only and no censoring for regression.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize
from scipy.special import ndtr, ndtri
from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct, Kernel, Matern

from study.analysis.boundary.interval_likelihood import Derivatives, derivatives

Floats = NDArray[np.float64]

STEPS, ENOUGH = 50, 1e-7
"""Newton steps at most for the mode of f, and the gain in the log posterior that ends them."""

LEVEL_DEVIATION = 3.0
"""Prior deviation of the level of log time: e^3 to either side of the middle of the times."""


@dataclass(frozen=True, kw_only=True)
class Hyperparameters:
    """Of the kernel, as logarithms in scikit-learn's order, and of the scatter of a trial's log time around f.

    Attributes:
        kernel: Shape (kernel's,).
        noise: The logarithm of the scatter's deviation is linear in the columns: its level at the middle of every
            column, then its slopes; shape (1 + columns,).
    """

    kernel: Floats
    noise: Floats


def kernel_of(groups: Sequence[int]) -> Kernel:
    """A level, a plane, and what deviates from it: a Matern kernel (nu 5/2) with a length for each group of columns.

    Args:
        groups: Number of columns of each axis; the columns of a category share a length.
    """
    lengths = np.ones(sum(groups))
    level = ConstantKernel(LEVEL_DEVIATION**2, "fixed")
    plane = ConstantKernel(1.0, (1e-3, 1e3)) * DotProduct(sigma_0=0.0, sigma_0_bounds="fixed")
    rest = ConstantKernel(1.0, (1e-3, 1e2)) * Matern(length_scale=lengths, length_scale_bounds=(0.1, 30.0), nu=2.5)
    return level + plane + rest


@dataclass(frozen=True, kw_only=True)
class _Mode:
    """The most probable f of the trials and what predictions need of it."""

    f: Floats
    weights: Floats
    """K^-1 (f - middle)."""
    likelihood: Derivatives
    root: Floats
    """Square root of the likelihood's curvature, (trials,)."""
    factor: Floats
    """Cholesky factor of I + root K root, lower."""
    evidence: float


class CensoredGaussianProcess:
    """Fitted to trials; predicts the distribution of f elsewhere.

    Args:
        points: The trials' axes as columns, each about as wide as 1; shape (trials, columns).
        low: Logarithm of the time that a trial's time is known to be above; -inf where nothing is known.
        high: Logarithm of the time that it is known not to be above; inf where it is right-censored.
        groups: See `kernel_of`.
        start: Where to look for hyperparameters first; those of a fit to fewer trials are a good place.
        iterations: Of that search; 0 takes `start` as it is.

    Attributes:
        hyperparameters: Those found.
    """

    def __init__(
        self,
        points: Floats,
        *,
        low: Floats,
        high: Floats,
        groups: Sequence[int],
        start: Hyperparameters | None = None,
        iterations: int = 30,
    ) -> None:
        assert len(points) == len(low) == len(high)
        assert (low < high).all()
        self.points, self._low, self._high = points, low, high
        self._middle = _middle(low, high)
        self._kernel = kernel_of(groups)
        columns = points.shape[1]
        first = start or Hyperparameters(kernel=self._kernel.theta, noise=np.append(np.log(0.4), np.zeros(columns)))
        self._guess: Floats | None = None
        self.hyperparameters = self._search(first, iterations) if iterations else first
        self._kernel = self._kernel.clone_with_theta(self.hyperparameters.kernel)
        self._mode = self._mode_at(self._kernel(self.points), self.scatter(self.points))

    def scatter(self, points: Floats) -> Floats:
        """The deviation of log time around f, between seeds of one configuration; (points,)."""
        return _scatter(points, self.hyperparameters.noise)

    @property
    def evidence(self) -> float:
        """Laplace's approximation of the log marginal likelihood."""
        return self._mode.evidence

    def predict(self, points: Floats) -> tuple[Floats, Floats]:
        """Mean and deviation of f; both (points,)."""
        cross = self._kernel(self.points, points)
        mean = self._middle + cross.T @ self._mode.weights
        part = solve_triangular(self._mode.factor, self._mode.root[:, np.newaxis] * cross, lower=True)
        variance = self._kernel.diag(points) - np.einsum("ij,ij->j", part, part)
        return mean, np.sqrt(np.maximum(variance, 1e-12))

    def covariance(self, points: Floats) -> Floats:
        """Posterior covariance of f between points, (points, points)."""
        cross = self._kernel(self.points, points)
        part = solve_triangular(self._mode.factor, self._mode.root[:, np.newaxis] * cross, lower=True)
        covariance: Floats = self._kernel(points) - part.T @ part
        return covariance

    def correlation(self, points: Floats, others: Floats) -> Floats:
        """How alike f is between points before anything is observed, by distance alone; (points, others)."""
        correlation: Floats = self._kernel.k2.k2(points, others)
        return correlation

    def probability(self, points: Floats, *, log_budget: float) -> Floats:
        """P(time <= budget) of a trial, what is not known of f averaged over; (points,)."""
        mean, deviation = self.predict(points)
        probability: Floats = ndtr((log_budget - mean) / np.hypot(deviation, self.scatter(points)))
        return probability

    def contour_level(self, points: Floats, probability: float, *, log_budget: float) -> Floats:
        """The f at which so large a part of a point's trials has a time within the budget; (points,)."""
        level: Floats = log_budget - self.scatter(points) * ndtri(probability)
        return level

    # --- inference ----------------------------------------------------------------------------------------------

    def _mode_at(self, covariance: Floats, noise: Floats) -> _Mode:
        """Newton's iteration for the mode, halving a step that does not rise: algorithm 3.1."""
        count = len(self.points)
        weights = np.zeros(count)
        if self._guess is not None:
            nearly = cholesky(covariance + 1e-6 * np.eye(count), lower=True)
            weights = cho_solve((nearly, True), self._guess - self._middle)
        f = self._middle + covariance @ weights
        likelihood = derivatives(f, low=self._low, high=self._high, noise=noise)
        best = float(likelihood.value.sum() - 0.5 * weights @ (f - self._middle))
        for _ in range(STEPS):
            root = np.sqrt(likelihood.curvature)
            factor = cholesky(np.eye(count) + root[:, np.newaxis] * covariance * root, lower=True)
            b = likelihood.curvature * (f - self._middle) + likelihood.first
            wanted = b - root * cho_solve((factor, True), root * (covariance @ b))
            step, gain = 1.0, -np.inf
            while step > 1e-6 and gain < 0:
                tried = weights + step * (wanted - weights)
                there = self._middle + covariance @ tried
                found = derivatives(there, low=self._low, high=self._high, noise=noise)
                value = float(found.value.sum() - 0.5 * tried @ (there - self._middle))
                gain = value - best if np.isfinite(value) else -np.inf
                step /= 2
            if gain > 0:
                f, weights, likelihood, best = there, tried, found, value
            if gain < ENOUGH:
                break
        root = np.sqrt(likelihood.curvature)
        factor = cholesky(np.eye(count) + root[:, np.newaxis] * covariance * root, lower=True)
        return _Mode(
            f=f,
            weights=weights,
            likelihood=likelihood,
            root=root,
            factor=factor,
            evidence=best - float(np.log(np.diag(factor)).sum()),
        )

    def _search(self, first: Hyperparameters, iterations: int) -> Hyperparameters:
        columns = self.points.shape[1]
        bounds = [*self._kernel.bounds, (np.log(0.02), np.log(3.0)), *[(-3.0, 3.0)] * columns]
        start = np.clip([*first.kernel, *first.noise], *np.transpose(bounds))
        count = len(first.kernel)

        def objective(values: Floats) -> tuple[float, Floats]:
            try:
                evidence, slope = self._evidence(values)
            except np.linalg.LinAlgError:
                return 1e10, np.zeros_like(values)
            # A weak pull of the lengths towards 1 and of the noise towards 0.4, so that few trials give no extremes.
            pull = (values - self._pull) / 1.5
            return -evidence + 0.5 * float(pull @ pull), -slope + pull / 1.5

        self._pull = np.zeros(len(start))
        self._pull[count] = np.log(0.4)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            found = minimize(
                objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": iterations}
            )
        return Hyperparameters(kernel=found.x[:count], noise=found.x[count:])

    def _evidence(self, values: Floats) -> tuple[float, Floats]:
        """Log evidence and its slope in the logarithms of the hyperparameters: algorithm 5.1."""
        count = len(self._kernel.theta)
        kernel = self._kernel.clone_with_theta(values[:count])
        covariance, slopes = kernel(self.points, eval_gradient=True)
        mode = self._mode_at(covariance, _scatter(self.points, values[count:]))
        self._guess = mode.f
        likelihood, root, factor = mode.likelihood, mode.root, mode.factor
        inverse = root[:, np.newaxis] * cho_solve((factor, True), np.diag(root))
        part = solve_triangular(factor, root[:, np.newaxis] * covariance, lower=True)
        variances = np.diag(covariance) - np.einsum("ij,ij->j", part, part)
        by_mode = 0.5 * variances * likelihood.third
        explicit = 0.5 * np.einsum("i,ijk,j->k", mode.weights, slopes, mode.weights) - 0.5 * np.einsum(
            "ij,jik->k", inverse, slopes
        )
        b = np.einsum("ijk,j->ik", slopes, likelihood.first)
        implicit = by_mode @ (b - covariance @ (inverse @ b))
        # The noise of each trial for itself, then of what they share.
        d = by_mode - inverse @ (covariance @ by_mode)
        each = likelihood.by_noise - 0.5 * variances * likelihood.curvature_by_noise
        each = each + (covariance @ d) * likelihood.first_by_noise
        noise = _noise_columns(self.points).T @ each
        return mode.evidence, np.append(explicit + implicit, noise)


def _noise_columns(points: Floats) -> Floats:
    return np.column_stack([np.ones(len(points)), points - 0.5])


def _scatter(points: Floats, noise: Floats) -> Floats:
    scatter: Floats = np.exp(np.clip(_noise_columns(points) @ noise, np.log(0.01), np.log(10.0)))
    return scatter


def _middle(low: Floats, high: Floats) -> float:
    """A level to start from: the median of what is known of the times."""
    known = np.where(np.isfinite(low), low, high)
    return float(np.median(known[np.isfinite(known)])) if np.isfinite(known).any() else 0.0
