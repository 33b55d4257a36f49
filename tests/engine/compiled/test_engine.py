"""The compiled engine: against the reference on every axis, its bits, and each pure function against its formula."""

from __future__ import annotations

import math
import random
import subprocess
import sys
from typing import Any, get_args

import numpy as np
import pytest

from study.engine import keras_2_2_4, run
from study.engine.agreement import compare
from study.engine.compiled import model, optimizer, training
from study.engine.compiled.state import UPDATES_PER_CALL
from study.engine.draws import batches
from study.engine.reference.engine import loss_of
from study.engine.runtime import keras, tf
from study.engine.structure import Structure
from study.trial.config import TrialConfig
from study.trial.result import TrialResult

PLAIN = {"units": 6, "timesteps": 100, "features": 3, "batch_size": 8, "updates": 20}
"""The structure that most tests share, since each takes seconds to compile."""

STRUCTURES: list[dict[str, Any]] = [
    {},
    {"layers": 2, "front_end": "conv1d"},
    {"semantics": "keras-2.2.4"},
    {"semantics": "keras-2.2.4", "bidirectional": True, "front_end": "conv1d", "optimizer": "adam"},
    {"cell": "gru", "bidirectional": True, "layers": 2},
    {"cell": "simple_rnn", "front_end": "conv1d"},
]


def trial(**axes):
    return TrialConfig(**{**PLAIN, **axes})


def varied(structure, generator):
    """A trial of the structure with a random choice on every axis that is a run-time input."""
    front_end = "front_end" in structure
    return trial(
        **structure,
        activation=generator.choice(get_args(TrialConfig.model_fields["activation"].annotation)),
        front_end_activation=generator.choice(model.FRONT_END_ACTIVATIONS) if front_end else "none",
        batch_norm=generator.choice(["none", "input", "output", "before_activation"][: 4 if front_end else 3]),
        recurrent_dropout=generator.choice([0.0, 1e-6, 0.5]),
        dropout=generator.choice([0.0, 0.5]),
        learning_rate=10 ** generator.uniform(-4, -1),
        clipnorm=generator.choice([None, 0.1, 50.0]),
        max_norm=generator.choice([None, 0.5]),
        label_balance=generator.random(),
        label_sampling=generator.choice(["shuffled", "bernoulli"]),
        input_mean=generator.uniform(-2, 2),
        stateful=generator.random() < 0.5,
        seed=generator.randrange(2**31),
    ).model_copy(update={"updates": 6})


@pytest.mark.parametrize("structure", range(len(STRUCTURES)))
def test_it_agrees_with_the_reference_on_every_axis(structure):
    generator = random.Random(structure)
    found = [compare(varied(STRUCTURES[structure], generator)) for _ in range(3)]
    assert all(one.compiled.engine == "compiled" and one.reference.engine == "reference" for one in found)
    assert all(one.agrees or one.is_rounding for one in found)
    assert sum(one.agrees for one in found) >= 2


@pytest.mark.parametrize("semantics", ["keras-3", "keras-2.2.4"])
def test_it_stops_at_the_first_loss_that_is_not_finite_where_the_reference_does(semantics):
    config = trial(learning_rate=0.12, max_norm=None, semantics=semantics, updates=40)
    found = compare(config)
    assert found.compiled.diverged
    assert 2 <= found.compiled.updates < config.updates
    assert found.same_verdict
    assert found.same_time
    assert found.agrees or found.is_rounding  # losses of 1e31 have the weights' last bits in their fifth digit


def test_a_budget_of_any_length_is_kept():
    losses = run([trial(activation="tanh", updates=50)], engine="compiled")[0].loss
    for updates in (1, UPDATES_PER_CALL, UPDATES_PER_CALL + 1):
        result = run([trial(activation="tanh", updates=updates)], engine="compiled")[0]
        assert result.loss == losses[:updates]


# --- bits and programs ----------------------------------------------------------------------------------------------


def test_a_trial_is_the_same_to_the_last_bit_again_after_others_and_in_a_fresh_process():
    config = trial(recurrent_dropout=0.3, dropout=0.2, stateful=True, batch_norm="input")
    others = [trial(activation="selu", learning_rate=0.5), trial(semantics="keras-2.2.4", updates=2)]
    alone = run([config], engine="compiled")[0].loss
    assert run([*others, config, config], engine="compiled")[2].loss == alone
    code = (
        "from study.trial.config import TrialConfig; from study.engine import run\n"
        f"print(run([TrialConfig(**{config.model_dump()!r})], engine='compiled')[0].to_json())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert TrialResult.from_json(done.stdout).loss == alone


def test_trials_that_differ_in_run_time_inputs_share_one_program():
    generator = random.Random(7)
    configs = [varied({}, generator) for _ in range(8)]
    run(configs, engine="compiled")
    programs = {training.program_of(Structure.of(config)) for config in configs}
    assert [program.traces for program in programs] == [1]
    assert len({(config.activation, config.batch_norm, config.clipnorm) for config in configs}) > 4


# --- the rest of the model ------------------------------------------------------------------------------------------


def test_the_convolution_and_the_normalisation_are_those_of_keras():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(4, 7, 3)).astype(np.float32)
    layer = keras.layers.Conv1D(3, 3, padding="same")
    expected = layer(x)
    found = model.convolution(tf.transpose(x, [1, 0, 2]), layer.kernel.value, tf.constant([0.0, 0.0, 0.0]))
    np.testing.assert_allclose(tf.transpose(found, [1, 0, 2]), expected, rtol=1e-5, atol=1e-6)
    gamma, beta = (generator.normal(size=3).astype(np.float32) for _ in range(2))
    norm = keras.layers.BatchNormalization()
    norm.build(x.shape)
    norm.gamma.assign(gamma)
    norm.beta.assign(beta)
    np.testing.assert_allclose(model.batch_normalization(x, gamma, beta), norm(x, training=True), rtol=1e-5, atol=1e-6)


def test_what_is_not_used_lets_no_nan_through_and_changes_no_bit():
    x, gamma, beta = tf.constant([[1.0, np.inf], [2.0, 3.0]]), tf.constant([1.0, 2.0]), tf.constant([0.0, 0.0])
    with tf.GradientTape() as tape:
        tape.watch([x, gamma, beta])
        y = model.optional(tf.constant(False), model.batch_normalization, x, gamma, beta)
    gradients = tape.gradient(y, [x, gamma, beta])
    np.testing.assert_array_equal(y, x)
    for found, expected in zip(gradients, [np.ones((2, 2)), np.zeros(2), np.zeros(2)], strict=True):
        np.testing.assert_array_equal(found, expected)


def test_masks_are_the_references_with_time_first_and_ones_at_a_rate_of_zero():
    structure = Structure.of(trial(layers=2, front_end="conv1d"))
    masks = model.masks(3, 2, recurrent_dropout=tf.constant(0.4), dropout=tf.constant(0.0), structure=structure)
    assert {name: tuple(mask.shape) for name, mask in masks.items()} == {
        "lstm_1/forward": (4, 8, 6),
        "lstm_2/forward": (4, 8, 6),
        "dropout_0": (100, 8, 3),
        "dropout_1": (100, 8, 6),
        "dropout_2": (8, 6),
    }
    expected = batches.recurrent_masks(3, 2, layer=2, direction="forward", rate=0.4, gates=4, batch_size=8, units=6)
    np.testing.assert_array_equal(masks["lstm_2/forward"], expected)
    assert all(np.all(masks[f"dropout_{position}"] == 1) for position in range(3))
    drawn = model.masks(3, 2, recurrent_dropout=tf.constant(0.0), dropout=tf.constant(0.4), structure=structure)
    expected = batches.dropout_mask(3, 2, position=1, rate=0.4, shape=(8, 100, 6))
    np.testing.assert_array_equal(drawn["dropout_1"], tf.transpose(expected, [1, 0, 2]))


@pytest.mark.parametrize("semantics", ["keras-3", "keras-2.2.4"])
def test_the_loss_is_the_references(semantics):
    labels = np.array([[0.0], [1.0], [1.0], [0.0]], np.float32)
    for logits in ([0.3, -2.0, 40.0, 5.0], [np.inf, 0.0, 0.0, 0.0], [np.nan, 0.0, 1.0, 0.0]):
        logits = tf.constant(np.array(logits, np.float32)[:, np.newaxis])
        expected = loss_of(labels, keras.activations.sigmoid(logits), semantics=semantics)
        np.testing.assert_allclose(model.loss_of(labels, logits, semantics=semantics), expected, rtol=1e-6)


# --- the optimizer --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["nadam", "adam", "rmsprop", "sgd"])
@pytest.mark.parametrize("clipnorm", [None, 1.0])
def test_rules_and_clipping_of_keras_3_follow_its_optimizers(name, clipnorm):
    generator = np.random.default_rng(0)
    start = {"kernel": generator.normal(size=(4, 3)), "bias": generator.normal(size=3)}
    theirs = {key: keras.Variable(value.astype(np.float32)) for key, value in start.items()}
    keras_optimizer = keras.optimizers.get({"class_name": name, "config": {"learning_rate": 0.01}})
    keras_optimizer.clipnorm = clipnorm
    rule, slot_count = optimizer.RULES["keras-3"][name]
    ours = {key: tf.constant(value, tf.float32) for key, value in start.items()}
    slots = {key: (tf.zeros(value.shape),) * slot_count for key, value in ours.items()}
    momentum_product = tf.constant(1.0)
    for step in range(1, 9):
        gradients = {key: tf.constant(generator.normal(size=v.shape), tf.float32) for key, v in start.items()}
        keras_optimizer.apply(list(gradients.values()), list(theirs.values()))
        limit = tf.constant(math.inf if clipnorm is None else clipnorm)
        gradients = optimizer.clip(gradients, limit, semantics="keras-3")
        momentum_product = momentum_product * optimizer.nadam_momentum(tf.constant(float(step)))
        for key in ours:
            ours[key], slots[key] = rule(
                ours[key],
                gradients[key],
                slots[key],
                step=tf.constant(float(step)),
                learning_rate=tf.constant(0.01),
                momentum_product=momentum_product,
            )
            np.testing.assert_allclose(ours[key], theirs[key].value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("largest", [1.0, 1e25, np.inf, np.nan])
@pytest.mark.parametrize("clipnorm", [0.5, 50.0])
def test_clipping_treats_infinite_and_nan_norms_as_both_kerases_do(largest, clipnorm):
    gradients = {"a": tf.constant([largest, 2.0, 0.0]), "b": tf.constant([[0.1], [-0.2]])}
    own = optimizer.clip(gradients, tf.constant(clipnorm), semantics="keras-3")
    common = optimizer.clip(gradients, tf.constant(clipnorm), semantics="keras-2.2.4")
    expected = keras_2_2_4.clip_by_global_norm(list(gradients.values()), clipnorm)
    for number, name in enumerate(gradients):
        np.testing.assert_allclose(own[name], tf.clip_by_norm(gradients[name], clipnorm), rtol=1e-6)
        np.testing.assert_allclose(common[name], expected[number], rtol=1e-6)
    for semantics in ("keras-3", "keras-2.2.4"):
        untouched = optimizer.clip(gradients, tf.constant(math.inf), semantics=semantics)
        np.testing.assert_array_equal(untouched["a"], gradients["a"])


def test_the_constraint_is_max_norm_and_none_changes_no_bit():
    weight = tf.constant(np.random.default_rng(0).normal(size=(6, 4)), tf.float32)
    expected = keras.constraints.MaxNorm(1.5, axis=0)(weight)
    np.testing.assert_allclose(optimizer.constrain(weight, tf.constant(1.5)), expected, rtol=1e-6)
    np.testing.assert_array_equal(optimizer.constrain(weight, tf.constant(math.inf)), weight)
