"""The model of a trial as one pure function of weights, batch and masks; its wiring is mostly chosen at run time.

    input -> [Conv1D -> [BatchNormalization] -> activation -> Dropout]
          -> each layer: [BatchNormalization] -> recurrent layer or Bidirectional of one -> Dropout
          -> [BatchNormalization] -> Dense(1)

Compiling takes seconds, and most trials of a sweep over the wiring would need a program of their own. So the
normalisations are in every program and `Wiring`, a run-time input, says which is used; it chooses the activations as
well. Weights that are not used keep their values, as their gradients are zero. Only the front end is a matter of the
program's structure: it would cost every trial its convolution.

XLA's bridge evaluates everything upstream of a `tf.cond` or `tf.switch_case` to learn whether it is constant, number by
number where that is a sum over a batch, which took 10 seconds. So what stands behind a sum is selected, not branched.

Sequences are time-major, (timesteps, batch, width).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias, get_args

import numpy as np

from study.engine import keras_2_2_4
from study.engine.cells import activations
from study.engine.cells.recurrence import Probe, Recurrence
from study.engine.compiled.observers import BARE, Instruments
from study.engine.draws import batches
from study.engine.runtime import tf
from study.engine.structure import Structure
from study.engine.tensors import BatchUnits, Tensor, TimeBatchUnits
from study.trial.axes import NONE
from study.trial.config import TrialConfig

BATCH_NORMALIZATION_EPSILON = 1e-3
"""Keras's default, in both versions."""


class Wiring(NamedTuple):
    """The part of the wiring that is chosen at run time: scalars, bool or int32."""

    activation: Tensor
    front_end_activation: Tensor
    norm_input: Tensor
    norm_before_activation: Tensor
    norm_output: Tensor
    stateful: Tensor

    @classmethod
    def of(cls, config: TrialConfig) -> Wiring:
        front_end_activation = "linear" if config.front_end_activation == NONE else config.front_end_activation
        return cls(
            activation=np.int32(activations.number_of(config.activation)),
            front_end_activation=np.int32(activations.number_of(front_end_activation)),
            norm_input=np.bool_(config.batch_norm == "input"),
            norm_before_activation=np.bool_(config.batch_norm == "before_activation"),
            norm_output=np.bool_(config.batch_norm == "output"),
            stateful=np.bool_(config.stateful),
        )


FRONT_END_ACTIVATIONS = tuple(
    name for name in get_args(TrialConfig.model_fields["front_end_activation"].annotation) if name != NONE
)

State: TypeAlias = Mapping[str, tuple[BatchUnits, ...]]
"""Of every recurrence the states of its cell, in the cell's order."""


def initial_weights(config: TrialConfig) -> dict[str, np.ndarray]:
    """Weights of `Structure.weights`: those of `batches`, and zeros for what the trial's wiring leaves out."""
    given = batches.initial_weights(config)
    shapes = Structure.of(config).weights()
    assert set(given) <= set(shapes)
    return {name: given.get(name, np.zeros(shape, np.float32)) for name, shape in shapes.items()}


def masks(
    seed: Tensor, update: Tensor, *, recurrent_dropout: Tensor, dropout: Tensor, structure: Structure
) -> dict[str, Tensor]:
    """Dropout masks of an update by name, as the reference names them, but sequences are time-major.

    Where the rate is zero they are all ones, which changes no bit of what they are multiplied with.
    """

    def drawn(rate: Tensor, shape: Sequence[int], draw: Callable[[], Tensor]) -> Tensor:
        return tf.cond(rate > 0, draw, lambda: tf.ones(shape))

    def recurrent(layer: int, direction: str) -> Tensor:
        gates, batch_size, units = len(structure.cell.gates), structure.batch_size, structure.units
        return drawn(
            recurrent_dropout,
            (gates, batch_size, units),
            lambda: batches.recurrent_masks(
                seed,
                update,
                layer=layer,
                direction=direction,
                rate=recurrent_dropout,
                gates=gates,
                batch_size=batch_size,
                units=units,
            ),
        )

    def after_layer(position: int) -> Tensor:
        if position == structure.layers:
            shape: tuple[int, ...] = (structure.batch_size, structure.width)
            return drawn(
                dropout,
                shape,
                lambda: batches.dropout_mask(seed, update, position=position, rate=dropout, shape=shape),
            )
        width = structure.width if position else structure.features
        shape = (structure.batch_size, structure.timesteps, width)
        return drawn(
            dropout,
            (structure.timesteps, structure.batch_size, width),
            lambda: time_major(batches.dropout_mask(seed, update, position=position, rate=dropout, shape=shape)),
        )

    by_recurrence = {
        f"{layer}/{direction}": recurrent(number, direction)
        for number, layer in enumerate(structure.layer_names(), start=1)
        for direction in structure.directions
    }
    first = 1 if structure.front_end == NONE else 0
    return by_recurrence | {
        f"dropout_{position}": after_layer(position) for position in range(first, structure.layers + 1)
    }


def time_major(sequences: Tensor) -> Tensor:
    """(batch, timesteps, width) -> (timesteps, batch, width)."""
    return tf.transpose(sequences, [1, 0, 2])


def logits(
    weights: Mapping[str, Tensor],
    inputs: Tensor,
    masks: Mapping[str, Tensor],
    state: State,
    *,
    wiring: Wiring,
    structure: Structure,
    instruments: Instruments = BARE,
) -> tuple[Tensor, dict[str, tuple[BatchUnits, ...]], dict[str, Probe]]:
    """The model in training mode, differentiable in the weights.

    Args:
        weights: By name, shapes as in `Structure.weights`.
        inputs: (timesteps, batch, features).
        masks: As `masks` gives them.
        state: Before the update; zeros where the trial is not stateful.
        wiring: What of the model is used.
        structure: Of the trial.
        instruments: Are shown every tensor between the layers, and go on with what they return.

    Returns:
        Logits of a '1' label, (batch, 1); the state after the update; a probe of every recurrence.
    """
    semantics = structure.semantics
    x = inputs
    needs_gradient: Tensor | None = wiring.norm_input  # the batch itself has no use for one
    if structure.front_end != NONE:
        x = front_end(weights, inputs, masks["dropout_0"], wiring=wiring, semantics=semantics, instruments=instruments)
        needs_gradient = None
    new_state: dict[str, tuple[BatchUnits, ...]] = {}
    probes: dict[str, Probe] = {}
    cell = structure.cell
    for number, layer in enumerate(structure.layer_names(), start=1):
        x = optional(
            wiring.norm_input,
            batch_normalization,
            x,
            weights[f"{layer}_norm/gamma"],
            weights[f"{layer}_norm/beta"],
        )
        x = instruments.observe(f"{layer}_norm", x)
        outputs = []
        for direction in structure.directions:
            name = f"{layer}/{direction}"
            input_bias, recurrent_bias = cell.biases(weights[f"{name}/bias"])
            projections = project(
                x,
                weights[f"{name}/kernel"],
                input_bias,
                gates=len(cell.gates),
                needs_gradient=needs_gradient if number == 1 else None,
            )
            output, new_state[name], probes[name] = instruments.run(
                projections,
                weights[f"{name}/recurrent_kernel"],
                recurrent_bias,
                tf.unstack(masks[name]),
                state[name],
                recurrence=Recurrence(
                    name=name,
                    cell=cell,
                    activation=wiring.activation,
                    recurrent_activation=structure.recurrent_activation,
                    semantics=semantics,
                    backwards=direction == "backward",
                ),
                return_sequences=number < structure.layers,
            )
            outputs.append(output)
        x = outputs[0] if len(outputs) == 1 else tf.concat(outputs, axis=-1)
        if number == structure.layers:
            x = optional(
                wiring.norm_output,
                batch_normalization,
                x,
                weights["output_norm/gamma"],
                weights["output_norm/beta"],
            )
            x = instruments.observe("output_norm", x)
        x = instruments.observe(f"dropout_{number}", drop(x, masks[f"dropout_{number}"], semantics=semantics))
    logits = tf.matmul(x, weights["dense/kernel"]) + weights["dense/bias"]
    return instruments.observe("dense", logits), new_state, probes


def front_end(
    weights: Mapping[str, Tensor],
    inputs: Tensor,
    mask: Tensor,
    *,
    wiring: Wiring,
    semantics: str,
    instruments: Instruments = BARE,
) -> Tensor:
    """Conv1D(features, 3, padding="same"), [BatchNormalization], activation and Dropout."""
    x = convolution(inputs, weights["front_end/kernel"], weights["front_end/bias"])
    x = instruments.observe("front_end", x)
    x = optional(
        wiring.norm_before_activation,
        batch_normalization,
        x,
        weights["front_end_norm/gamma"],
        weights["front_end_norm/beta"],
    )
    x = instruments.observe("front_end_norm", x)
    x = activations.selected(wiring.front_end_activation, x, FRONT_END_ACTIVATIONS, semantics=semantics)
    x = instruments.observe("front_end_activation", x)
    return instruments.observe("dropout_0", drop(x, mask, semantics=semantics))


def convolution(x: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    """Convolution over time of width 3, zero beyond the ends: (timesteps, batch, features), the same shape."""
    padded = tf.pad(x, [[1, 1], [0, 0], [0, 0]])
    windows = tf.concat([padded[:-2], x, padded[2:]], axis=2)
    return matmul(windows, tf.reshape(kernel, [-1, kernel.shape[-1]])) + bias


def batch_normalization(x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    """Normalise every feature over all else, by the batch's own moments.

    S. Ioffe and C. Szegedy, "Batch normalization", 2015; Keras's layer in training mode.
    """
    mean, variance = tf.nn.moments(x, axes=list(range(len(x.shape) - 1)))
    return tf.nn.batch_normalization(x, mean, variance, beta, gamma, BATCH_NORMALIZATION_EPSILON)


def drop(x: Tensor, mask: Tensor, *, semantics: str) -> Tensor:
    """Dropout with a given mask; as in the reference, Keras 3 selects and Keras 2.2.4 multiplies."""
    return tf.where(mask > 0, x * mask, 0.0) if semantics == "keras-3" else x * mask


def matmul(x: Tensor, matrix: Tensor) -> Tensor:
    """x @ matrix for an x of any rank, as one product."""
    return tf.reshape(tf.matmul(tf.reshape(x, [-1, x.shape[-1]]), matrix), [*x.shape[:-1], matrix.shape[-1]])


def project(
    x: Tensor, kernel: Tensor, bias: Tensor, *, gates: int, needs_gradient: Tensor | None
) -> list[TimeBatchUnits]:
    """x W + b of every gate for all timesteps at once.

    Args:
        x: (timesteps, batch, width).
        kernel: (width, gates x units).
        bias: (gates x units,).
        gates: Their number.
        needs_gradient: Whether the gradient of x is wanted, a run-time bool; None is yes. It is zeros where it is not.
    """

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def apply(x: Tensor, kernel: Tensor, bias: Tensor) -> Any:
        kernels, biases = tf.split(kernel, gates, axis=1), tf.split(bias, gates)
        flat = tf.reshape(x, [-1, x.shape[-1]])

        def gradient(*upstream: Tensor) -> list[Tensor]:
            flat_upstream = [tf.reshape(d, [-1, d.shape[-1]]) for d in upstream]

            def d_x() -> Tensor:
                products = [tf.matmul(d, k, transpose_b=True) for d, k in zip(flat_upstream, kernels, strict=True)]
                return tf.reshape(tf.add_n(products), x.shape)

            return [
                d_x() if needs_gradient is None else tf.cond(needs_gradient, d_x, lambda: tf.zeros(x.shape)),
                tf.concat([tf.matmul(flat, d, transpose_a=True) for d in flat_upstream], axis=1),
                tf.concat([tf.reduce_sum(d, axis=[0, 1]) for d in upstream], axis=0),
            ]

        return [matmul(x, k) + b for k, b in zip(kernels, biases, strict=True)], gradient

    return list(apply(x, kernel, bias))


def optional(used: Tensor, function: Callable[..., Tensor], x: Tensor, *weights: Tensor) -> Tensor:
    """`function(x, *weights)` where `used`, a run-time bool, and x elsewhere; differentiable in x and the weights.

    Both are computed. The gradient is selected too: where the function is not used, no NaN of it gets through.
    """

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def apply(x: Tensor, *weights: Tensor) -> Any:
        with tf.GradientTape() as tape:
            tape.watch([x, *weights])
            y = function(x, *weights)

        def gradient(upstream: Tensor) -> list[Tensor]:
            gradients = tape.gradient(y, [x, *weights], output_gradients=upstream)
            unused = [upstream, *(tf.zeros(weight.shape) for weight in weights)]
            return [tf.where(used, one, other) for one, other in zip(gradients, unused, strict=True)]

        return tf.where(used, y, x), gradient

    return apply(x, *weights)


def loss_of(labels: Tensor, logits: Tensor, *, semantics: str) -> Tensor:
    """Mean binary cross-entropy after a sigmoid, a scalar: from the logit, or by way of the clipped probability."""
    if semantics == "keras-2.2.4":
        return keras_2_2_4.binary_crossentropy(labels, tf.sigmoid(logits))
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits))
