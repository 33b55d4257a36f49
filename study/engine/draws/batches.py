"""What a trial is fed: initial weights, inputs, labels and dropout masks. The one place that draws them.

All are functions of the seed and, but for the weights, of the update. The draws of an update are pure functions
over tensors, and every argument that is not a shape may be a run-time tensor, so that they can be called eagerly,
in a graph, or inside an XLA program (`jit_compile=True`).

**They give the same bits in all three**: `streams` says how.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from study.engine.draws import teacher
from study.engine.draws.streams import Purpose, bits, normal, uniform
from study.engine.runtime import keras, tf
from study.engine.structure import DIRECTIONS, Structure
from study.engine.tensors import Scalar, Tensor
from study.trial.axes import NONE
from study.trial.config import TrialConfig

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
        weights["front_end/kernel"] = _glorotuniform((3, width, width), config.seed, "front_end")
        weights["front_end/bias"] = np.zeros(width, np.float32)
        if config.batch_norm == "before_activation":
            normalisation("front_end_norm")
    for layer in structure.layer_names():
        if config.batch_norm == "input":
            normalisation(f"{layer}_norm")
        for direction in structure.directions:
            name, shapes = f"{layer}/{direction}", cell.weights(width, config.units)
            weights[f"{name}/kernel"] = _glorotuniform(shapes["kernel"], config.seed, f"{name}/kernel")
            weights[f"{name}/recurrent_kernel"] = _orthogonal(
                shapes["recurrent_kernel"], config.seed, f"{name}/recurrent_kernel"
            )
            weights[f"{name}/bias"] = cell.initial_bias(config.units)
        width = structure.width
    if config.batch_norm == "output":
        normalisation("output_norm")
    weights["dense/kernel"] = _glorotuniform((width, 1), config.seed, "dense")
    weights["dense/bias"] = np.zeros(1, np.float32)
    return weights


def _glorotuniform(shape: tuple[int, ...], seed: int, name: str) -> np.ndarray:
    return _drawn(keras.initializers.GlorotUniform(seed=_initializer_seed(seed, name)), shape)


def _orthogonal(shape: tuple[int, ...], seed: int, name: str) -> np.ndarray:
    return _drawn(keras.initializers.Orthogonal(seed=_initializer_seed(seed, name)), shape)


def _drawn(initializer: Any, shape: tuple[int, ...]) -> np.ndarray:
    with tf.device("CPU"):
        return np.asarray(initializer(shape, dtype="float32"))


def _initializer_seed(seed: int, name: str) -> int:
    """31 bits, a function of the trial's seed and of which weight it is for."""
    entropy = [seed, int(Purpose.WEIGHTS), *name.encode()]
    return int(np.random.SeedSequence(entropy).generate_state(1)[0] >> 1)


# --- the draws of an update -----------------------------------------------------------------------------------------


def of_config(config: TrialConfig) -> dict[str, Any]:
    """What `batch` takes beside the seed and the update, for a trial."""
    return {
        "batch_size": config.batch_size,
        "timesteps": config.timesteps,
        "features": config.features,
        "input_mean": tf.constant(config.input_mean, tf.float32),
        "label_balance": tf.constant(config.label_balance, tf.float64),
        "labels_shuffled": tf.constant(config.label_sampling == "shuffled"),
        "task": config.task,
    }


def batch(
    seed: Scalar,
    update: Scalar,
    *,
    batch_size: int,
    timesteps: int,
    features: int,
    input_mean: Scalar,
    label_balance: Scalar,
    labels_shuffled: Scalar,
    task: str,
) -> tuple[Tensor, Tensor]:
    """What an update is trained on.

    Args:
        seed: Of the trial.
        update: 1-based number of the update.
        batch_size: Sequences.
        timesteps: Of a sequence.
        features: Of a timestep.
        input_mean: Of the inputs.
        label_balance: As in `labels`.
        labels_shuffled: Whether the labels are `shuffled`, and not `bernoulli`; a bool.
        task: As the axis has it.

    Returns:
        Normal sequences of deviation 1, float32, (batch_size, timesteps, features); and labels, float32,
        (batch_size, 1).
    """
    drawn = normals(seed, update, batch_size=batch_size, timesteps=timesteps, features=features)
    if task == "learnable":
        scores = teacher.scores(seed, drawn)
        shuffled, bernoulli = (
            teacher.labels(
                scores, timesteps=timesteps, features=features, label_balance=label_balance, label_sampling=how
            )
            for how in ("shuffled", "bernoulli")
        )
    else:
        shuffled, bernoulli = (
            labels(seed, update, batch_size=batch_size, label_balance=label_balance, label_sampling=how)
            for how in ("shuffled", "bernoulli")
        )
    return drawn + tf.cast(input_mean, tf.float32), tf.where(labels_shuffled, shuffled, bernoulli)


def normals(seed: Scalar, update: Scalar, *, batch_size: int, timesteps: int, features: int) -> Tensor:
    """Standard normal sequences: float32, (batch_size, timesteps, features)."""
    return normal(bits((batch_size, timesteps, features), seed, update, Purpose.INPUTS))


def labels(seed: Scalar, update: Scalar, *, batch_size: int, label_balance: Scalar, label_sampling: str) -> Tensor:
    """Zeros and ones that have nothing to do with the inputs: float32, (batch_size, 1).

    Args:
        seed: Of the trial.
        update: 1-based number of the update.
        batch_size: Number of labels.
        label_balance: Fraction of ones. Give a tensor in float64, so that the count is that of the config's number.
        label_sampling: `shuffled` puts exactly `round(label_balance * batch_size)` ones (halves to even) in random
            order; `bernoulli` draws each label alone.
    """
    drawn_bits = bits((batch_size,), seed, update, Purpose.LABELS)
    label_balance = tf.cast(label_balance, tf.float64)
    if label_sampling == "shuffled":
        order = tf.argsort(tf.bitcast(drawn_bits, tf.int32), stable=True)
        drawn = order < teacher.ones(label_balance, batch_size)
    else:
        drawn = tf.cast(uniform(drawn_bits), tf.float64) < label_balance
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
    part = 2 * layer + DIRECTIONS.index(direction)
    return _mask(bits((gates, batch_size, units), seed, update, Purpose.RECURRENT_DROPOUT, part), rate)


def dropout_mask(seed: Tensor, update: Tensor, *, position: int, rate: Tensor, shape: Sequence[int]) -> Tensor:
    """Mask of the Dropout that follows recurrent layer number `position`, or the front end where that is 0.

    Returns:
        float32, `shape`: 0 where dropped, 1 / (1 - rate) elsewhere.
    """
    return _mask(bits(shape, seed, update, Purpose.DROPOUT, position), rate)


def _mask(drawn_bits: Tensor, rate: Scalar) -> Tensor:
    rate = tf.cast(rate, tf.float32)
    return tf.where(uniform(drawn_bits) >= rate, 1 / (1 - rate), 0.0)
