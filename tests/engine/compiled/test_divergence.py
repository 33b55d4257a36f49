"""The event that ends a trial, in both engines: an exploding trial that never stops being finite."""

from __future__ import annotations

import math

import pytest

from study.engine import run
from study.engine.compiled import training
from study.engine.structure import Structure
from study.trial.config import TrialConfig
from study.trial.divergence import NONFINITE, LossAbove
from study.trial.result import describe
from study.trial.sentence import verdict

EXPLODING = TrialConfig(
    timesteps=6, batch_size=4, features=2, units=8, learning_rate=1e10, optimizer="rmsprop", updates=6
)
TAME = EXPLODING.model_copy(update={"learning_rate": 1e-4})


@pytest.fixture(scope="module")
def exploded():
    return run([EXPLODING])[0]


def test_a_trial_that_explodes_without_a_nan_is_a_survivor_that_exploded(exploded):
    assert max(exploded.loss) > 1e8
    assert (exploded.outcome.name, exploded.outcome.exploded, exploded.onset) == ("survived", True, None)
    assert "its loss exploded" in describe(exploded)
    assert "but the loss exploded" in verdict(exploded)


def test_a_trial_ends_at_the_event_by_one_program_and_with_the_same_losses(exploded):
    program = training.program_of(Structure.of(EXPLODING))
    traces = program.traces
    first = next(n for n, loss in enumerate(exploded.loss, start=1) if loss > 10)
    for threshold in (10, 1e3):
        result = run([EXPLODING], divergence=LossAbove(threshold))[0]
        assert result.loss == exploded.loss[: result.updates]
        assert result.loss[-1] > threshold >= max(result.loss[:-1])
        assert (result.time_to_nan, result.outcome.diverged) == (result.updates, True)
        assert "and no number had stopped being finite" in verdict(result)
    assert run([EXPLODING], divergence=LossAbove(10))[0].time_to_nan == first
    survivor = run([EXPLODING], divergence=LossAbove(1e30))[0]
    assert survivor.loss == exploded.loss
    assert not survivor.diverged
    assert program.traces == traces


def test_a_threshold_counts_to_the_last_bit_of_a_double(exploded):
    """A loss is a float32, a threshold is not: the loss itself is not above itself, but above the next double below."""
    place = next(n for n, loss in enumerate(exploded.loss) if loss > 10)
    loss = exploded.loss[place]
    assert run([EXPLODING], divergence=LossAbove(math.nextafter(loss, 0)))[0].updates == place + 1
    assert run([EXPLODING], divergence=LossAbove(loss))[0].updates > place + 1


def test_the_reference_ends_at_the_same_update(exploded):
    result = run([EXPLODING], engine="reference", divergence=LossAbove(10))[0]
    assert result.time_to_nan == run([EXPLODING], divergence=LossAbove(10))[0].time_to_nan
    assert result.divergence == LossAbove(10)
    tame = run([TAME], engine="reference", divergence=LossAbove(10))[0]
    assert not tame.diverged


def test_every_slot_of_a_population_ends_at_its_own_event():
    configs = [EXPLODING, TAME, EXPLODING.model_copy(update={"seed": 2}), TAME.model_copy(update={"seed": 3})]
    whole = run(configs, population=2, divergence=NONFINITE)
    ended = run(configs, population=2, divergence=LossAbove(10))
    assert [result.diverged for result in ended] == [True, False, True, False]
    for one, other in zip(ended, whole, strict=True):
        assert one.loss == other.loss[: one.updates]
        assert (one.loss[-1] > 10) == one.diverged
