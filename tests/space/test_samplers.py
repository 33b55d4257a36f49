from __future__ import annotations

from collections import Counter

import numpy as np
import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from scipy.stats import kstest, qmc

from study.space.file import parse
from study.space.samplers import build_sampler
from study.space.samplers.numbered import from_unit
from study.space.samplers.sobol import SobolSampler
from study.space.search_space import SearchSpace

optuna.logging.set_verbosity(optuna.logging.WARNING)
SPACE = """
parameters:
  learning_rate: {low: 1e-5, high: 1e-1, log: true}
  units: {low: 1, high: 64, log: true}
  activation: {choices: [relu, selu, tanh]}
trials: 16
"""


def params_of(space: SearchSpace, count: int, *, seed: int, restarts: tuple[int, ...] = ()) -> list[dict[str, object]]:
    """Parameters of the first trials, the process starting anew at the given numbers."""
    study = optuna.create_study(sampler=build_sampler(space, seed=seed))
    for number in range(count):
        if number in restarts:
            study.sampler = build_sampler(space, seed=seed, trials_so_far=number)
        trial = study.ask()
        space.suggest(trial)
        study.tell(trial, float(number % 7))
    return [trial.params for trial in study.trials]


@pytest.mark.parametrize("sampler", ["sobol", "random"])
def test_a_restarted_sampler_goes_on_as_if_it_had_not_been(sampler: str) -> None:
    space = parse(f"{SPACE}\nsampler: {sampler}")
    assert params_of(space, 12, seed=3, restarts=(4, 5, 9)) == params_of(space, 12, seed=3)
    assert params_of(space, 12, seed=4) != params_of(space, 12, seed=3)


def test_a_restarted_tpe_does_not_repeat_its_first_draws() -> None:
    space = parse(f"{SPACE}\nsampler: {{tpe: shortest}}")
    drawn = params_of(space, 20, seed=3, restarts=(5, 10))
    assert len({str(params) for params in drawn}) == 20


@pytest.mark.parametrize("sampler", ["sobol", "random", "{tpe: longest}"])
def test_replicates_repeat_a_configuration(sampler: str) -> None:
    space = parse(f"{SPACE}\nreplicates: 4\nsampler: {sampler}")
    drawn = params_of(space, 12, seed=1)
    assert all(drawn[number] == drawn[number - number % 4] for number in range(12))
    assert len({str(params) for params in drawn}) == 3


def test_sobol_covers_the_cube_more_evenly_than_random_points() -> None:
    space = parse("parameters: {label_balance: {low: 0, high: 1}, input_mean: {low: 0, high: 1}}\ntrials: 64")
    points = np.array([list(params.values()) for params in params_of(space, 64, seed=0)], dtype=float)
    random = [qmc.discrepancy(np.random.default_rng(seed).random((64, 2))) for seed in range(50)]
    assert qmc.discrepancy(points) < min(random)


def test_sobol_points_are_those_of_one_sequence_wherever_they_are_begun() -> None:
    sampler = build_sampler(parse(f"{SPACE}\nsampler: sobol"), seed=5)
    assert isinstance(sampler, SobolSampler)
    points = [sampler.point(index) for index in (300, 0, 63, 64, 65, 130)]
    sequence = qmc.Sobol(d=len(points[0]), scramble=True, rng=5).random(512)
    np.testing.assert_array_equal(points, sequence[[300, 0, 63, 64, 65, 130]])


@pytest.mark.parametrize(
    "distribution",
    [
        CategoricalDistribution(["a", "b", "c"]),
        IntDistribution(3, 9),
        IntDistribution(2, 20, step=3),
        IntDistribution(1, 12, log=True),
        FloatDistribution(-1, 3),
        FloatDistribution(1e-4, 1e2, log=True),
        FloatDistribution(0, 1, step=0.1),
    ],
)
def test_values_are_distributed_as_optuna_s_own_random_sampler_draws_them(distribution: BaseDistribution) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    theirs = [study.ask({"x": distribution}).params["x"] for _ in range(1500)]
    ours = [from_unit(distribution, u) for u in np.random.default_rng(2).random(1500)]
    assert all(distribution._contains(distribution.to_internal_repr(value)) for value in ours)
    if isinstance(distribution, FloatDistribution) and distribution.step is None:
        assert kstest(ours, theirs).pvalue > 1e-3
    else:
        counts, expected = (
            Counter(round(v, 6) if isinstance(v, float) else v for v in ours),
            Counter(round(v, 6) if isinstance(v, float) else v for v in theirs),
        )
        assert counts.keys() == expected.keys()
        # Two counts of 1,500 draws each differ by less than five standard deviations.
        assert all(abs(counts[v] - expected[v]) < 5 * (counts[v] + expected[v]) ** 0.5 for v in counts)
