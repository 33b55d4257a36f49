"""The censored Gaussian process: its derivatives against differences, its likelihood against SciPy's distribution."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.stats import norm

from study.analysis.boundary import gaussian_process
from study.analysis.boundary.gaussian_process import CensoredGaussianProcess
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
    process = CensoredGaussianProcess(points[late], low=low, high=high, groups=[1, 1], iterations=0)
    values = np.concatenate([process.hyperparameters.kernel, [np.log(0.5), 0.3, -0.2]])
    differences = approx_fprime(values, lambda at: process._evidence(at)[0], 1e-5)
    assert process._evidence(values)[1] == pytest.approx(differences, rel=1e-3, abs=1e-3)
