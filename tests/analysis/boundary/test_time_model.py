"""The two ways to NaN in one model."""

from __future__ import annotations

import numpy as np
import pytest

from study.analysis.boundary.time_model import Observed, TimeModel

BUDGET = 20


def observed(count: int, *, seed: int, at_once: float = 0.0) -> Observed:
    """Steps fall by e^5 along the one axis; above its middle some trials go to NaN at update 1."""
    chance = np.random.default_rng(seed)
    points = chance.uniform(size=(count, 1))
    update = 1 + np.ceil(np.exp(5 - 5 * points[:, 0] + 0.3 * chance.standard_normal(count)))
    update[(points[:, 0] > 0.5) & (chance.random(count) < at_once)] = 1
    return Observed(points=points, updates=np.minimum(update, BUDGET), diverged=update <= BUDGET)


def test_a_way_that_no_trial_went_is_left_out() -> None:
    trials = observed(40, seed=0)
    assert set(TimeModel(trials).processes) == {"later"}
    assert set(TimeModel(observed(40, seed=0, at_once=0.5)).processes) == {"first", "later"}
    died = trials.diverged
    only = Observed(points=trials.points, updates=np.where(died, 1.0, BUDGET), diverged=died)
    assert set(TimeModel(only).processes) == {"first"}


@pytest.mark.parametrize("at_once", [0.0, 0.5])
def test_left_out_is_what_a_model_without_the_trial_says_of_it(at_once: float) -> None:
    trials = observed(40, seed=1, at_once=at_once)
    model = TimeModel(trials)
    told = model.left_out(budget=BUDGET)
    for place in range(0, 40, 8):
        others = np.arange(40) != place
        without = TimeModel(trials.take(others), start=model.start, iterations=0)
        assert told[place] == pytest.approx(without.probability(trials.points[[place]], budget=BUDGET)[0], abs=0.03)


def test_what_is_known_of_the_scatter_is_as_of_a_normal_deviation() -> None:
    # The logarithm of the deviation of n normal numbers has a deviation of 1 / sqrt(2 n).
    points = np.tile([[0.0], [1.0]], (500, 1))
    chance = np.random.default_rng(2)
    trials = Observed(
        points=points, updates=1 + np.ceil(np.exp(5 + 0.3 * chance.standard_normal(1000))), diverged=np.full(1000, True)
    )
    model = TimeModel(trials, iterations=5)
    assert model.later is not None
    assert model.later.scatter_deviation(np.array([[0.5]])) == pytest.approx(1 / np.sqrt(2000), rel=0.02)
    assert model.later.scatter_deviation(np.array([[0.0]])) == pytest.approx(1 / np.sqrt(1000), rel=0.05)


@pytest.mark.parametrize("at_once", [0.0, 0.5])
def test_the_distance_of_trials_is_that_of_their_points(at_once: float) -> None:
    trials = observed(40, seed=3, at_once=at_once)
    model = TimeModel(trials, iterations=5)
    expected = model.forecast(trials.points, budget=BUDGET).distance(0.5)
    assert model.distance_of_trials(level=0.5, budget=BUDGET) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("more", [2, 20])
def test_p_of_update_1_is_fitted_anew_when_the_trials_have_grown(more: int) -> None:
    trials = observed(80 + more, seed=4, at_once=0.5)
    before = TimeModel(trials.take(np.arange(80)), iterations=3)
    model = TimeModel(trials, start=before.start, iterations=0, before=before)
    assert model.first is not None
    assert len(model.first.latent.points) == (80 if more == 2 else 100)
    expected = model.forecast(trials.points, budget=BUDGET).distance(0.5)
    assert model.distance_of_trials(level=0.5, budget=BUDGET) == pytest.approx(expected, abs=1e-6)


def test_scatters_beside_the_one_found_are_as_far_off_as_the_trials_allow() -> None:
    # 150 numbers that are seen: the logarithm of their deviation is known to 1 / sqrt(2 150), with a prior of 0.5.
    chance = np.random.default_rng(5)
    points = chance.uniform(size=(150, 1))
    updates = 1 + np.ceil(np.exp(6 - points[:, 0] + 0.3 * chance.standard_normal(150)))
    model = TimeModel(Observed(points=points, updates=updates, diverged=np.full(150, True)), marginal=True)
    here = np.array([[0.5]])
    weights, scatters = zip(*((weight, process.scatter(here)[0]) for weight, process in model.scattered), strict=True)
    assert sum(weights) == pytest.approx(1)
    middle, smaller, larger = np.log(scatters)
    expected = np.sqrt(3 / (2 * 150 + 4))
    assert larger - middle == pytest.approx(expected, rel=0.15)
    assert middle - smaller == pytest.approx(expected, rel=0.15)


def test_what_is_not_known_of_the_scatter_widens_intervals() -> None:
    trials = observed(24, seed=6)
    alone, marginal = TimeModel(trials), TimeModel(trials, marginal=True)
    line = np.linspace(0, 1, 201)[:, np.newaxis]
    unsure = [
        ((inside > 0.025) & (inside < 0.975)).sum()
        for inside in (model.forecast(line, budget=BUDGET).inside(0.5) for model in (alone, marginal))
    ]
    assert unsure[0] < unsure[1] < 2 * unsure[0]
    assert alone.probability(line, budget=BUDGET) == pytest.approx(marginal.probability(line, budget=BUDGET))
