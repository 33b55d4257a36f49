"""Trials side by side in one program: their bits, the trials axis itself, and the random bits drawn for all at once."""

from __future__ import annotations

import random
import time
from collections import Counter

import numpy as np
import pytest
from tensorflow.compiler.tf2xla.ops import gen_xla_ops
from tensorflow.python.ops.parallel_for import pfor

from study.engine import run
from study.engine.compiled import training
from study.engine.compiled.side_by_side import side_by_side
from study.engine.draws import philox
from study.engine.runtime import tf
from study.engine.structure import Structure
from study.trial.config import TrialConfig
from study.trial.errors import UserError
from tests.engine.compiled.test_engine import varied

TINY = {"units": 3, "timesteps": 20, "features": 2, "batch_size": 5}
"""Odd sizes: the trials of a population then start at every place of a vector register."""

SMALL = {"optimizer": "sgd"}
LARGE = {"semantics": "keras-2.2.4", "layers": 2, "front_end": "conv1d"}

POPULATION = 3


def some_trials(structure, *, count, seed):
    """Trials of a structure, many of which diverge; budgets that end in a call of the program and between two."""
    generator = random.Random(seed)
    changes = (
        TINY
        | {"updates": generator.choice([1, 5, 16, 17, 32, 40]), "learning_rate": 10 ** generator.uniform(-3, 3)}
        | {"activation": generator.choice(["relu", "linear", "selu", "tanh"]), "max_norm": None, "clipnorm": None}
        for _ in range(count)
    )
    configs = [varied(structure, generator).model_copy(update=change) for change in changes]
    return [TrialConfig.model_validate(config.model_dump()) for config in configs]


def told(results):
    """All that results say of their trials, losses to the last bit."""
    return [{key: value for key, value in result.as_dict().items() if key != "seconds"} for result in results]


# --- trials ---------------------------------------------------------------------------------------------------------


def same(many, one):
    """Losses of the first 5 updates within 1e-5 relative, time-to-NaN within one update."""
    both = min(len(many.loss), len(one.loss), 5)
    np.testing.assert_allclose(many.loss[:both], one.loss[:both], rtol=1e-5)
    assert many.outcome.name == one.outcome.name
    assert abs(many.updates - one.updates) <= 1


def test_a_trial_is_the_same_to_the_last_bit_alone_in_any_company_and_in_any_slot():
    configs = some_trials(SMALL, count=6 * POPULATION, seed=3)
    alone = [told(run([config], population=POPULATION))[0] for config in configs]
    results = run(configs, population=POPULATION)
    assert [result.config for result in results] == configs
    assert told(results) == alone
    # Some of them end beside others that go on, and both kinds take up slots that were used.
    assert min(Counter(result.outcome.name for result in results).values()) >= 3
    assert len({result.updates for result in results if result.diverged}) >= 3
    generator = random.Random(2)
    for _ in range(2):
        order = generator.sample(range(len(configs)), k=len(configs))
        assert told(run([configs[place] for place in order], population=POPULATION)) == [alone[p] for p in order]


@pytest.mark.parametrize("structure", [SMALL, LARGE])
def test_a_population_agrees_with_the_program_of_one_trial(structure):
    generator = random.Random(3)
    configs = [varied(structure, generator).model_copy(update={**TINY, "updates": 6}) for _ in range(2 * POPULATION)]
    for many, one in zip(run(configs, population=POPULATION), run(configs, population=1), strict=True):
        assert many.config == one.config
        same(many, one)


def test_trials_of_several_structures_come_back_in_order():
    configs = some_trials(SMALL, count=2, seed=4) + some_trials(LARGE, count=2, seed=5)
    configs = [configs[place] for place in (0, 2, 1, 3)]
    results = run(configs, population=POPULATION)
    assert [result.config for result in results] == configs
    assert told(results) == [told(run([config], population=POPULATION))[0] for config in configs]


def test_the_seconds_of_trials_add_up_to_the_time_that_they_took():
    configs = some_trials(SMALL, count=5, seed=6)
    began = time.perf_counter()
    results = run(configs, population=POPULATION)
    wall = time.perf_counter() - began
    assert wall / 2 < sum(result.seconds for result in results) < wall


def test_the_population_is_chosen_by_device_and_memory(monkeypatch):
    small, large = (Structure.of(TrialConfig(units=units)) for units in (16, 512))
    assert training.default_population(large) == 1
    monkeypatch.setattr(training, "device_name", lambda: "a GPU")
    assert training.default_population(small) == 32
    # 15 sequences of 672 x 32 x 512 floats: 0.62 GiB a trial.
    assert training.default_population(large) == 8


def test_the_reference_engine_refuses_a_population():
    with pytest.raises(UserError, match="population=4: the reference engine trains one trial at a time"):
        run([TrialConfig()], engine="reference", population=4)


# --- the trials axis ------------------------------------------------------------------------------------------------


def branches(trial):
    chosen = tf.switch_case(trial["number"], [lambda: trial["x"], lambda: trial["x"] * 2, lambda: trial["x"] - 1])
    return tf.cond(trial["yes"], lambda: (chosen + 1, tf.constant(0.5)), lambda: (chosen, tf.constant(np.nan)))


def loops(trial):
    """A running sum from an end of a sequence, by a loop that starts from what is the same for all trials."""

    def step(t, total, sums):
        row = gen_xla_ops.xla_dynamic_slice(trial["x"], tf.stack([4 - t, 0]), [1, 2])
        total = total + row[0]
        return t + 1, total, gen_xla_ops.xla_dynamic_update_slice(sums, total[tf.newaxis], tf.stack([t, 0]))

    return tf.while_loop(lambda t, *_: t < 5, step, [tf.constant(0), tf.zeros(2), tf.zeros((5, 2))])


def draws(trial):
    drawn = philox.bits((tf.cast(trial["number"], tf.int64) + 2**40, tf.constant(-3, tf.int64)), 15)
    return tf.argsort(tf.bitcast(drawn, tf.int32), stable=True), tf.bitcast(trial["x"], tf.int32)


@pytest.mark.parametrize("function", [branches, loops, draws])
def test_a_function_side_by_side_is_the_function_of_each(function):
    x = np.random.default_rng(0).normal(size=(4, 5, 2)).astype(np.float32)
    x[2] = np.nan
    trials = {"x": x, "number": np.arange(4, dtype=np.int32), "yes": np.array([True, False, False, True])}

    @tf.function(jit_compile=True, autograph=False)
    def together(trials):
        return side_by_side(function, trials)

    @tf.function(jit_compile=True, autograph=False)
    def alone(trial):
        return function(trial)

    found = tf.nest.flatten(together(tf.nest.map_structure(tf.constant, trials)))
    for number in range(4):
        trial = {name: tf.constant(values[number]) for name, values in trials.items()}
        for one, other in zip(found, tf.nest.flatten(alone(trial)), strict=True):
            np.testing.assert_array_equal(one[number] if len(one.shape) > len(other.shape) else one, other)


def test_a_loop_of_different_lengths_is_refused_and_tensorflows_own_conversions_are_back_afterwards():
    before = dict(pfor._pfor_converter_registry)

    def countdown(number):
        return tf.while_loop(lambda left: left > 0, lambda left: left - 1, [number])

    def together(numbers):
        return side_by_side(countdown, numbers)

    with pytest.raises(AssertionError, match="different numbers of rounds"):
        tf.function(together, autograph=False)(tf.constant([1, 2]))
    assert pfor._pfor_converter_registry == before


# --- random bits ----------------------------------------------------------------------------------------------------


def test_bits_are_those_that_tensorflow_draws_words_of_one_rank_together():
    generator = np.random.default_rng(0)
    for seed in generator.integers(-(2**63), 2**63, size=(6, 2)):
        for count in (1, 3, 4, 5, 1026):
            blocks = -(-count // 4)
            drawn = tf.random.stateless_uniform(
                (blocks, 4), seed, minval=None, maxval=None, dtype=tf.uint32, alg=tf.random.Algorithm.PHILOX
            )
            expected = drawn.numpy().T.ravel()[:count]
            np.testing.assert_array_equal(philox.bits(tf.unstack(tf.constant(seed)), count), expected)


def test_the_generator_gives_its_published_numbers():
    """Known answers of `philox4x32 10` in the authors' Random123 library, `kat_vectors`."""
    pi = [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344, 0xA4093822, 0x299F31D0]
    known = {
        (0,) * 6: [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8],
        (0xFFFFFFFF,) * 6: [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD],
        tuple(pi): [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    }
    for words, expected in known.items():
        given = [tf.constant(word, tf.uint32) for word in words]
        assert [int(word) for word in philox.philox(given[:4], given[4:])] == expected
