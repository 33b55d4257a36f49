"""A Gaussian process of times that are known to intervals: log time-to-NaN over all axes, right-censoring included.

The latent f(x) is the median of the logarithm of the time at x; a trial's time scatters around it with a normal
deviation, since seeds differ. What is known of a trial is an interval of its time, open upwards where it survived its
budget. So P(NaN within any budget) comes out of one model.

Inference by expectation propagation, which sees that a survivor takes away the lower tail of f where Laplace's
approximation, which looks at the mode alone, sees next to nothing. Hyperparameters by the largest evidence in Laplace's
approximation, which has a slope: C. E. Rasmussen and C. K. I. Williams, "Gaussian Processes for Machine Learning",
2006, algorithms 3.1, 3.5 (all trials at once, damped) and 5.1. scikit-learn, whose kernels are used, has Laplace's
approximation for two classes only and no censoring for regression.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize
from scipy.special import ndtr
from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct, Kernel, Matern

from study.analysis.boundary.interval_likelihood import Derivatives, derivatives

Floats = NDArray[np.float64]

STEPS, ENOUGH = 50, 1e-7
"""Newton steps at most for the mode of f, and the gain in the log posterior that ends them."""

SWEEPS, DAMPING, SETTLED = 30, 0.8, 1e-2
"""Rounds of expectation propagation at most, the part of each that is taken, and the change of the means of f, in their
deviations, that ends them."""

MOST_CURVED, NUDGE = 200, 0.1
"""Trials up to which the curvature of the evidence is looked at, for it takes long and of more it is as with times that
are seen; and the step, in the logarithm of the scatter, by which it is."""

LEVEL_DEVIATION = 3.0
"""Prior deviation of the level of log time: e^3 to either side of the middle of the times."""

SCATTER, SCATTER_DEVIATION, SLOPE_DEVIATION, KERNEL_DEVIATION = 0.4, 0.5, 0.7, 1.5
"""Prior of the hyperparameters, normal in their logarithms: median of the scatter, its deviation, that of the scatter's
slopes, and that of the kernel's around 1. Recorded grids with five seeds a point have a scatter of 0.24 and 0.31, the
median over their points, and of 0.1 to 0.6 at nine tenths of them (benchmarks/truth). Without it a single seen time
among survivors can be explained by scatter alone, and then there is no boundary to be found."""


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


def kernel_of(columns: int) -> Kernel:
    """A level, a plane, and what deviates from it: a Matern kernel (nu 5/2) with a length for each column."""
    lengths = np.ones(columns)
    level = ConstantKernel(LEVEL_DEVIATION**2, "fixed")
    plane = ConstantKernel(1.0, (1e-3, 1e3)) * DotProduct(sigma_0=0.0, sigma_0_bounds="fixed")
    rest = ConstantKernel(1.0, (1e-3, 1e2)) * Matern(length_scale=lengths, length_scale_bounds=(0.1, 30.0), nu=2.5)
    return level + plane + rest


@dataclass(frozen=True, kw_only=True)
class Sites:
    """The normal density of f by which each trial's likelihood is approximated.

    Attributes:
        precision: 1 / variance, (trials,).
        pull: Precision times mean, (trials,).
    """

    precision: Floats
    pull: Floats


@dataclass(frozen=True, kw_only=True)
class _Posterior:
    """What predictions need."""

    sites: Sites
    weights: Floats
    """K^-1 (mean of f - middle)."""
    mean: Floats
    """Of f at the trials."""
    variance: Floats
    root: Floats
    """Of the sites' precision, (trials,)."""
    factor: Floats
    """Cholesky factor of I + root K root, lower."""


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
        start: Where to look for hyperparameters first; those of a fit to fewer trials are a good place.
        iterations: Of that search; 0 takes `start` as it is.
        before: A fit to some of these trials, to begin from: its sites and covariances of the trials that come first in
            both are taken over.
        scatter: Where it is no unknown: the same deviation everywhere.

    Attributes:
        hyperparameters: Those found.
    """

    def __init__(
        self,
        points: Floats,
        *,
        low: Floats,
        high: Floats,
        start: Hyperparameters | None = None,
        iterations: int = 30,
        before: CensoredGaussianProcess | None = None,
        scatter: float | None = None,
    ) -> None:
        assert len(points) == len(low) == len(high)
        assert (low < high).all()
        self.points, self._low, self._high = points, low, high
        self._middle = _middle(low, high)
        self._given = scatter
        columns = points.shape[1]
        self._kernel = kernel_of(columns)
        first = start or Hyperparameters(
            kernel=self._kernel.theta, noise=np.append(np.log(scatter or SCATTER), np.zeros(columns))
        )
        self._guess: Floats | None = None
        self.hyperparameters = self._search(first, iterations) if iterations else first
        self._kernel = self._kernel.clone_with_theta(self.hyperparameters.kernel)
        shared = 0 if before is None else _first_alike(before, self)
        self._covariance = self._kernel_of_trials(before, shared)
        self._posterior = self._propagated(before, shared)

    def scatter(self, points: Floats) -> Floats:
        """The deviation of log time around f, between seeds of one configuration; (points,)."""
        return _scatter(points, self.hyperparameters.noise)

    def scatter_deviation(self, points: Floats) -> Floats:
        """Of what is known of the logarithm of the scatter, (points,); 0 where the scatter is given.

        A number that is seen tells 2 of the logarithm of its normal deviation (its Fisher information), one that is
        censored is taken to tell nothing.
        """
        if self._given is not None:
            return np.zeros(len(points))
        columns = points.shape[1]
        seen = _noise_columns(self.points[np.isfinite(self._high)])
        prior = np.diag(np.repeat([SCATTER_DEVIATION, SLOPE_DEVIATION], [1, columns]) ** -2.0)
        asked = _noise_columns(points)
        variance = np.einsum("ij,ij->i", asked, np.linalg.solve(prior + 2 * seen.T @ seen, asked.T).T)
        deviation: Floats = np.sqrt(variance)
        return deviation

    def scattered(self) -> tuple[tuple[float, CensoredGaussianProcess], ...]:
        """Fits with a smaller scatter, with this and with a larger one, and their weights.

        They stand for all scatters that the trials allow, at the nodes of the Gauss-Hermite rule of three points for a
        normal logarithm of the scatter (M. Abramowitz and I. Stegun, "Handbook of mathematical functions", 1964,
        25.4.46). With one scatter alone an interval of f is as narrow as if it were known.
        """
        found: list[tuple[float, CensoredGaussianProcess]] = [(2 / 3, self)]
        for sign in (-1, 1):
            noise = self.hyperparameters.noise.copy()
            noise[0] += sign * np.sqrt(3) * self._level_deviation()
            start = Hyperparameters(kernel=self.hyperparameters.kernel, noise=noise)
            process = CensoredGaussianProcess(
                self.points, low=self._low, high=self._high, start=start, iterations=0, before=self
            )
            found.append((1 / 6, process))
        return tuple(found)

    def _level_deviation(self) -> float:
        """Of what is known of the level of the logarithm of the scatter, by the curvature of the evidence."""
        prior = SCATTER_DEVIATION**-2
        if len(self.points) > MOST_CURVED:
            return float((2 * np.isfinite(self._high).sum() + prior) ** -0.5)
        values = np.concatenate([self.hyperparameters.kernel, self.hyperparameters.noise])
        level = len(self.hyperparameters.kernel)
        nudge = np.where(np.arange(len(values)) == level, NUDGE, 0.0)
        above, below = (self._evidence(values + sign * nudge)[1][level] for sign in (1, -1))
        return float(max(prior - (above - below) / (2 * NUDGE), prior) ** -0.5)

    def left_out(self) -> tuple[Floats, Floats]:
        """Mean and deviation of f at each trial, as all others tell it; both (trials,)."""
        mean, variance = _without_own(self._posterior)
        return mean, np.sqrt(variance)

    @property
    def mean_of_trials(self) -> Floats:
        """Of f at the trials, (trials,)."""
        return self._posterior.mean

    def mean(self, points: Floats) -> Floats:
        """Of f, (points,)."""
        mean: Floats = self._middle + self._kernel(points, self.points) @ self._posterior.weights
        return mean

    def predict(self, points: Floats) -> tuple[Floats, Floats]:
        """Mean and deviation of f; both (points,)."""
        cross = self._kernel(self.points, points)
        mean = self._middle + cross.T @ self._posterior.weights
        part = solve_triangular(self._posterior.factor, self._posterior.root[:, np.newaxis] * cross, lower=True)
        variance = self._kernel.diag(points) - np.einsum("ij,ij->j", part, part)
        return mean, np.sqrt(np.maximum(variance, 1e-12))

    def posterior(self, points: Floats, *, after: int = 0) -> tuple[Floats, Floats, Floats]:
        """Mean and variance of f, both (points,), and its covariance with those from `after` on, (points, those)."""
        cross = self._kernel(self.points, points)
        part = solve_triangular(self._posterior.factor, self._posterior.root[:, np.newaxis] * cross, lower=True)
        mean: Floats = self._middle + cross.T @ self._posterior.weights
        variance = self._kernel.diag(points) - np.einsum("ij,ij->j", part, part)
        covariance = self._kernel(points, points[after:]) - part.T @ part[:, after:]
        return mean, np.maximum(variance, 1e-12), covariance

    def probability(self, points: Floats, *, log_budget: float) -> Floats:
        """P(time <= budget) of a trial, what is not known of f averaged over; (points,)."""
        mean, deviation = self.predict(points)
        probability: Floats = ndtr((log_budget - mean) / np.hypot(deviation, self.scatter(points)))
        return probability

    # --- inference ----------------------------------------------------------------------------------------------

    def _kernel_of_trials(self, before: CensoredGaussianProcess | None, shared: int) -> Floats:
        """The covariance of f between the trials, (trials, trials)."""
        if before is None or not np.array_equal(before.hyperparameters.kernel, self.hyperparameters.kernel):
            covariance: Floats = self._kernel(self.points)
            return covariance
        rest = self._kernel(self.points[shared:], self.points)
        covariance = np.empty((len(self.points), len(self.points)))
        covariance[:shared, :shared] = before._covariance[:shared, :shared]
        covariance[shared:], covariance[:, shared:] = rest, rest.T
        return covariance

    def _propagated(self, before: CensoredGaussianProcess | None, shared: int) -> _Posterior:
        """Expectation propagation over all trials at once."""
        covariance, noise = self._covariance, self.scatter(self.points)
        begun = Sites(precision=np.zeros(len(self.points)), pull=np.zeros(len(self.points)))
        if before is not None:
            begun.precision[:shared] = before._posterior.sites.precision[:shared]
            begun.pull[:shared] = before._posterior.sites.pull[:shared]
        posterior = self._moments(begun, covariance)
        for _ in range(SWEEPS):
            sites, mean = posterior.sites, posterior.mean
            centre, without = _without_own(posterior)
            found = derivatives(centre, low=self._low, high=self._high, noise=np.hypot(noise, np.sqrt(without)))
            share = np.maximum(1 - without * found.curvature, 1e-6)
            precision = sites.precision + DAMPING * (found.curvature / share - sites.precision)
            pull = sites.pull + DAMPING * ((found.first + found.curvature * centre) / share - sites.pull)
            posterior = self._moments(Sites(precision=precision, pull=pull), covariance)
            if np.abs((posterior.mean - mean) / np.sqrt(posterior.variance)).max() < SETTLED:
                break
        return posterior

    def _moments(self, sites: Sites, covariance: Floats) -> _Posterior:
        root = np.sqrt(sites.precision)
        factor = cholesky(np.eye(len(root)) + root[:, np.newaxis] * covariance * root, lower=True)
        part = solve_triangular(factor, root[:, np.newaxis] * covariance, lower=True)
        pull = sites.pull - sites.precision * self._middle
        weights = pull - root * cho_solve((factor, True), root * (covariance @ pull))
        return _Posterior(
            sites=sites,
            weights=weights,
            mean=self._middle + covariance @ weights,
            variance=np.maximum(np.diag(covariance) - np.einsum("ij,ij->j", part, part), 1e-12),
            root=root,
            factor=factor,
        )

    def _mode_at(self, covariance: Floats, noise: Floats) -> _Mode:
        """Newton's iteration for the mode, halving a step that does not rise: algorithm 3.1."""
        count = len(self.points)
        weights, f, likelihood, best = self._at(np.zeros(count), covariance, noise)
        if self._guess is not None:
            guessed = self._at(self._guess, covariance, noise)
            if guessed[-1] > best:
                weights, f, likelihood, best = guessed
        for _ in range(STEPS):
            root = np.sqrt(likelihood.curvature)
            factor = cholesky(np.eye(count) + root[:, np.newaxis] * covariance * root, lower=True)
            b = likelihood.curvature * (f - self._middle) + likelihood.first
            wanted = b - root * cho_solve((factor, True), root * (covariance @ b))
            step, gain = 1.0, -np.inf
            while step > 1e-6 and gain < 0:
                tried, there, found, value = self._at(weights + step * (wanted - weights), covariance, noise)
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

    def _at(self, weights: Floats, covariance: Floats, noise: Floats) -> tuple[Floats, Floats, Derivatives, float]:
        """Weights, f, the likelihood there, and the logarithm of the posterior."""
        f = self._middle + covariance @ weights
        likelihood = derivatives(f, low=self._low, high=self._high, noise=noise)
        return weights, f, likelihood, float(likelihood.value.sum() - 0.5 * weights @ (f - self._middle))

    def _search(self, first: Hyperparameters, iterations: int) -> Hyperparameters:
        columns, count = self.points.shape[1], len(first.kernel)
        usual = np.concatenate([np.zeros(count), [np.log(SCATTER)], np.zeros(columns)])
        deviations = np.repeat([KERNEL_DEVIATION, SCATTER_DEVIATION, SLOPE_DEVIATION], [count, 1, columns])
        bounds = np.array([*self._kernel.bounds, (np.log(0.02), np.log(3.0)), *[(-3.0, 3.0)] * columns])
        # Of a given scatter there is nothing to look for.
        free = slice(count if self._given is not None else None)
        start = np.concatenate([first.kernel, first.noise])
        start[free] = np.clip(start[free], *bounds[free].T)

        def objective(values: Floats) -> tuple[float, Floats]:
            everything = np.concatenate([values, start[len(values) :]])
            try:
                evidence, slope = self._evidence(everything)
            except np.linalg.LinAlgError:
                return 1e10, np.zeros_like(values)
            pull = (values - usual[free]) / deviations[free]
            return -evidence + 0.5 * float(pull @ pull), -slope[free] + pull / deviations[free]

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            found = minimize(
                objective,
                start[free],
                jac=True,
                method="L-BFGS-B",
                bounds=bounds[free],
                options={"maxiter": iterations},
            )
        start[free] = found.x
        return Hyperparameters(kernel=start[:count], noise=start[count:])

    def _evidence(self, values: Floats) -> tuple[float, Floats]:
        """Log evidence and its slope in the logarithms of the hyperparameters: algorithm 5.1."""
        count = len(self._kernel.theta)
        kernel = self._kernel.clone_with_theta(values[:count])
        covariance, slopes = kernel(self.points, eval_gradient=True)
        mode = self._mode_at(covariance, _scatter(self.points, values[count:]))
        self._guess = mode.weights
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


def _first_alike(before: CensoredGaussianProcess, now: CensoredGaussianProcess) -> int:
    """How many trials are the first of both."""
    count = min(len(before.points), len(now.points))
    differ = (before.points[:count] != now.points[:count]).any(axis=1)
    differ |= (before._low[:count] != now._low[:count]) | (before._high[:count] != now._high[:count])
    return int(np.argmax(differ)) if differ.any() else count


def _without_own(posterior: _Posterior) -> tuple[Floats, Floats]:
    """Mean and variance of f at each trial without its own likelihood: the cavity of expectation propagation."""
    sites = posterior.sites
    variance = 1 / np.maximum(1 / posterior.variance - sites.precision, 1e-9)
    return variance * (posterior.mean / posterior.variance - sites.pull), variance


def _noise_columns(points: Floats) -> Floats:
    return np.column_stack([np.ones(len(points)), points - 0.5])


def _scatter(points: Floats, noise: Floats) -> Floats:
    scatter: Floats = np.exp(np.clip(_noise_columns(points) @ noise, np.log(0.01), np.log(10.0)))
    return scatter


def _middle(low: Floats, high: Floats) -> float:
    """A level to start from: the median of what is known of the times."""
    known = np.where(np.isfinite(low), low, high)
    return float(np.median(known[np.isfinite(known)])) if np.isfinite(known).any() else 0.0
