from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pytest

from study.sweep.workers.base import TrialFailed
from study.sweep.workers.inline import InlineWorkers
from study.trial.config import TrialConfig
from study.trial.divergence import NONFINITE
from study.trial.result import TrialResult
from tests.sweep.made_up import made_up, result_of, seeds_of

raises = partial(made_up, mode="raises")


def trials(*seeds: int) -> list[tuple[int, TrialConfig]]:
    return [(10 + seed, TrialConfig(seed=seed, updates=3)) for seed in seeds]


def test_a_trial_runs_when_it_is_waited_for_and_not_before() -> None:
    trained: list[int] = []

    def noted(configs: Sequence[str], engine: str, population: int | None, divergence: str) -> list[str]:
        assert (engine, population, divergence) == ("reference", 1, "nonfinite")
        trained.extend(seeds_of(configs))
        return made_up(configs, engine, population, divergence)

    with InlineWorkers(train=noted) as workers:
        assert (workers.count, workers.together, workers.busy, workers.free) == (1, 1, 0, 0)
        workers.submit(trials(5), engine="reference", divergence=NONFINITE)
        assert (workers.busy, workers.free) == (1, None)
        assert workers.collect(timeout=0) is None
        assert trained == []
        collected = workers.collect(timeout=1)
        assert collected is not None
        number, result = collected
        assert number == 15
        assert isinstance(result, TrialResult)
        expected = result_of(TrialConfig(seed=5, updates=3), engine="reference")
        assert result.to_json() == expected.to_json()
        assert (workers.busy, workers.free, workers.collect(timeout=1)) == (0, 0, None)


def test_trials_of_a_population_come_one_by_one_and_those_that_fail_fail_alone() -> None:
    with InlineWorkers(population=3, train=raises) as workers:
        workers.submit(trials(1, 2, 3), engine="compiled", divergence=NONFINITE)
        assert workers.busy == 3
        found = {}
        while workers.busy:
            collected = workers.collect(timeout=1)
            if collected is not None:
                found[collected[0]] = collected[1]
    assert sorted(found) == [11, 12, 13]
    assert isinstance(found[12], TrialFailed)
    assert str(found[12]) == "MemoryError: too large a model"
    assert all(isinstance(found[number], TrialResult) for number in (11, 13))


def test_leaving_gives_up_what_was_not_trained() -> None:
    with InlineWorkers(train=made_up) as workers:
        workers.submit(trials(1), engine="compiled", divergence=NONFINITE)
    assert workers.busy == 0


def test_a_kill_of_the_sweep_is_no_failure_of_its_trial() -> None:
    def interrupted(configs: Sequence[str], engine: str, population: int | None, divergence: str) -> list[str]:
        raise KeyboardInterrupt

    with InlineWorkers(train=interrupted) as workers:
        workers.submit(trials(1), engine="compiled", divergence=NONFINITE)
        with pytest.raises(KeyboardInterrupt):
            workers.collect(timeout=1)


def test_texts_are_made_until_somebody_stops_and_one_that_raises_is_told() -> None:
    made: list[str] = []

    def text(word: str) -> str:
        made.append(word)
        if word == "b":
            raise ValueError("no b")
        return word.upper()

    with InlineWorkers() as workers:
        answers = workers.apply(text, [("a",), ("b",), ("c",), ("d",)], stop=lambda: len(made) == 3)
        told = [(place, str(answer)) for place, answer in answers]
    assert told == [(0, "A"), (1, "ValueError: no b"), (2, "C")]
