"""Models drawn at random, each with one planted fault, and an independent way to look for it.

The other way trains by a loop of its own and looks at whole tensors: the data, the outputs of layers called one by one,
states of recurrent layers timestep by timestep, the loss, gradients of every layer's output from the last to the first,
and the weights after the step. It shares nothing with the walk but Keras's layers and optimizers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from tests.models.small import fresh

SAMPLES, BATCH, TIMESTEPS, FEATURES = 48, 16, 10, 3

FAULTS = ("data", "overflow", "recurrence", "operation", "loss", "gradient", "optimizer")

LARGE = {"float32": 1e38, "float16": 4e4, "bfloat16": 1e38}
"""A weight that makes a layer overflow on inputs of about 10."""


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A model, its data, and what was planted.

    Attributes:
        model: Compiled.
        chain: Its layers in order.
        x: (samples, timesteps, features).
        y: (samples, 1).
        weights: Of the samples.
        fault: One of `FAULTS`.
        about: What it is made of, for a message.
    """

    model: keras.Model
    chain: Sequence[Any]
    x: np.ndarray
    y: np.ndarray
    weights: np.ndarray
    fault: str
    about: str


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a training stopped being finite.

    Attributes:
        update: Counted from 1.
        phase: As in an onset.
        layer: Name of the layer of the chain; None of data and loss.
        timestep: Of a recurrent layer and of the inputs.
        rows: All rows of the tensor that have such a number; None where it has no axis of samples.
    """

    update: int
    phase: str
    layer: str | None = None
    timestep: int | None = None
    rows: frozenset[int] | None = None


# --- drawing --------------------------------------------------------------------------------------------------------


def drawn(seed: int) -> Drawn:
    """The model of a number; its fault is that of the number too."""
    draw = fresh(seed)
    fault = FAULTS[seed % len(FAULTS)]
    policy = str(draw.choice(["float32", "float32", "float16", "bfloat16"])) if fault != "optimizer" else "float32"
    activation = str(draw.choice(["tanh", "relu", "selu", "sigmoid"]))
    body = [_body(draw, policy, activation) for _ in range(draw.integers(0, 3))]
    if fault == "recurrence":
        body.append(_recurrent(draw, policy, "relu", return_sequences=True))
    body += [*_to_vector(draw, policy, activation), layers.Dense(4, activation, dtype=policy)]
    if fault == "gradient":
        # A gradient that no weight is before spoils nothing.
        body.insert(0, layers.Dense(3, activation, dtype=policy))
    if fault in ("operation", "gradient"):
        place = int(draw.integers(1, len(body) + 1))
        body.insert(place, layers.Lambda(_function(draw, fault), dtype=policy, name="planted"))
    chain = [*body, layers.Dense(1, dtype="float32", name="last")]
    model = keras.Sequential([keras.Input((TIMESTEPS, FEATURES)), *chain])
    x, y, weights = _data(draw, fault)
    planted = _plant(draw, fault, model, policy)
    loss = _loss(draw) if fault == "loss" else "mse"
    model.compile(optimizer=_optimizer(draw, fault), loss=loss, jit_compile=False)
    kinds = [type(one).__name__ for one in chain]
    return Drawn(
        model=model,
        chain=chain,
        x=x,
        y=y,
        weights=weights,
        fault=fault,
        about=f"seed {seed}: {fault} {planted} in {policy} {activation} {kinds}",
    )


def _recurrent(draw: np.random.Generator, policy: str, activation: str, *, return_sequences: bool) -> Any:
    kind = [layers.LSTM, layers.GRU, layers.SimpleRNN][draw.integers(3)]
    backwards = bool(draw.integers(2))
    return kind(
        3,
        activation=activation,
        return_sequences=return_sequences,
        go_backwards=backwards,
        recurrent_initializer="glorot_uniform",  # the default takes a decomposition that bfloat16 has not
        dtype=policy,
    )


def _body(draw: np.random.Generator, policy: str, activation: str) -> Any:
    def both(kind: type) -> Any:
        inner = kind(3, return_sequences=True, recurrent_initializer="glorot_uniform", dtype=policy)
        return layers.Bidirectional(inner, dtype=policy)

    choices: list[Callable[[], Any]] = [
        lambda: _recurrent(draw, policy, "tanh", return_sequences=True),
        lambda: both(layers.LSTM),
        lambda: both(layers.GRU),
        lambda: layers.Conv1D(4, 3, padding="causal", activation=activation, dtype=policy),
        lambda: layers.TimeDistributed(layers.Dense(3, activation, dtype=policy), dtype=policy),
        lambda: layers.Dense(4, activation, dtype=policy),
        lambda: layers.LayerNormalization(dtype=policy),
        lambda: layers.BatchNormalization(dtype=policy),
        lambda: layers.Dropout(0.0, dtype=policy),
    ]
    return choices[draw.integers(len(choices))]()


def _to_vector(draw: np.random.Generator, policy: str, activation: str) -> list[Any]:
    choices: list[Callable[[], Any]] = [
        lambda: layers.GlobalAveragePooling1D(dtype=policy),
        lambda: layers.GlobalMaxPooling1D(dtype=policy),
        lambda: layers.Flatten(dtype=policy),
        lambda: _recurrent(draw, policy, "tanh", return_sequences=False),
    ]
    return [choices[draw.integers(len(choices))]()]


def _function(draw: np.random.Generator, fault: str) -> Callable[[Any], Any]:
    outside: list[Callable[[Any], Any]] = [
        lambda v: ops.log(v - 1000.0),
        lambda v: ops.sqrt(-1.0 - ops.abs(v)),
        lambda v: v / ops.sum(v * 0, axis=-1, keepdims=True),
        lambda v: ops.exp(1e5 + v * 0),
        lambda v: ops.softmax(v - np.inf, axis=-1),
    ]
    singular: list[Callable[[Any], Any]] = [
        lambda v: v + ops.sqrt(v * 0),
        lambda v: v + ops.norm(v * 0, axis=-1, keepdims=True),
        lambda v: v + ops.arccos(v * 0 + 1),
        lambda v: v + ops.power(ops.abs(v) * 0, 0.5),
    ]
    among = outside if fault == "operation" else singular
    return among[draw.integers(len(among))]


def _loss(draw: np.random.Generator) -> Callable[[Any, Any], Any]:
    choices: list[Callable[[Any, Any], Any]] = [
        lambda y, p: -ops.mean(ops.log(p - 1e3), axis=-1),
        lambda y, p: ops.mean(ops.sqrt(y - p - 1e4), axis=-1),
        lambda y, p: ops.mean(p / (y * 0), axis=-1),
        lambda y, p: ops.mean(ops.exp(ops.abs(p - y) + 1e3), axis=-1),
        lambda y, p: ops.mean(ops.power(ops.abs(p) * -1 - 1, 0.5), axis=-1),
    ]
    return choices[draw.integers(len(choices))]


def _data(draw: np.random.Generator, fault: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x = draw.uniform(0.5, 2, (SAMPLES, TIMESTEPS, FEATURES)).astype("float32")
    y = draw.standard_normal((SAMPLES, 1)).astype("float32")
    weights = np.ones(SAMPLES, "float32")
    if fault == "data":
        value = [np.nan, np.inf][draw.integers(2)]
        array = (x, y, weights)[draw.integers(3)]
        array[tuple(draw.integers(size) for size in array.shape)] = value
    return x, y, weights


def _optimizer(draw: np.random.Generator, fault: str) -> keras.optimizers.Optimizer:
    if fault != "optimizer":
        kinds = [keras.optimizers.SGD, keras.optimizers.Adam, keras.optimizers.RMSprop]
        return kinds[draw.integers(3)](1e-3)
    choices: list[Callable[[], keras.optimizers.Optimizer]] = [
        lambda: keras.optimizers.Adam(1e-3, epsilon=0.0),
        lambda: keras.optimizers.RMSprop(1e-3, epsilon=0.0),
        lambda: keras.optimizers.SGD(3e38, momentum=float(draw.choice([0.0, 0.9]))),
        lambda: keras.optimizers.Adagrad(1e-3, initial_accumulator_value=0.0, epsilon=0.0),
    ]
    return choices[draw.integers(len(choices))]()


def _plant(draw: np.random.Generator, fault: str, model: keras.Model, policy: str) -> str:
    """Put a fault into the weights; what was done."""
    if fault == "overflow":
        able = [layer for layer in model.layers if isinstance(layer, (layers.Dense, layers.Conv1D))]
        layer = able[draw.integers(len(able))]
        large = LARGE[policy] if layer.name != "last" else LARGE["float32"]
        kernel = np.abs(layer.kernel.numpy().astype("float32")) * 0 + large
        layer.kernel.assign(kernel)
        layer.bias.assign(layer.bias.numpy().astype("float32") * 0 + 1.5 * large)
        return layer.name
    if fault == "recurrence":
        able = [
            layer
            for layer in model.layers
            if isinstance(layer, layers.RNN) and layer.activation is keras.activations.relu
        ]
        cell = able[-1].cell
        cell.recurrent_kernel.assign(
            cell.recurrent_kernel.numpy().astype("float32") * 0 + (30.0 if policy == "float16" else 1e6)
        )
        cell.kernel.assign(np.abs(cell.kernel.numpy().astype("float32")))
        if isinstance(cell, layers.GRUCell):
            # Else its update gate keeps the first state.
            shut = np.ones(cell.kernel.shape, "float32")
            shut[:, : cell.units] = -1.0
            for weight in (cell.kernel, cell.recurrent_kernel):
                weight.assign(np.abs(weight.numpy().astype("float32")) * shut[: weight.shape[0]][:1])
        return able[-1].name
    if fault == "optimizer":
        # No gradient comes to the layers before a kernel of zeros.
        model.layers[-1].kernel.assign(np.zeros(model.layers[-1].kernel.shape))
    return ""


# --- looking --------------------------------------------------------------------------------------------------------


def looked_for(given: Drawn, *, updates: int) -> Place | None:
    """Where the training of a drawn model stops being finite, found by whole tensors."""
    for number in range(updates):
        rows = slice((number * BATCH) % SAMPLES, (number * BATCH) % SAMPLES + BATCH)
        place = _update(given, rows, number + 1)
        if place is not None:
            return place
    return None


def _update(given: Drawn, rows: slice, update: int) -> Place | None:
    x, y, weights = given.x[rows], given.y[rows], given.weights[rows]
    for values in (x, y, weights):
        bad = np.argwhere(~np.isfinite(values))
        if len(bad):
            timestep = int(bad[0][1]) if values.ndim == 3 else None
            return Place(update=update, phase="data", timestep=timestep, rows=_rows(values, rows))
    tensor = tf.constant(x)
    outputs: list[Any] = []
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        for layer in given.chain:
            before = tensor
            tensor = layer(before, training=True) if _takes_training(layer) else layer(before)
            if not _finite(tensor):
                timestep = _timestep(layer, before) if isinstance(layer, layers.RNN) else None
                bad_rows = _rows(_numbers(tensor), rows) if timestep is None else None
                return Place(update=update, phase="forward", layer=layer.name, timestep=timestep, rows=bad_rows)
            outputs.append(tensor)
        loss = given.model.compute_loss(x, y, tensor, weights)
    if not _finite(loss):
        return Place(update=update, phase="loss")
    variables = given.model.trainable_variables
    upstream, gradients = tape.gradient(loss, (outputs, [variable.value for variable in variables]))
    place = _backward(given, upstream, dict(zip((v.path for v in variables), gradients, strict=True)), rows, update)
    if place is not None:
        return place
    given.model.optimizer.apply(gradients, variables)
    for layer in given.chain:
        if not all(_finite(variable.value) for variable in layer.variables):
            return Place(update=update, phase="optimizer", layer=layer.name)
    return None


def _backward(given: Drawn, upstream: list[Any], gradients: dict[str, Any], rows: slice, update: int) -> Place | None:
    """The last layer whose output has a finite gradient and whose input or weights have not."""
    for number in reversed(range(len(given.chain))):
        layer = given.chain[number]
        into = [gradients[variable.path] for variable in layer.trainable_variables]
        if number:
            into.append(upstream[number - 1])
        if not all(_finite(one) for one in into if one is not None):
            return Place(update=update, phase="backward", layer=layer.name)
    return None


def _timestep(layer: Any, sequence: Any) -> int:
    """The first timestep after which a state is not finite."""
    sequence = ops.cast(sequence, layer.compute_dtype)
    states = layer.get_initial_state(sequence.shape[0])
    steps = range(sequence.shape[1])
    for t in reversed(steps) if layer.go_backwards else steps:
        _, states = layer.cell(sequence[:, t], states, training=True)
        if not all(_finite(state) for state in states):
            return int(t)
    raise AssertionError("its states are finite")


def _takes_training(layer: Any) -> bool:
    return bool(layer._call_has_training_arg)


def _numbers(tensor: Any) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(ops.cast(tensor, "float32")))


def _finite(tensor: Any) -> bool:
    return bool(np.isfinite(_numbers(tensor)).all())


def _rows(values: np.ndarray, rows: slice) -> frozenset[int]:
    bad = ~np.isfinite(values.reshape(len(values), -1)).all(axis=1)
    return frozenset(int(row) + rows.start for row in np.flatnonzero(bad))
