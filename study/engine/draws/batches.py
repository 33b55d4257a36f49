"""What a trial is fed: initial weights, inputs, labels and dropout masks. The one place that draws them.

All are functions of the seed and, but for the weights, of the update. The draws of an update are pure functions
over tensors, and every argument that is not a shape may be a run-time tensor, so that they can be called eagerly,
in a graph, or inside an XLA program (`jit_compile=True`).

**They give the same bits in all three.** TensorFlow's own float draws do not: XLA turns the random bits into
uniforms and normals in another way than the other kernels. So only raw bits are drawn, by `philox`, and everything made
of them is exact in float32: comparisons, sorting, and normals from a table (see `_normal`).

Reference of the generator: J. K. Salmon, M. A. Moraes, R. O. Dror and D. E. Shaw, "Parallel random numbers: as easy
as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import IntEnum
from functools import cache
from statistics import NormalDist
from typing import Any

import numpy as np

from study.engine.draws import philox
from study.engine.runtime import keras, tf
from study.engine.structure import DIRECTIONS, Structure
from study.engine.tensors import Tensor
from study.trial.axes import NONE
from study.trial.config import TrialConfig


class _Purpose(IntEnum):
    """What a stream is for. A new purpose gets a new number; changing one changes every trial."""

    INPUTS = 1
    LABELS = 2
    RECURRENT_DROPOUT = 3
    DROPOUT = 4
    WEIGHTS = 5


# --- initial weights ------------------------------------------------------------------------------------------------


def initial_weights(config: TrialConfig) -> dict[str, np.ndarray]:
    """Trainable weights at the start of a trial, by name, in the order in which the model uses them.

    Kernels are glorot uniform, recurrent kernels orthogonal and biases zero, or as `Cell.initial_bias` says, the
    defaults of every Keras since 2.0; Keras's own initializers draw them, on the CPU, so that a trial starts the same
    on a GPU.

    Names and shapes, here of LSTMs, with `width` features entering a layer; those of a cell are `Cell.weights`:

    - `front_end/kernel` (3, features, features), `front_end/bias` (features,)
    - `front_end_norm/gamma` and `front_end_norm/beta` (features,)
    - `lstm_1_norm/gamma` and `lstm_1_norm/beta` (width,), of the normalisation before that layer
    - `lstm_1/forward/kernel` (width, 4 units), `lstm_1/forward/recurrent_kernel` (units, 4 units),
      `lstm_1/forward/bias` (4 units,); the same for `backward`
    - `output_norm/gamma` and `output_norm/beta` (units x directions,)
    - `dense/kernel` (units x directions, 1), `dense/bias` (1,)
    """
    structure = Structure.of(config)
    cell = structure.cell
    weights: dict[str, np.ndarray] = {}
    width = config.features

    def normalisation(name: str) -> None:
        weights[f"{name}/gamma"] = np.ones(width, np.float32)
        weights[f"{name}/beta"] = np.zeros(width, np.float32)

    if config.front_end != NONE:
        weights["front_end/kernel"] = _glorot_uniform((3, width, width), config.seed, "front_end")
        weights["front_end/bias"] = np.zeros(width, np.float32)
        if config.batch_norm == "before_activation":
            normalisation("front_end_norm")
    for layer in structure.layer_names():
        if config.batch_norm == "input":
            normalisation(f"{layer}_norm")
        for direction in structure.directions:
            name, shapes = f"{layer}/{direction}", cell.weights(width, config.units)
            weights[f"{name}/kernel"] = _glorot_uniform(shapes["kernel"], config.seed, f"{name}/kernel")
            weights[f"{name}/recurrent_kernel"] = _orthogonal(
                shapes["recurrent_kernel"], config.seed, f"{name}/recurrent_kernel"
            )
            weights[f"{name}/bias"] = cell.initial_bias(config.units)
        width = structure.width
    if config.batch_norm == "output":
        normalisation("output_norm")
    weights["dense/kernel"] = _glorot_uniform((width, 1), config.seed, "dense")
    weights["dense/bias"] = np.zeros(1, np.float32)
    return weights


def _glorot_uniform(shape: tuple[int, ...], seed: int, name: str) -> np.ndarray:
    return _drawn(keras.initializers.GlorotUniform(seed=_initializer_seed(seed, name)), shape)


def _orthogonal(shape: tuple[int, ...], seed: int, name: str) -> np.ndarray:
    return _drawn(keras.initializers.Orthogonal(seed=_initializer_seed(seed, name)), shape)


def _drawn(initializer: Any, shape: tuple[int, ...]) -> np.ndarray:
    with tf.device("CPU"):
        return np.asarray(initializer(shape, dtype="float32"))


def _initializer_seed(seed: int, name: str) -> int:
    """31 bits, a function of the trial's seed and of which weight it is for."""
    entropy = [seed, int(_Purpose.WEIGHTS), *name.encode()]
    return int(np.random.SeedSequence(entropy).generate_state(1)[0] >> 1)


# --- the draws of an update -----------------------------------------------------------------------------------------


def inputs(
    seed: Tensor, update: Tensor, *, batch_size: int, timesteps: int, features: int, input_mean: Tensor
) -> Tensor:
    """Normal sequences of deviation 1: float32, (batch_size, timesteps, features)."""
    bits = _bits((batch_size, timesteps, features), seed, update, _Purpose.INPUTS)
    return _normal(bits) + tf.cast(input_mean, tf.float32)


def labels(seed: Tensor, update: Tensor, *, batch_size: int, label_balance: Tensor, label_sampling: str) -> Tensor:
    """Zeros and ones: float32, (batch_size, 1).

    Args:
        seed: Of the trial.
        update: 1-based number of the update.
        batch_size: Number of labels.
        label_balance: Fraction of ones. Give a tensor in float64, so that the count is that of the config's number.
        label_sampling: `shuffled` puts exactly `round(label_balance * batch_size)` ones (halves to even) in random
            order; `bernoulli` draws each label alone.
    """
    bits = _bits((batch_size,), seed, update, _Purpose.LABELS)
    label_balance = tf.cast(label_balance, tf.float64)
    if label_sampling == "shuffled":
        order = tf.argsort(tf.bitcast(bits, tf.int32), stable=True)
        ones = tf.cast(tf.round(label_balance * batch_size), tf.int32)
        drawn = order < ones
    else:
        drawn = tf.cast(_uniform(bits), tf.float64) < label_balance
    return tf.cast(drawn, tf.float32)[:, tf.newaxis]


def recurrent_masks(
    seed: Tensor, update: Tensor, *, layer: int, direction: str, rate: Tensor, gates: int, batch_size: int, units: int
) -> Tensor:
    """Masks of a recurrent layer's recurrent dropout, the same at every timestep of an update.

    Args:
        seed: Of the trial.
        update: 1-based number of the update.
        layer: 1-based number of the layer.
        direction: One of `DIRECTIONS`.
        rate: Fraction dropped; the resolution is 2**-24.
        gates: Of its cell.
        batch_size: Sequences.
        units: Of the layer, per direction.

    Returns:
        float32, (gates, batch_size, units): one mask per gate, in the order of `Cell.gates`. An element is 0 where the
        unit is dropped and 1 / (1 - rate) elsewhere.
    """
    bits = _bits(
        (gates, batch_size, units), seed, update, _Purpose.RECURRENT_DROPOUT, 2 * layer + DIRECTIONS.index(direction)
    )
    return _mask(bits, rate)


def dropout_mask(seed: Tensor, update: Tensor, *, position: int, rate: Tensor, shape: Sequence[int]) -> Tensor:
    """Mask of the Dropout that follows recurrent layer number `position`, or the front end where that is 0.

    Returns:
        float32, `shape`: 0 where dropped, 1 / (1 - rate) elsewhere.
    """
    return _mask(_bits(shape, seed, update, _Purpose.DROPOUT, position), rate)


def _bits(shape: Sequence[int], seed: Tensor, update: Tensor, purpose: _Purpose, part: int = 0) -> Tensor:
    """Random uint32 of a stream of its own: (seed, purpose, part, update) map one to one on Philox's 128-bit seed.

    That seed is scrambled into key and counter by a round of Philox, as TensorFlow does it.
    """
    stream = (int(purpose) << 16 | part) << 31  # above the 31 bits of the trial's seed
    drawn = philox.bits((tf.cast(seed, tf.int64) + stream, tf.cast(update, tf.int64)), math.prod(shape))
    return tf.reshape(drawn, shape)


def _uniform(bits: Tensor) -> Tensor:
    """Multiples of 2**-24 in [0, 1), float32: exact, as 24 bits fit the mantissa."""
    return tf.cast(tf.bitwise.right_shift(bits, tf.constant(8, tf.uint32)), tf.float32) * 2.0**-24


def _mask(bits: Tensor, rate: Tensor) -> Tensor:
    rate = tf.cast(rate, tf.float32)
    return tf.where(_uniform(bits) >= rate, 1 / (1 - rate), 0.0)


_BINS = 2**16


@cache
def _normal_table() -> tuple[np.ndarray, np.ndarray]:
    """Lower edges and widths of `_BINS` bins of the standard normal that are equally probable.

    The two outermost bins, beyond 4.17 deviations, end where the variance of the whole is 1 (at about 4.6). Widths
    have 12 significant bits.
    """
    normal = NormalDist()
    edges = np.array([0.0] + [normal.inv_cdf(edge / _BINS) for edge in range(_BINS // 2 + 1, _BINS)])
    # A uniform variable between a and b has the mean square (a*a + a*b + b*b) / 3.
    inner = np.sum(edges[:-1] ** 2 + edges[:-1] * edges[1:] + edges[1:] ** 2) / 3
    last = edges[-1]
    end = (-last + np.sqrt(last**2 - 4 * (last**2 - 3 * (_BINS / 2 - inner)))) / 2
    edges = np.append(edges, end)
    edges = np.concatenate([-edges[:0:-1], edges])
    mantissa, exponent = np.frexp(np.diff(edges))
    widths = np.ldexp(np.round(mantissa * 2**12) / 2**12, exponent)
    return edges[:-1].astype(np.float32), widths.astype(np.float32)


def _normal(bits: Tensor) -> Tensor:
    """Standard normals by the inverse distribution function, linear within each of 65536 equally probable bins.

    The upper 16 bits choose the bin and the lower 12 the place in it. Both factors of the one product have 12
    significant bits, so the product is exact and a fused multiply-add cannot change the sum: any compiler, on any
    device, gives the same bits, which no formula with a logarithm or a sine does.
    """
    edges, widths = _normal_table()
    chosen = tf.cast(tf.bitwise.right_shift(bits, tf.constant(16, tf.uint32)), tf.int32)
    place = tf.cast(tf.bitwise.bitwise_and(bits, tf.constant(0xFFF, tf.uint32)), tf.float32) * 2.0**-12
    return tf.gather(edges, chosen) + place * tf.gather(widths, chosen)
