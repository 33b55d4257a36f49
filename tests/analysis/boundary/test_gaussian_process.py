"""The censored Gaussian process, on random configurations.

Its derivatives against differences, its likelihood against SciPy's distribution, its predictions against scikit-learn's
regression where times are known well, and against draws where they are censored.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.stats import multivariate_normal, norm
from sklearn.gaussian_process import GaussianProcessRegressor

from study.analysis.boundary import gaussian_process
from study.analysis.boundary.gaussian_process import CensoredGaussianProcess, Hyperparameters, kernel_of
from study.analysis.boundary.interval_likelihood import derivatives
from study.analysis.boundary.time_model import log_steps

LOW = np.array([-np.inf, -0.5, 0.1, 1.0, 2.0, -1.0, 3.0])
HIGH = np.array([0.3, 0.2, np.inf, 1.5, 2.2, np.inf, 3.1])


@pytest.mark.parametrize("seed", range(5))
def test_the_likelihood_is_the_normal_probability_of_the_interval(seed: int) -> None:
    f = np.random.default_rng(seed).normal(size=7)
    found = derivatives(f, low=LOW, high=HIGH, noise=0.7)
    assert np.exp(found.value) == pytest.approx(norm.cdf(HIGH, f, 0.7) - norm.cdf(LOW, f, 0.7), rel=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_its_derivatives_are_those_of_differences(seed: int) -> None:
    chance = np.random.default_rng(seed)
    f, noise, step = chance.normal(size=7), float(chance.uniform(0.3, 1.5)), 1e-5
    found, above, below = (derivatives(f + d, low=LOW, high=HIGH, noise=noise) for d in (0.0, step, -step))
    more, less = (derivatives(f, low=LOW, high=HIGH, noise=noise * np.exp(d)) for d in (step, -step))
    for derivative, larger, smaller in (
        (found.first, above.value, below.value),
        (-found.curvature, above.first, below.first),
        (found.third, -above.curvature, -below.curvature),
        (found.by_noise, more.value, less.value),
        (found.first_by_noise, more.first, less.first),
        (found.curvature_by_noise, more.curvature, less.curvature),
    ):
        assert derivative == pytest.approx((larger - smaller) / (2 * step), rel=1e-4, abs=1e-5)


def test_the_slope_of_the_evidence_is_that_of_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gaussian_process, "ENOUGH", 1e-13)
    chance = np.random.default_rng(0)
    points = chance.uniform(size=(30, 2))
    updates = 1 + np.ceil(np.exp(3 - 4 * points[:, 0] + 0.3 * chance.normal(size=30)))
    diverged = updates <= 15
    late = updates > 1
    low, high = log_steps(np.minimum(updates, 15)[late], diverged[late])
    process = CensoredGaussianProcess(points[late], low=low, high=high, iterations=0)
    values = np.concatenate([process.hyperparameters.kernel, [np.log(0.5), 0.3, -0.2]])
    differences = approx_fprime(values, lambda at: process._evidence(at)[0], 1e-5)
    assert process._evidence(values)[1] == pytest.approx(differences, rel=1e-3, abs=1e-3)


def random_process(seed: int, *, width: float, budget: float) -> tuple[CensoredGaussianProcess, np.ndarray, np.ndarray]:
    """Of made-up times whose logarithms are known to intervals of a width, censored at a budget; hyperparameters drawn.

    With it the middles of the intervals, and another dozen points.
    """
    chance = np.random.default_rng(seed)
    columns, trials = int(chance.integers(1, 4)), int(chance.integers(5, 30))
    points = chance.uniform(size=(trials, columns))
    hyperparameters = Hyperparameters(
        kernel=chance.normal(scale=0.7, size=2 + columns),
        noise=np.append(np.log(0.3), chance.normal(scale=0.5, size=columns)),
    )
    times = 3 - 2 * points.sum(axis=1) + 0.3 * chance.normal(size=trials)
    survived = times > budget
    low = np.where(survived, budget, times - width / 2)
    high = np.where(survived, np.inf, times + width / 2)
    process = CensoredGaussianProcess(points, low=low, high=high, start=hyperparameters, iterations=0)
    return process, times, chance.uniform(size=(12, columns))


@pytest.mark.parametrize("seed", range(8))
def test_with_times_that_are_known_well_it_is_the_regression_of_scikit_learn(seed: int) -> None:
    process, times, elsewhere = random_process(seed, width=1e-3, budget=np.inf)
    kernel = kernel_of(elsewhere.shape[1]).clone_with_theta(process.hyperparameters.kernel)
    regression = GaussianProcessRegressor(kernel=kernel, alpha=process.scatter(process.points) ** 2, optimizer=None)
    middle = np.median(times - 5e-4)
    regression.fit(process.points, times - middle)
    mean, deviation = regression.predict(elsewhere, return_std=True)
    found, unsure = process.predict(elsewhere)
    assert found == pytest.approx(mean + middle, abs=5e-3)
    assert unsure == pytest.approx(deviation, rel=5e-3)


@pytest.mark.parametrize("seed", range(6))
def test_with_survivors_its_mean_and_deviation_are_those_of_draws_weighted_by_their_likelihood(seed: int) -> None:
    process, _, elsewhere = random_process(seed, width=0.5, budget=2.0)
    chance = np.random.default_rng(seed)
    everywhere = np.concatenate([process.points, elsewhere])
    kernel = kernel_of(elsewhere.shape[1]).clone_with_theta(process.hyperparameters.kernel)
    # Draws from what EP says of the trials, weighted by what they should be drawn from over that.
    mean, _, covariance = process.posterior(everywhere)
    wide = 1.3**2 * covariance + 1e-9 * np.eye(len(everywhere))
    proposal = multivariate_normal(mean, wide, allow_singular=True)
    prior = multivariate_normal(
        np.full(len(everywhere), process._middle),
        kernel(everywhere) + 1e-9 * np.eye(len(everywhere)),
        allow_singular=True,
    )
    draws = proposal.rvs(size=40_000, random_state=chance)
    trials = draws[:, : len(process.points)]
    scatter = process.scatter(process.points)
    seen = norm.cdf((process._high - trials) / scatter) - norm.cdf((process._low - trials) / scatter)
    log_weights = prior.logpdf(draws) - proposal.logpdf(draws) + np.log(np.maximum(seen, 1e-300)).sum(axis=1)
    weights = np.exp(log_weights - log_weights.max())
    weights /= weights.sum()
    expected = weights @ draws
    deviation = np.sqrt(weights @ (draws - expected) ** 2)
    found, unsure = process.predict(everywhere)
    assert 1 / (weights**2).sum() > 1000  # effective draws
    assert np.abs((found - expected) / deviation).max() < 0.15
    assert unsure == pytest.approx(deviation, rel=0.15)


def test_survivors_take_away_the_lower_tail() -> None:
    """Where many trials survived, hardly a chance is left that the next one does not."""
    points = np.full((30, 1), 0.5)
    process = CensoredGaussianProcess(points, low=np.full(30, np.log(59)), high=np.full(30, np.inf), iterations=0)
    # Laplace's rule of succession gives 1 in 32 for a chance of which nothing is known.
    assert process.probability(points[:1], log_budget=np.log(59))[0] < 2 / 32


@pytest.mark.parametrize("seed", range(4))
def test_begun_from_a_fit_to_fewer_trials_it_ends_at_the_same(seed: int) -> None:
    process, _, elsewhere = random_process(seed, width=0.3, budget=2.0)
    fewer = len(process.points) - 3

    def fitted(count: int, before: CensoredGaussianProcess | None) -> CensoredGaussianProcess:
        return CensoredGaussianProcess(
            process.points[:count],
            low=process._low[:count],
            high=process._high[:count],
            start=process.hyperparameters,
            iterations=0,
            before=before,
        )

    mean, deviation = fitted(len(process.points), fitted(fewer, None)).predict(elsewhere)
    expected, unsure = process.predict(elsewhere)
    assert np.abs((mean - expected) / unsure).max() < 0.01
    assert deviation == pytest.approx(unsure, rel=0.01)
