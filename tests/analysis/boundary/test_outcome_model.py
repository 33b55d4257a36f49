"""Probit regression over a space: its probabilities against draws from the prior, weighted by their likelihood."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr

from study.analysis.boundary.gaussian_process import Hyperparameters, kernel_of
from study.analysis.boundary.outcome_model import OutcomeModel


@pytest.mark.parametrize("seed", range(4))
def test_its_probability_is_that_of_draws_weighted_by_their_likelihood(seed: int) -> None:
    chance = np.random.default_rng(seed)
    points, elsewhere = chance.uniform(size=(6, 2)), chance.uniform(size=(5, 2))
    happened = chance.random(6) < 0.5
    start = Hyperparameters(kernel=chance.normal(scale=0.5, size=4), noise=np.zeros(3))
    model = OutcomeModel(points, happened=happened, start=start, iterations=0)
    kernel = kernel_of(2).clone_with_theta(start.kernel)
    everywhere = np.concatenate([points, elsewhere])
    draws = chance.multivariate_normal(np.zeros(11), kernel(everywhere) + 1e-9 * np.eye(11), size=400_000)
    weights = np.prod(ndtr(np.where(happened, 1, -1) * draws[:, :6]), axis=1)
    expected = weights @ ndtr(draws[:, 6:]) / weights.sum()
    assert model.probability(elsewhere) == pytest.approx(expected, abs=0.02)


def test_left_out_is_what_a_model_without_the_trial_says_of_it() -> None:
    chance = np.random.default_rng(0)
    points = chance.uniform(size=(30, 1))
    happened = chance.random(30) < ndtr(8 * (points[:, 0] - 0.5))
    model = OutcomeModel(points, happened=happened)
    for place in range(0, 30, 5):
        others = np.arange(30) != place
        without = OutcomeModel(
            points[others], happened=happened[others], start=model.latent.hyperparameters, iterations=0
        )
        assert model.left_out()[place] == pytest.approx(without.probability(points[[place]])[0], abs=0.02)


def test_the_scatter_is_the_unit_of_g_and_not_looked_for() -> None:
    chance = np.random.default_rng(1)
    points = chance.uniform(size=(20, 2))
    model = OutcomeModel(points, happened=chance.random(20) < 0.5)
    assert model.latent.scatter(points) == pytest.approx(1.0)
    assert model.latent.scatter_deviation(points) == pytest.approx(0.0)
