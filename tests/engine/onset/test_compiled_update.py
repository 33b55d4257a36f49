"""What the compiler hands out of an update, and the onset found from it."""

from __future__ import annotations

import gc
import random
import weakref

import numpy as np
import pytest

from study.engine.compiled import engine as compiled
from study.engine.compiled import training
from study.engine.compiled.state import UPDATES_PER_CALL
from study.engine.onset.compiled_update import captured
from study.engine.onset.search import ExactSeeker, Seeker, onset, seek
from study.engine.structure import Structure
from tests.engine.compiled.test_engine import STRUCTURES, trial, varied


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
        if not np.isfinite(handed_out["lstm_1/forward forward cell_state"][-1]).all():
            assert not np.isfinite(figures[2])  # max_cell


def places(found):
    return found.phase, found.layer, found.direction, found.tensor, found.index, found.value, found.warning


DIVERGING = trial(learning_rate=0.12, max_norm=None, updates=40, seed=2)


def test_the_onset_from_it_is_that_of_a_replay_in_numpy_where_rounding_does_not_matter():
    progress, _ = trained(DIVERGING)
    number, structure = int(progress.update), Structure.of(DIVERGING)
    exact = ExactSeeker(structure, exact=captured(DIVERGING, number, progress.before))
    found = seek(DIVERGING, number, progress.before, exact)
    replayed = seek(DIVERGING, number, progress.before, Seeker(structure))
    assert found is not None
    assert replayed is not None
    assert places(found) == places(replayed)


@pytest.mark.parametrize("structure", range(len(STRUCTURES)))
def test_what_the_program_keeps_of_the_way_forward_is_that_of_it_to_the_last_bit(structure):
    generator = random.Random(12)
    for config in [varied(STRUCTURES[structure], generator) for _ in range(2)]:
        progress, _ = trained(config)
        handed_out = captured(config, int(progress.update), progress.before)
        assert set(progress.forward) < set(handed_out)
        for name, sequence in progress.forward.items():
            np.testing.assert_array_equal(sequence, handed_out[name], err_msg=name)


def test_the_onset_is_the_same_from_what_the_program_keeps_and_from_all_that_can_be_handed_out():
    generator = random.Random(13)
    looked_at = 0
    for structure in STRUCTURES:
        for _ in range(3):
            config = varied(structure, generator).model_copy(update={"learning_rate": 1.0, "max_norm": None})
            progress, _ = trained(config)
            if np.any(progress.first.numpy() == int(progress.update)):
                looked_at += 1
                known, rest = onset(config, progress), onset(config, progress._replace(forward={}))
                assert places(known) == places(rest)
                assert known.operands == pytest.approx(rest.operands, rel=1e-4, nan_ok=True)
    assert looked_at >= 5


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


def test_what_a_call_keeps_of_the_way_forward_is_gone_before_the_next_call():
    kept, alive, calls = {}, [], []
    original = training.Program.__call__

    def watch(progress):
        kept.update({name: weakref.ref(tensor) for name, tensor in progress.forward.items()})

    def called(self, *arguments):
        calls.append(len(kept))
        alive.extend(name for name, tensor in kept.items() if tensor() is not None)
        return original(self, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training.Program, "__call__", called)
        compiled.run_trial(trial(activation="tanh", updates=2 * UPDATES_PER_CALL), watch=watch)
    assert len(calls) == 2
    assert calls[1] > 0
    assert alive == []


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
