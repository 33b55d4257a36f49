"""The reference engine against plain Keras, against NumPy, and against itself."""

from __future__ import annotations

import math
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy.special import expit

from study.engine.draws import batches
from study.engine.reference import engine as reference
from study.engine.reference.engine import run
from study.engine.runtime import keras, tf
from study.engine.structure import Structure
from study.trial.config import AXES, TrialConfig
from study.trial.result import TrialResult

SMALL = {"units": 6, "timesteps": 15, "features": 5, "batch_size": 8, "updates": 8, "learning_rate": 1e-2}


def small(**axes):
    return TrialConfig(**{**SMALL, **axes})


def batch(config, update):
    x, y = batches.batch(
        config.seed,
        update,
        batch_size=config.batch_size,
        timesteps=config.timesteps,
        features=config.features,
        input_mean=config.input_mean,
        label_balance=config.label_balance,
        labels_shuffled=config.label_sampling == "shuffled",
        task=config.task,
    )
    return x.numpy(), y.numpy()


def masks_of(config, update, layer=1, direction="forward"):
    return batches.recurrent_masks(
        config.seed,
        update,
        layer=layer,
        direction=direction,
        rate=config.recurrent_dropout,
        gates=len(Structure.of(config).cell.gates),
        batch_size=config.batch_size,
        units=config.units,
    )


def plain_model(config, **compile_arguments):
    """A keras-3 model as a user writes it, with the trial's initial weights."""
    layers = keras.layers
    stack = [keras.Input(batch_shape=(config.batch_size, config.timesteps, config.features))]
    if config.front_end == "conv1d":
        stack.append(layers.Conv1D(config.features, 3, padding="same"))
        if config.batch_norm == "before_activation":
            stack.append(layers.BatchNormalization())
        stack.append(layers.Activation(config.front_end_activation))
    for layer in range(config.layers):
        if config.batch_norm == "input":
            stack.append(layers.BatchNormalization())
        constraint = None if config.max_norm is None else keras.constraints.MaxNorm(config.max_norm, axis=0)
        lstm = layers.LSTM(
            config.units,
            activation=config.activation,
            recurrent_activation=config.recurrent_activation,
            recurrent_dropout=config.recurrent_dropout,
            kernel_constraint=constraint,
            recurrent_constraint=constraint,
            return_sequences=layer < config.layers - 1,
            stateful=config.stateful,
        )
        stack.append(layers.Bidirectional(lstm) if config.bidirectional else lstm)
    if config.batch_norm == "output":
        stack.append(layers.BatchNormalization())
    model = keras.Sequential([*stack, layers.Dense(1, activation="sigmoid")])
    optimizers = {"nadam": "Nadam", "adam": "Adam", "rmsprop": "RMSprop", "sgd": "SGD"}
    optimizer = getattr(keras.optimizers, optimizers[config.optimizer])
    model.compile(
        optimizer=optimizer(learning_rate=config.learning_rate, clipnorm=config.clipnorm),
        loss="binary_crossentropy",
        **compile_arguments,
    )
    for variable, value in zip(model.trainable_variables, batches.initial_weights(config).values(), strict=True):
        variable.assign(value)
    return model


@pytest.mark.parametrize(
    "axes",
    [
        {},
        {"optimizer": "adam", "layers": 2, "batch_norm": "input", "input_mean": 1.0, "updates": 5},
        {"optimizer": "rmsprop", "bidirectional": True, "stateful": True, "activation": "selu"},
        {"optimizer": "sgd", "clipnorm": None, "max_norm": None, "batch_norm": "output", "label_sampling": "bernoulli"},
        {"front_end": "conv1d", "batch_norm": "before_activation", "recurrent_activation": "hard_sigmoid"},
    ],
    ids=["mre", "stacked", "bidirectional_stateful", "unclipped", "front_end"],
)
def test_a_keras_3_trial_is_train_on_batch_of_a_plain_keras_model(axes):
    config = small(recurrent_dropout=0.0, **axes)
    model = plain_model(config, jit_compile=False)
    expected = [model.train_on_batch(*batch(config, update)) for update in range(1, config.updates + 1)]
    np.testing.assert_allclose(run([config])[0].loss, expected, rtol=1e-6)


def test_a_keras_3_trial_with_recurrent_dropout_is_a_plain_keras_lstm_with_those_masks(monkeypatch):
    config = small(recurrent_dropout=0.4, updates=4, timesteps=6)
    current = {}
    model = plain_model(config, run_eagerly=True)
    monkeypatch.setattr(keras.layers.LSTMCell, "get_recurrent_dropout_mask", lambda self, step_input: current["masks"])
    expected = []
    for update in range(1, config.updates + 1):
        current["masks"] = list(masks_of(config, update))
        expected.append(model.train_on_batch(*batch(config, update)))
    monkeypatch.undo()
    np.testing.assert_allclose(run([config])[0].loss, expected, rtol=1e-6)


@pytest.mark.parametrize(("semantics", "bidirectional"), [("keras-3", True), ("keras-2.2.4", False)])
def test_the_first_loss_is_that_of_a_forward_pass_in_numpy(semantics, bidirectional):
    """float64, from the LSTM's equations, with masks by gate, two layers and Dropout."""
    config = small(
        layers=2, recurrent_dropout=0.3, dropout=0.2, semantics=semantics, bidirectional=bidirectional, updates=1
    )
    weights = {name: value.astype(np.float64) for name, value in batches.initial_weights(config).items()}

    def gate(x):
        return expit(x) if semantics == "keras-3" else np.clip(0.2 * x + 0.5, 0, 1)

    def relu(x):
        return np.maximum(x, 0)

    def lstm(x, layer, direction):
        name = f"lstm_{layer}/{direction}"
        masks = masks_of(config, 1, layer, direction).numpy().astype(np.float64)
        kernels = np.split(weights[f"{name}/kernel"], 4, axis=1)
        recurrent_kernels = np.split(weights[f"{name}/recurrent_kernel"], 4, axis=1)
        biases = np.split(weights[f"{name}/bias"], 4)
        h = c = np.zeros((config.batch_size, config.units))
        outputs = []
        for t in range(config.timesteps) if direction == "forward" else reversed(range(config.timesteps)):
            z = [
                x[:, t] @ kernel + (h * mask) @ recurrent + bias
                for kernel, recurrent, bias, mask in zip(kernels, recurrent_kernels, biases, masks, strict=True)
            ]
            c = gate(z[1]) * c + gate(z[0]) * relu(z[2])
            h = gate(z[3]) * relu(c)
            outputs.append(h)
        return np.stack(outputs if direction == "forward" else outputs[::-1], axis=1), h

    x, y = batch(config, 1)
    for layer in (1, 2):
        found = [lstm(x, layer, direction) for direction in Structure.of(config).directions]
        x = np.concatenate([sequence if layer == 1 else last for sequence, last in found], axis=-1)
        x = x * batches.dropout_mask(config.seed, 1, position=layer, rate=0.2, shape=x.shape).numpy()
    p = expit(x @ weights["dense/kernel"] + weights["dense/bias"])
    expected = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
    np.testing.assert_allclose(run([config])[0].loss[0], expected, rtol=1e-5)


def test_dropout_of_an_infinite_activation_is_zero_today_and_was_nan():
    x, mask = tf.constant([np.inf, 2.0, 3.0]), tf.constant([0.0, 2.0, 0.0])
    np.testing.assert_array_equal(reference.drop(x, mask, semantics="keras-3"), [0, 4, 0])
    np.testing.assert_array_equal(reference.drop(x, mask, semantics="keras-2.2.4"), [np.nan, 4, 0])
    theirs = keras.layers.Dropout(0.5, seed=1)(tf.fill([64], np.inf), training=True).numpy()
    assert set(theirs) == {0.0, np.inf}


# --- the same config gives the same losses --------------------------------------------------------------------------

BUSY = {"units": 16, "timesteps": 40, "features": 8, "batch_size": 16, "updates": 15, "layers": 2, "dropout": 0.2}
"""Large enough that several threads, if there were any, would share its products."""


def test_a_trial_is_the_same_to_the_last_bit_twice_in_a_process_with_another_of_its_structure_between():
    config = TrialConfig(**BUSY)
    other = config.model_copy(update={"seed": 9, "learning_rate": 0.05, "dropout": 0.6, "label_balance": 0.5})
    first = run([config])[0]
    between, second = run([other, config])
    assert first.loss == second.loss != between.loss
    reference._training.cache_clear()
    assert run([config])[0].loss == first.loss


def test_structures_are_told_apart_by_every_axis_that_a_graph_depends_on():
    """A trial between two of another structure is not disturbed, nor does it take over what is not its own."""
    configs = [
        small(clipnorm=clipnorm, stateful=stateful)
        for clipnorm, stateful in ((None, False), (0.01, False), (None, True))
    ]
    losses = [result.loss for result in run(configs)]
    assert len(set(losses)) == len(configs)
    assert [result.loss for result in run(configs[::-1])] == losses[::-1]


def test_a_trial_is_the_same_to_the_last_bit_in_a_fresh_process_and_while_another_runs_beside_it():
    config = TrialConfig(**BUSY)
    code = (
        "from study.trial.config import TrialConfig; from study.engine.reference.engine import run\n"
        f"print(run([TrialConfig(**{BUSY!r})])[0].to_json())"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        beside = [run([config])[0].loss]
        while process.poll() is None:
            beside.append(run([config])[0].loss)
        assert process.stdout is not None
        fresh = TrialResult.from_json(process.stdout.read())
    assert len(beside) > 1
    assert set(beside) == {fresh.loss}


def test_trials_of_two_threads_do_not_disturb_each_other():
    configs = [TrialConfig(**{**BUSY, "seed": seed}) for seed in (1, 2)]
    alone = [result.loss for result in run(configs)]
    with ThreadPoolExecutor(2) as threads:
        together = list(threads.map(lambda config: run([config])[0].loss, configs * 2))
    assert together == alone * 2


# --- every axis -----------------------------------------------------------------------------------------------------


def random_config(generator):
    """A small configuration with a random choice on every axis that has choices."""
    values = {}
    for axis in AXES.values():
        if axis.choices:
            values[axis.name] = generator.choice(axis.choices)
        elif axis.kind == "bool":
            values[axis.name] = generator.random() < 0.5
    values |= {
        "units": generator.randint(1, 5),
        "layers": generator.randint(1, 2),
        "timesteps": generator.randint(1, 6),
        "features": generator.randint(1, 4),
        "batch_size": generator.randint(2, 6),
        "recurrent_dropout": generator.choice([0.0, 1e-6, 0.5]),
        "dropout": generator.choice([0.0, 1e-6, 0.5]),
        "learning_rate": 10 ** generator.uniform(-4, 0),
        "clipnorm": generator.choice([None, 0.1, 50.0]),
        "max_norm": generator.choice([None, 0.5]),
        "label_balance": generator.random(),
        "input_mean": generator.uniform(-2, 2),
        "updates": 3,
        "seed": generator.randrange(2**31),
    }
    if values["cell"] != "lstm":
        values["semantics"] = "keras-3"
    if values["cell"] == "simple_rnn":
        values["recurrent_activation"] = "none"
    elif values["recurrent_activation"] == "none":
        values["recurrent_activation"] = "tanh"
    if values["front_end"] == "none":
        values["front_end_activation"] = "none"
        if values["batch_norm"] == "before_activation":
            values["batch_norm"] = "input"
    elif values["front_end_activation"] == "none":
        values["front_end_activation"] = "elu"
    return TrialConfig(**values)


@pytest.mark.parametrize("number", range(5))
def test_a_random_configuration_over_every_axis_trains_and_starts_with_its_own_weights(number):
    config = random_config(random.Random(number))
    model = reference.training_of(config).model
    weights = batches.initial_weights(config)
    assert list(model.weights) == list(weights)
    for name, value in weights.items():
        np.testing.assert_array_equal(model.weights[name].numpy(), value)
    result = run([config])[0]
    assert result.config == config
    assert result.engine == "reference"
    assert result.seconds > 0
    assert all(loss == float(np.float32(loss)) or math.isnan(loss) for loss in result.loss)


@pytest.mark.parametrize(
    "axes",
    [
        {"recurrent_dropout": 0.0},
        {"dropout": 0.3},
        {"learning_rate": 2e-2},
        {"clipnorm": 1e-3},
        {"max_norm": None},
        {"label_balance": 0.5},
        {"label_sampling": "bernoulli"},
        {"input_mean": 1.0},
        {"semantics": "keras-2.2.4", "recurrent_activation": "sigmoid"},
        {"seed": 2},
    ],
    ids=lambda axes: ",".join(f"{name}={value}" for name, value in axes.items()),
)
def test_rates_clipping_labels_inputs_semantics_and_seed_have_an_effect(axes):
    assert run([small(updates=4, **axes)])[0].loss != run([small(updates=4)])[0].loss


def test_a_rate_of_one_in_a_million_masks_and_a_rate_of_zero_does_not():
    tiny, none = (reference.build_model(small(recurrent_dropout=rate, dropout=rate)) for rate in (1e-6, 0.0))
    arguments = {"recurrent_dropout": tf.constant(1e-6), "dropout": tf.constant(1e-6)}
    masks = tiny.masks(0, 1, **arguments)
    assert {name: tuple(mask.shape) for name, mask in masks.items()} == {
        "lstm_1/forward": (4, 8, 6),
        "dropout_1": (8, 6),
    }
    assert none.masks(0, 1, **arguments) == {}
    close, exact = run([small(recurrent_dropout=1e-6), small(recurrent_dropout=0.0)])
    np.testing.assert_allclose(close.loss, exact.loss, rtol=1e-4)


@pytest.mark.parametrize("semantics", ["keras-3", "keras-2.2.4"])
def test_max_norm_holds_for_both_kernels_of_every_lstm_and_for_nothing_else(semantics):
    config = small(max_norm=0.05, bidirectional=True, front_end="conv1d", semantics=semantics, optimizer="sgd")
    training = reference.training_of(config)
    training.update(1)
    for name, weight in training.model.weights.items():
        norms = np.linalg.norm(weight.numpy(), axis=0)
        if name.startswith("lstm") and name.endswith("kernel"):
            assert norms.max() <= 0.05 * (1 + 1e-5), name
        elif name.endswith("kernel"):
            assert norms.max() > 0.06, name


def test_a_bidirectional_layer_doubles_the_inputs_of_what_follows():
    shapes = {
        bidirectional: {
            name: tuple(weight.shape)
            for name, weight in reference.build_model(small(layers=2, bidirectional=bidirectional)).weights.items()
        }
        for bidirectional in (False, True)
    }
    assert shapes[False]["dense/kernel"] == (6, 1)
    assert shapes[True]["dense/kernel"] == (12, 1)
    assert shapes[False]["lstm_2/forward/kernel"] == (6, 24)
    assert shapes[True]["lstm_2/backward/kernel"] == (12, 24)


def test_a_stateful_trial_starts_at_zero_and_carries_its_state_on():
    plain, stateful = run([small(stateful=False), small(stateful=True)])
    assert plain.loss[0] == stateful.loss[0]
    assert plain.loss[1:] != stateful.loss[1:]


# --- divergence -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("semantics", ["keras-3", "keras-2.2.4"])
def test_a_diverging_trial_stops_at_its_first_loss_that_is_not_finite(semantics):
    config = TrialConfig(
        units=16, timesteps=200, features=8, batch_size=8, learning_rate=0.3, updates=60, semantics=semantics
    )
    result = run([config])[0]
    assert result.diverged
    assert result.outcome.name == "diverged"
    assert not math.isfinite(result.loss[-1])
    assert all(math.isfinite(loss) for loss in result.loss[:-1])
    assert 1 < result.time_to_nan == len(result.loss) < config.updates


def test_a_surviving_trial_runs_to_its_budget():
    result = run([small(activation="tanh", updates=5)])[0]
    assert not result.diverged
    assert result.time_to_nan is None
    assert result.updates == 5
