"""What the compiler hands out of an update, and the onset found from it."""

from __future__ import annotations

import gc
import random
import weakref

import numpy as np
import pytest

from study.engine import training
from study.engine.captured import captured
from study.engine.instrumented import ExactSeeker, Seeker, onset, seek
from study.engine.structure import Structure
from tests.engine.test_compiled import STRUCTURES, trial, varied


def trained(config):
    """Where a trial stands at its end, and the last row of its figures."""
    done = 0
    for progress in training.calls(config):
        row = progress.figures[int(progress.update) - done - 1].numpy()
        done = int(progress.update)
    return progress, row


@pytest.mark.parametrize("structure", [0, 1])
def test_it_is_the_update_of_the_training_program_to_the_last_bit(structure):
    generator = random.Random(11)
    for config in [varied(STRUCTURES[structure], generator) for _ in range(3)]:
        progress, figures = trained(config)
        handed_out = captured(config, int(progress.update), progress.before)
        np.testing.assert_array_equal(handed_out["weights"], progress.now.weights)
        np.testing.assert_array_equal(handed_out["loss"], figures[0])
        if not np.isfinite(handed_out["lstm_1/forward forward cell"][-1]).all():
            assert not np.isfinite(figures[2])  # max_cell


DIVERGING = trial(learning_rate=0.12, max_norm=None, updates=40, seed=2)


def test_the_onset_from_it_is_that_of_a_replay_in_numpy_where_rounding_does_not_matter():
    progress, _ = trained(DIVERGING)
    number, structure = int(progress.update), Structure.of(DIVERGING)
    exact = ExactSeeker(structure, exact=captured(DIVERGING, number, progress.before))
    found = seek(DIVERGING, number, progress.before, exact)
    replayed = seek(DIVERGING, number, progress.before, Seeker(structure))
    assert found is not None
    assert replayed is not None
    places = [(one.layer, one.direction, one.tensor, one.timestep, one.sample, one.unit) for one in (found, replayed)]
    assert places[0] == places[1]


def test_a_replay_that_grows_otherwise_than_the_program_did_is_not_believed():
    progress, figures = trained(DIVERGING)
    number, structure = int(progress.update), Structure.of(DIVERGING)
    rates = figures[[3, 4]]  # hidden_growth, cell_growth
    found = seek(DIVERGING, number, progress.before, Seeker(structure, rates=rates))
    assert found is not None
    assert seek(DIVERGING, number, progress.before, Seeker(structure, rates=rates * 1.1)) is None
    figures[[3, 4]] *= 1.1
    believed = onset(DIVERGING, progress, figures)
    assert (believed.tensor, believed.index, believed.warning) == (found.tensor, found.index, None)


def test_a_program_that_is_not_watched_has_the_same_losses():
    structure = Structure.of(DIVERGING)
    program = training.Program(structure, watched=False)

    def losses(calls):
        done, found = 0, []
        for progress in calls:
            found += progress.figures.numpy()[: int(progress.update) - done, 0].tolist()
            done = int(progress.update)
        return found

    np.testing.assert_array_equal(losses(training.calls(DIVERGING, program=program)), losses(training.calls(DIVERGING)))


def test_a_replay_leaves_nothing_behind():
    progress, _ = trained(DIVERGING)
    seeker = Seeker(Structure.of(DIVERGING))
    gone = weakref.ref(seeker)
    gc.disable()  # its numbers must not wait for a collection of cycles: they are hundreds of megabytes
    try:
        assert seek(DIVERGING, int(progress.update), progress.before, seeker) is not None
        del seeker
        assert gone() is None
    finally:
        gc.enable()
