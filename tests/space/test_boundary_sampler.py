"""The boundary sampler, asked by Optuna itself, on made-up times to NaN whose boundary is known by a formula."""

from __future__ import annotations

import math

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution

from study.space.file import parse
from study.space.samplers.boundary import BoundarySampler
from study.space.samplers.boundary_options import BoundaryOptions
from study.space.search_space import SearchSpace

optuna.logging.set_verbosity(optuna.logging.ERROR)

BUDGET = 60

ONE_AXIS = """
about: one axis
parameters:
  learning_rate: {low: 1e-4, high: 1e-1, log: true}
updates: 60
trials: 64
"""

CONDITIONS = """
about: choices, and an axis that is not always there
parameters:
  learning_rate: {low: 1e-4, high: 1e-1, log: true}
  activation: {choices: [relu, tanh]}
  front_end: {choices: [none, conv1d]}
  batch_norm: {choices: [none, input, before_activation], when: {front_end: conv1d}}
updates: 60
trials: 64
"""


def sampler(space: SearchSpace, *, seed: int = 0, **options: float) -> BoundarySampler:
    return BoundarySampler(space=space, seed=seed, options=BoundaryOptions(**options))  # type: ignore[arg-type]


def finish(study: optuna.Study, trial: optuna.Trial, space: SearchSpace, *, chance: np.random.Generator) -> None:
    """NaN at update 1 + ceil(S), where the steps S are log-normal around 0.1 / learning rate; never with tanh."""
    values = space.suggest(trial)
    steps = 0.1 / float(values["learning_rate"]) * math.exp(0.2 * chance.standard_normal())  # type: ignore[arg-type]
    update = math.inf if values.get("activation") == "tanh" else 1 + math.ceil(steps)
    trial.set_user_attr("outcome", "diverged" if update <= BUDGET else "survived")
    study.tell(trial, min(update, BUDGET))


def swept(space: SearchSpace, trials: int, *, seed: int = 0, **options: float) -> optuna.Study:
    study = optuna.create_study(sampler=sampler(space, seed=seed, **options))
    chance = np.random.default_rng(seed)
    for _ in range(trials):
        finish(study, study.ask(), space, chance=chance)
    return study


def test_trials_gather_where_the_boundary_is_told_from() -> None:
    space = parse(ONE_AXIS)
    study = swept(space, 32, points=8)
    model = sampler(space).model(study)
    assert model is not None
    # 59 steps at 0.1 / 59, where 60 updates end.
    places = np.linspace(0, 1, 2001)[:, np.newaxis]
    inside = model.forecast(places, budget=BUDGET).distance(0.5) > 0
    crossing = 1e-4 * 1000 ** float(places[np.argmax(inside), 0])
    assert crossing == pytest.approx(0.1 / 59, rel=0.25)
    later = [trial.params["learning_rate"] for trial in study.trials[8:]]
    assert np.mean([1.7e-4 < value < 1.7e-2 for value in later]) > 0.7


def test_the_level_moves_the_contour_that_is_sought() -> None:
    space = parse(ONE_AXIS)
    model = sampler(space).model(swept(space, 24, points=8))
    assert model is not None
    places = np.linspace(0, 1, 501)[:, np.newaxis]
    crossings = [int(np.argmax(model.forecast(places, budget=BUDGET).distance(p) > 0)) for p in (0.1, 0.5, 0.9)]
    assert crossings == sorted(crossings)
    assert len(set(crossings)) == 3


def test_choices_and_conditions_are_obeyed_and_a_choice_that_never_diverges_is_left_alone() -> None:
    space = parse(CONDITIONS)
    study = swept(space, 48, points=16)
    for trial in study.trials:
        assert ("batch_norm" in trial.params) == (trial.params["front_end"] == "conv1d")
    later = [trial.params["activation"] for trial in study.trials[24:]]
    assert later.count("relu") > later.count("tanh")


def test_two_that_ask_at_once_get_different_points() -> None:
    space = parse(ONE_AXIS)
    study = swept(space, 16, points=8)
    first, second = study.ask(), study.ask()
    study.sampler = sampler(space, points=8)
    third = study.ask()
    rates = {float(space.suggest(trial)["learning_rate"]) for trial in (first, second, third)}  # type: ignore[arg-type]
    assert len(rates) == 3


def test_trials_in_flight_count_as_known_to_come() -> None:
    space = parse(ONE_AXIS)
    study = swept(space, 12, points=8)
    asked = [study.ask() for _ in range(12)]
    rates = np.log([float(space.suggest(trial)["learning_rate"]) for trial in asked])  # type: ignore[arg-type]
    assert np.ptp(rates) > 1.0  # a factor of e at least between the farthest two


def test_a_new_sampler_goes_on_from_what_the_study_knows() -> None:
    space = parse(ONE_AXIS)
    study = swept(space, 24, points=8)
    fresh = sampler(space, points=8)
    known, anew = sampler(space).unsure(study), fresh.unsure(study)
    assert known == anew
    study.sampler = fresh
    assert "learning_rate" in study.ask({"learning_rate": FloatDistribution(1e-4, 1e-1, log=True)}).params


def test_it_is_done_when_the_contour_is_known_to_the_width_asked_for() -> None:
    space = parse(ONE_AXIS)
    study = swept(space, 40, points=8)
    unsure = sampler(space).unsure(study)
    assert unsure is not None
    assert sampler(space, points=8, width=unsure + 0.01).is_done(study)
    assert not sampler(space, points=8, width=max(unsure - 0.01, 0.0)).is_done(study)
    assert not sampler(space, points=8).is_done(study)


def test_where_no_time_is_to_be_had_trials_gather_by_their_outcomes() -> None:
    space = parse(ONE_AXIS)
    study = optuna.create_study(sampler=sampler(space, points=8))
    for _ in range(32):
        trial = study.ask()
        died = float(space.suggest(trial)["learning_rate"]) > 0.01  # type: ignore[arg-type]
        trial.set_user_attr("outcome", "diverged" if died else "survived")
        study.tell(trial, 1 if died else BUDGET)
    later = [trial.params["learning_rate"] for trial in study.trials[8:]]
    # A uniform draw has 32% within a factor of 3 to either side.
    assert np.mean([0.01 / 3 < value < 0.03 for value in later]) > 0.6


def test_while_nothing_has_diverged_it_stays_with_sobol() -> None:
    space = parse(ONE_AXIS.replace("high: 1e-1", "high: 2e-4"))
    study = swept(space, 12, points=4)
    rates = [trial.params["learning_rate"] for trial in study.trials]
    assert len(set(rates)) == 12
    assert sampler(space).model(study) is None
