"""Two processes that ask one Optuna store for the next trial of a boundary study, with no lock between them."""

from __future__ import annotations

import math
import multiprocessing
from multiprocessing.synchronize import Barrier
from pathlib import Path

import optuna
from optuna.trial import TrialState

from study.space.file import parse
from study.space.samplers import build_sampler
from study.space.search_space import SearchSpace

SPACE = """
parameters:
  learning_rate: {low: 1e-4, high: 1e-1, log: true}
updates: 60
trials: 64
sampler: {boundary: 0.5, points: 8}
"""

ROUNDS = 6


def study_of(url: str, space: SearchSpace) -> optuna.Study:
    sampler = build_sampler(space, seed=0, trials_so_far=0)
    return optuna.create_study(study_name="s", storage=url, sampler=sampler, load_if_exists=True)


def tell(study: optuna.Study, trial: optuna.Trial) -> None:
    """NaN at update 1 + ceil(0.1 / learning rate)."""
    time = 1 + math.ceil(0.1 / trial.params["learning_rate"])
    trial.set_user_attr("outcome", "diverged" if time <= 60 else "survived")
    study.tell(trial, min(time, 60))


def ask(url: str, together: Barrier) -> None:
    """Ask as the other does: both have begun their trials before either is given a point."""
    space = parse(SPACE)
    study = study_of(url, space)
    for _ in range(ROUNDS):
        together.wait(timeout=60)
        trial = study.ask()
        together.wait(timeout=60)
        space.suggest(trial)
        together.wait(timeout=60)
        tell(study, trial)


def test_two_processes_that_ask_at_once_get_different_points(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'optuna.db'}"
    space = parse(SPACE)
    study = study_of(url, space)
    for _ in range(12):
        trial = study.ask()
        space.suggest(trial)
        tell(study, trial)
    context = multiprocessing.get_context("spawn")
    together = context.Barrier(2)
    processes = [context.Process(target=ask, args=(url, together)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=120)
    assert [process.exitcode for process in processes] == [0, 0]
    trials = optuna.load_study(study_name="s", storage=url).get_trials(states=(TrialState.COMPLETE,))
    assert len(trials) == 12 + 2 * ROUNDS
    rates = [trial.params["learning_rate"] for trial in trials[12:]]
    pairs = list(zip(rates[::2], rates[1::2], strict=True))
    assert all(first != second for first, second in pairs)
