"""The onset: against an eager, step-by-step Keras run, with planted faults, and its replay against the program."""

from __future__ import annotations

import random
from functools import partial

import numpy as np
import pytest

from study.engine import run
from study.engine.compiled import training
from study.engine.compiled.settings import Settings
from study.engine.compiled.state import initial_state
from study.engine.compiled.update import update
from study.engine.onset import search
from study.engine.onset.eager_update import Recorder
from study.engine.onset.search import Seeker
from study.engine.runtime import tf
from study.engine.structure import Structure
from study.trial.config import TrialConfig
from study.trial.growth import FIGURES
from study.trial.words import EVENTS
from tests.engine.compiled.test_engine import PLAIN, STRUCTURES, varied
from tests.engine.onset.eager import by_name, first_not_finite

TINY = {"units": 4, "timesteps": 12, "features": 3, "batch_size": 4}
DEEP = {**TINY, "layers": 2, "bidirectional": True}


def update_of(config, number, start, instruments):
    with np.errstate(all="ignore"):
        return update(
            tf.constant(number, tf.int64),
            start,
            Settings.of(config),
            structure=Structure.of(config),
            instruments=instruments,
        )


def first_event(config, *, compiled):
    """Number of the first update with a number that is not finite, what it starts from, its loss; None if none."""
    if compiled:
        done = 0
        for progress in training.calls(config):
            number = int(progress.update)
            if np.any(progress.first.numpy()):
                return number, progress.before, float(progress.figures[number - done - 1, 0])
            done = number
        return None
    now = initial_state(config).now
    for number in range(1, config.updates + 1):
        before = now
        now, figures, happened = update_of(config, number, before, Recorder(Structure.of(config)))
        if np.any(happened):
            return number, before, float(figures[0])
    return None


def explosive(structure, generator):
    """A trial that is likely to overflow soon."""
    return TrialConfig(
        **structure,
        activation=generator.choice(["relu", "elu", "selu", "linear"]),
        learning_rate=10 ** generator.uniform(0, 3),
        recurrent_dropout=generator.choice([0.0, 0.3]),
        dropout=generator.choice([0.0, 0.3]),
        stateful=generator.random() < 0.3,
        clipnorm=None,
        max_norm=None,
        updates=12,
        seed=generator.randrange(2**31),
    )


def seek(config, number, before, of=Seeker):
    """The onset in an update by a replay in NumPy, with the seeker of a structure."""
    return search.seek(config, number, before, of(Structure.of(config)))


@pytest.mark.parametrize(
    ("structure", "compiled"),
    [
        ({**PLAIN, **STRUCTURES[0]}, True),
        ({**PLAIN, **STRUCTURES[2]}, True),
        (DEEP, False),
        ({**DEEP, "semantics": "keras-2.2.4", "front_end": "conv1d"}, False),
        ({**PLAIN, "cell": "gru"}, True),
        ({**DEEP, "cell": "gru"}, False),
        ({**PLAIN, "cell": "simple_rnn"}, True),
        ({**DEEP, "cell": "simple_rnn"}, False),
    ],
)
def test_an_eager_run_of_kerass_own_cells_finds_the_same_onset(structure, compiled):
    """Of six diverged trials a structure. Where the numbers come so close to the largest float32 that rounding decides,
    the onset says so, and only its update is held; of about 90 trials that were tried, none did."""
    structure = {name: value for name, value in structure.items() if name != "updates"}
    generator = random.Random(20261124)
    diverged = 0
    while diverged < 6:
        config = explosive(structure, generator)
        event = first_event(config, compiled=compiled)
        if event is None:
            continue
        number, before, loss = event
        onset = seek(config, number, before)
        expected = first_not_finite(config, number, before)
        assert onset is not None
        assert expected is not None
        assert onset.update == number
        diverged += not np.isfinite(loss)
        if onset.warning is None:
            found = onset.phase, onset.layer, onset.direction, onset.tensor, onset.timestep, onset.index
            assert found == tuple(expected), config
            assert onset.value in ("inf", "-inf", "nan")


@pytest.mark.parametrize("structure", range(len(STRUCTURES)))
def test_a_replay_in_numpy_does_what_the_compiled_update_does(structure):
    """Of random trials whose states are small enough for rounding to stay small: all other are chaotic."""
    generator = random.Random(100 + structure)
    compared = 0
    while compared < 3:
        config = varied(STRUCTURES[structure], generator)
        of = Structure.of(config)
        progress = training.program_of(of)(initial_state(config), Settings.of(config), 3)
        row = progress.figures[2].numpy()
        if not row[1 + of.cell.figures.index("max_hidden")] < 30:
            continue
        compared += 1
        after, figures, happened = update_of(config, 3, progress.before, Recorder(of))
        np.testing.assert_allclose(figures, row, rtol=1e-3, atol=1e-5)
        assert not np.any(happened)
        for ours, theirs in zip(after.slots, progress.now.slots, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-2, atol=1e-4 * float(np.abs(theirs).max()))
        # A gradient that is all rounding, such as that of a bias before a normalisation, makes a step of any sign.
        mean = np.abs(progress.now.slots[0])
        counts = mean > 1e-4 * mean.max()
        assert counts.mean() > 0.2
        step = float(np.abs(progress.now.weights - progress.before.weights).max())
        np.testing.assert_allclose(
            after.weights.numpy()[counts], progress.now.weights.numpy()[counts], rtol=1e-5, atol=0.02 * step
        )
        for ours, theirs in zip(after.state, progress.now.state, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5)


def test_a_state_that_is_not_finite_is_never_passed_over_in_the_growth():
    """Some samples of a batch are NaN at the end and others are not: what XLA's maximum passes over."""
    generator = random.Random(3)
    structure = {name: value for name, value in PLAIN.items() if name != "updates"}
    mixed = 0
    while mixed < 2:
        config = explosive(structure, generator)
        event = first_event(config, compiled=True)
        if event is None:
            continue
        number, before, _ = event
        recorder = Recorder(Structure.of(config))
        update_of(config, number, before, recorder)
        hidden = recorder.timesteps["lstm_1/forward"]["hidden_state"]
        finite_samples = np.isfinite(hidden[-1]).all(axis=1)
        if finite_samples.all() or not finite_samples.any():
            continue
        mixed += 1
        growth = run([config.model_copy(update={"updates": number})])[0].growth
        assert growth.figures["max_hidden"][-1] is None
        probed = np.arange(1, 17) * 100 // 16 - 1
        with np.errstate(all="ignore"):
            logs = np.log(np.abs(hidden[probed]).max(axis=(1, 2)).astype(np.float64))
        finite = np.isfinite(logs)
        if finite.sum() > 1:
            slope = np.polyfit(probed[finite], logs[finite], 1)[0]
            assert growth.figures["hidden_growth"][-1] == pytest.approx(slope, rel=1e-2, abs=1e-4)


# --- planted faults -------------------------------------------------------------------------------------------------


class Planted(Seeker):
    """Changes what is shown at one place, or what the update goes on with behind it."""

    def __init__(self, structure, *, name, change, behind=False):
        super().__init__(structure)
        self._name, self._change, self._behind = name, change, behind

    def observe(self, name, tensor):
        if name != self._name:
            return super().observe(name, tensor)
        if self._behind:
            return self._change(super().observe(name, tensor))
        return super().observe(name, self._change(tensor))


def onset_with(config, *, name=None, change=None, behind=False, weights=None):
    """The onset of update 1 with something planted."""
    start = initial_state(config).now
    if weights:
        place, value = weights
        changed = by_name(start.weights.numpy(), Structure.of(config))
        changed[place[0]][place[1:]] = value
        start = start._replace(weights=tf.constant(np.concatenate([part.ravel() for part in changed.values()])))
    return seek(config, 1, start, partial(Planted, name=name, change=change, behind=behind) if name else Seeker)


def put(place, value):
    def change(tensor):
        values = tensor.numpy()
        values[place] = value
        return tf.constant(values)

    return change


def amplified(tensor, *, factor=1e30):
    """The tensor as it is, its gradient times the factor, twice."""
    return tf.custom_gradient(lambda x: (tf.identity(x), lambda upstream: upstream * factor * factor))(tensor)


STACK = TrialConfig(**TINY, layers=2, clipnorm=None, max_norm=None)
BOTH_WAYS = TrialConfig(**DEEP, clipnorm=None, max_norm=None)


def test_nothing_planted_has_no_onset():
    assert onset_with(STACK) is None
    assert onset_with(BOTH_WAYS) is None


@pytest.mark.parametrize("config", [STACK, BOTH_WAYS])
def test_a_nan_in_one_input_cell_is_named(config):
    onset = onset_with(config, name="inputs", change=put((7, 2, 1), np.nan))
    assert (onset.phase, onset.tensor, onset.index, onset.value) == ("forward", "inputs", (7, 2, 1), "nan")
    assert (onset.timestep, onset.sample, onset.unit, onset.layer) == (7, 2, 1, None)


def test_a_nan_between_two_layers_is_named_where_the_upper_one_meets_it():
    onset = onset_with(STACK, name="lstm_2_norm", change=put((7, 2, 1), np.nan), behind=True)
    assert (onset.layer, onset.direction, onset.tensor) == ("lstm_2", "forward", "input_projection")
    assert (onset.timestep, onset.sample, onset.unit) == (7, 2, 0)


@pytest.mark.parametrize(
    ("config", "cell", "timestep"),
    [(STACK, "lstm_1/forward", 0), (STACK, "lstm_2/forward", 0), (BOTH_WAYS, "lstm_2/backward", 11)],
)
@pytest.mark.parametrize(("gate", "tensor"), [(0, "input_sum"), (2, "candidate_sum")])
def test_an_infinite_recurrent_weight_is_named_at_the_first_timestep_read(config, cell, timestep, gate, tensor):
    # The hidden state before it is zero, and 0 * inf is NaN.
    onset = onset_with(config, weights=((f"{cell}/recurrent_kernel", 1, 4 * gate + 3), np.inf))
    assert f"{onset.layer}/{onset.direction}" == cell
    assert (onset.phase, onset.tensor, onset.timestep, onset.sample, onset.unit) == ("forward", tensor, timestep, 0, 3)
    assert onset.value == "nan"
    assert onset.operands["largest |hidden_state before|"] == 0


@pytest.mark.parametrize(
    ("config", "factor", "direction", "timestep"),
    [
        (STACK, np.full(4, 1e30, np.float32), "forward", 11),
        # Of the backward direction's outputs alone; the timestep that it read last comes first on the way back.
        (BOTH_WAYS, np.array([1, 1, 1, 1, 1e30, 1e30, 1e30, 1e30], np.float32), "backward", 0),
    ],
)
def test_an_overflow_of_the_backward_pass_alone_is_named(config, factor, direction, timestep):
    onset = onset_with(config, name="output_norm", change=partial(amplified, factor=factor))
    assert (onset.phase, onset.layer, onset.direction) == ("backward", "lstm_2", direction)
    assert (onset.tensor, onset.timestep) == ("gradient of hidden_state", timestep)
    assert onset.value in ("inf", "-inf")


def test_an_overflow_between_two_layers_on_the_way_back_is_named_in_the_lower_one():
    onset = onset_with(STACK, name="dropout_1", change=amplified)
    assert (onset.phase, onset.layer, onset.tensor) == ("backward", "lstm_1", "gradient of hidden_state")
    assert onset.timestep == 11


def test_an_overflow_behind_all_lstms_is_named_in_the_front_end():
    config = TrialConfig(**TINY, front_end="conv1d", front_end_activation="linear", clipnorm=None, max_norm=None)
    onset = onset_with(config, name="front_end", change=amplified)
    assert (onset.phase, onset.layer, onset.tensor) == ("backward", "front_end", "gradient of front_end/kernel")
    assert onset.index == (0, 0, 0)


def test_a_learning_rate_of_1e30_overflows_the_first_product_of_two_huge_numbers():
    """The step makes weights of about 1e30. Then x W is finite, h of timestep 0 is about 1e30, and h R is not."""
    config = TrialConfig(**TINY, learning_rate=1e30, clipnorm=None, max_norm=None, recurrent_dropout=0, updates=5)
    number, before, _ = first_event(config, compiled=False)
    onset = seek(config, number, before)
    assert number == 2
    assert np.isfinite(before.weights).all()
    assert (onset.phase, onset.layer, onset.timestep) == ("forward", "lstm_1", 1)
    assert onset.tensor.endswith("_sum")
    by_hand = first_not_finite(config, number, before)
    assert by_hand is not None
    assert tuple(by_hand)[:5] == ("forward", "lstm_1", "forward", onset.tensor, 1)


def test_a_label_of_2_is_told_with_the_onset():
    class Both(Planted):
        def observe(self, name, tensor):
            seen = super().observe(name, tensor)
            return put((0, 0, 0), np.inf)(seen) if name == "lstm_1_norm" else seen

    seeker = partial(Both, name="labels", change=put((3, 0), 2.0))
    onset = seek(STACK, 1, initial_state(STACK).now, seeker)
    assert onset.warning == "the label of sample 3 is 2, not between 0 and 1"
    unharmed = onset_with(STACK, name="inputs", change=put((0, 0, 0), np.inf))
    assert unharmed.warning is None


def test_the_optimizers_overflow_is_named_when_all_before_it_is_finite():
    """g = 1e24 is finite, its square is not: the second running mean of Nadam overflows and no gradient does."""
    onset = onset_with(STACK, name="output_norm", change=partial(amplified, factor=1e12))
    assert onset.phase == "optimizer"
    assert onset.tensor.startswith("running mean 2 of lstm_1/forward/")
    assert onset.value == "inf"


def test_every_event_of_the_compiled_program_has_an_onset_in_its_update():
    generator = random.Random(5)
    phases = {"loss": "loss", "gradient": "backward", "optimizer_state": "optimizer", "weight": "optimizer"}
    met = 0
    while met < 6:
        result = run([explosive({k: v for k, v in PLAIN.items() if k != "updates"}, generator)])[0]
        events = {event: result.timeline[event] for event in EVENTS if result.timeline[event]}
        if not events:
            assert result.onset is None
            continue
        met += 1
        computed = {event: number - (event == "weight") for event, number in events.items()}
        first = min(computed.values())
        assert result.onset.update == first
        assert result.onset.phase in {phases.get(event, "forward") for event, n in computed.items() if n == first}
        if result.diverged:
            assert result.timeline["loss"] == result.time_to_nan
        assert set(result.growth.figures) == set(FIGURES)
