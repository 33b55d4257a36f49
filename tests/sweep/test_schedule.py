from __future__ import annotations

import random

from study.sweep.schedule import Schedule
from study.trial.config import TrialConfig


def test_a_worker_gets_a_trial_it_has_a_program_for_then_one_nobody_has_then_one_that_most_wait_for() -> None:
    schedule = Schedule()
    for number, units in enumerate([8, 16, 8, 32, 16, 16, 8]):
        schedule.add(number, TrialConfig(units=units))
    taken = [(worker, schedule.take(worker)[0]) for worker in (0, 1, 0, 1, 0, 1, 0)]
    # 0 starts on the most wanted structure; 1 takes the other two; 0 is left with what is its own.
    assert taken == [(0, 0), (1, 1), (0, 2), (1, 4), (0, 6), (1, 5), (0, 3)]
    assert not len(schedule)


def test_every_trial_is_taken_once_and_few_programs_are_compiled_twice() -> None:
    draw = random.Random(0)
    configs = [TrialConfig(units=draw.choice([4, 8, 16, 32]), layers=draw.choice([1, 2, 3])) for _ in range(200)]
    schedule, taken, programs = Schedule(), [], set()
    asked = iter(enumerate(configs))
    for step in range(200):
        while len(schedule) < 32 and (trial := next(asked, None)) is not None:
            schedule.add(*trial)
        worker = step % 2
        number, config = schedule.take(worker)
        assert config == configs[number]
        taken.append(number)
        programs.add((worker, config.units, config.layers))
    assert sorted(taken) == list(range(200))
    assert len(programs) <= 16  # in the order of their numbers it is all 24


def test_what_sets_no_structure_apart_makes_no_difference() -> None:
    schedule = Schedule()
    schedule.add(0, TrialConfig(units=8))
    schedule.take(0)
    schedule.add(1, TrialConfig(units=16))
    schedule.add(2, TrialConfig(units=8, activation="tanh", learning_rate=0.1, seed=5, updates=7))
    assert schedule.take(0)[0] == 2


def test_trials_taken_together_are_of_one_structure_and_no_more_than_asked_for() -> None:
    schedule = Schedule()
    for number, units in enumerate((4, 8, 4, 8, 4, 4, 8)):
        schedule.add(number, TrialConfig(units=units))
    taken = [list(schedule.take_together(worker, at_most=3)) for worker in (0, 1, 0)]
    assert taken == [[0, 2, 4], [1, 3, 6], [5]]
    assert not len(schedule)
