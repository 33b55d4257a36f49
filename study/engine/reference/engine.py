"""The reference engine: a trial on Keras 3's own layers, in a graph that is not compiled by XLA.

It is what the compiled engine is held against. Under keras-3 the optimizers, the constraint and the loss are Keras's
own as well; under keras-2.2.4 they are those of `keras_2_2_4`. Only the random draws are taken from `batches`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np

from study.engine import OnUpdate, keras_2_2_4
from study.engine.draws import batches
from study.engine.runtime import device_name, keras, tf
from study.engine.structure import Structure
from study.engine.tensors import Tensor
from study.trial.axes import NONE
from study.trial.config import TrialConfig
from study.trial.divergence import NONFINITE, Divergence
from study.trial.result import TrialResult

NAME = "reference"


def run(
    configs: Sequence[TrialConfig], *, divergence: Divergence = NONFINITE, on_update: OnUpdate | None = None
) -> list[TrialResult]:
    """Train every configuration, one after another; see `run_trial`, and `study.engine.run` for the arguments."""
    return [
        run_trial(config, divergence=divergence, on_update=on_update and partial(on_update, number))
        for number, config in enumerate(configs)
    ]


def run_trial(
    config: TrialConfig,
    *,
    divergence: Divergence = NONFINITE,
    weights: Mapping[str, np.ndarray] | None = None,
    inputs_as: Callable[[int, np.ndarray], np.ndarray] | None = None,
    on_update: Callable[[int, float], None] | None = None,
) -> TrialResult:
    """Train until the event that ends a trial, or to the budget.

    Trials of several threads take turns: there is one thread to compute with, and trials of one structure share
    their variables.

    Args:
        config: The trial.
        divergence: The event.
        weights: What it starts from, instead of `batches.initial_weights`.
        inputs_as: Takes an update's number and its inputs, (batch_size, timesteps, features), and returns those to
            train on instead.
        on_update: Is told the number and the loss of every update.
    """
    with _one_at_a_time:
        start = time.perf_counter()
        training = training_of(config)
        if weights is not None:
            training.model.set_weights(weights)
        losses: list[float] = []
        while len(losses) < config.updates and not (losses and divergence.happened(losses[-1])):
            losses.append(training.update(len(losses) + 1, inputs_as=inputs_as))
            if on_update is not None:
                on_update(len(losses), losses[-1])
        return TrialResult(
            config=config,
            loss=tuple(losses),
            engine=NAME,
            device=device_name(),
            seconds=time.perf_counter() - start,
            divergence=divergence,
        )


_one_at_a_time = threading.Lock()


# --- layers ---------------------------------------------------------------------------------------------------------


def drop(x: Tensor, mask: Tensor, *, semantics: str) -> Tensor:
    """Dropout with a given mask: x * mask, of the shape of both.

    It matters where x is infinite and dropped: zero with Keras 3, whose Dropout selects, and NaN with Keras 2.2.4,
    whose Dropout multiplies (`tf.nn.dropout` of TensorFlow 1).
    """
    return tf.where(mask > 0, x * mask, 0.0) if semantics == "keras-3" else x * mask


class Model:
    """The model of a configuration, built, with the initial weights of its seed.

    input -> [Conv1D -> [BatchNormalization] -> activation -> Dropout]
          -> each layer: [BatchNormalization] -> recurrent layer or Bidirectional of one -> Dropout
          -> Dense(1, sigmoid)

    where `batch_norm=output` puts a BatchNormalization between the last recurrent layer and its Dropout. It is called
    layer by layer: a functional Keras model would trace every recurrent layer once more to learn its shapes.

    Attributes:
        layers: Keras layers by name, in the order of use.
        cells: Keras's cells of the recurrent layers by name, `lstm_1/forward` and so on.
        weights: Trainable variables by name; names, shapes and order are those of `batches.initial_weights`.
        dropouts: The layers that a Dropout follows, by name: its position as in `batches.dropout_mask`, its shape.
    """

    def __init__(self, config: TrialConfig) -> None:
        self.config = config
        self.structure = Structure.of(config)
        self.layers: dict[str, Any] = {}
        self.cells: dict[str, Any] = {}
        self.weights: dict[str, Any] = {}
        self.dropouts: dict[str, tuple[int, tuple[int, ...]]] = {}

        shape: tuple[int, ...] = (config.batch_size, config.timesteps, config.features)
        if config.front_end != NONE:
            self._add("front_end", keras.layers.Conv1D(config.features, 3, padding="same"), shape)
            if config.batch_norm == "before_activation":
                self._add("front_end_norm", keras.layers.BatchNormalization(), shape)
            self._add("front_end_activation", keras.layers.Activation(config.front_end_activation), shape)
            self.dropouts["front_end_activation"] = (0, shape)
        for number, name in enumerate(self.structure.layer_names(), start=1):
            if config.batch_norm == "input":
                self._add(f"{name}_norm", keras.layers.BatchNormalization(), shape)
            shape = self._add_recurrent(name, shape, return_sequences=number < config.layers)
            if number == config.layers and config.batch_norm == "output":
                self._add("output_norm", keras.layers.BatchNormalization(), shape)
            self.dropouts[list(self.layers)[-1]] = (number, shape)
        self._add("dense", keras.layers.Dense(1, activation="sigmoid"), shape)
        self.set_weights(batches.initial_weights(config))

    def _add(self, name: str, layer: Any, shape: tuple[int, ...]) -> None:
        layer.build(shape)
        self.layers[name] = layer
        for weight in ("kernel", "bias", "gamma", "beta"):
            if hasattr(layer, weight):
                self.weights[f"{name}/{weight}"] = getattr(layer, weight)

    def _add_recurrent(self, name: str, shape: tuple[int, ...], *, return_sequences: bool) -> tuple[int, ...]:
        """Add a recurrent layer to the input shape (batch_size, timesteps, width) and return its output shape."""
        config, cell = self.config, self.structure.cell
        max_norm = None if config.max_norm is None else keras.constraints.MaxNorm(config.max_norm, axis=0)
        gated: dict[str, Any] = {}
        if cell.has_recurrent_activation:
            gated["recurrent_activation"] = _activation(config.recurrent_activation, semantics=config.semantics)
            gated["use_cudnn"] = False  # else a GPU takes other arithmetic for some activations and not for others
        layer = getattr(keras.layers, cell.keras_layer)(
            config.units,
            activation=_activation(config.activation, semantics=config.semantics),
            recurrent_dropout=config.recurrent_dropout,
            kernel_initializer="zeros",  # the weights of `batches` follow; drawing others first takes time
            recurrent_initializer="zeros",
            kernel_constraint=max_norm,
            recurrent_constraint=max_norm,
            return_sequences=return_sequences,
            stateful=config.stateful,
            **gated,
        )
        if config.bidirectional:
            layer = keras.layers.Bidirectional(layer)
        layer.build(shape)
        self.layers[name] = layer
        for direction, rnn in zip(self.structure.directions, _rnns(layer), strict=True):
            self.cells[f"{name}/{direction}"] = rnn.cell
            for weight in cell.weights(shape[-1], config.units):
                self.weights[f"{name}/{direction}/{weight}"] = getattr(rnn.cell, weight)
        return tuple(layer.compute_output_shape(shape))

    @property
    def trainable_variables(self) -> list[Any]:
        return list(self.weights.values())

    @property
    def carried_variables(self) -> list[Any]:
        """What passes from update to update without being trained: states of recurrent layers and moving averages."""
        variables = [variable for layer in self.layers.values() for variable in layer.non_trainable_variables]
        for layer in self.layers.values():
            variables += [state for rnn in _rnns(layer) for state in rnn.states or []]
        return list({id(variable): variable for variable in variables}.values())

    def set_weights(self, weights: Mapping[str, np.ndarray]) -> None:
        """Assign all trainable weights."""
        assert list(weights) == list(self.weights)
        for name, value in weights.items():
            self.weights[name].assign(value)

    def masks(self, seed: Tensor, update: Tensor, *, recurrent_dropout: Tensor, dropout: Tensor) -> dict[str, Tensor]:
        """Dropout masks of an update, by name; none where the configuration's rate is zero.

        `lstm_1/forward`, (gates, batch_size, units), is the recurrent dropout of that cell; `dropout_1` is the Dropout
        after recurrent layer 1, of that layer's output shape, and `dropout_0` the one after the front end.
        """
        masks: dict[str, Tensor] = {}
        if self.config.recurrent_dropout > 0:
            for name in self.cells:
                layer, direction = name.split("/")
                masks[name] = batches.recurrent_masks(
                    seed,
                    update,
                    layer=self.structure.layer_names().index(layer) + 1,
                    direction=direction,
                    rate=recurrent_dropout,
                    gates=len(self.structure.cell.gates),
                    batch_size=self.config.batch_size,
                    units=self.config.units,
                )
        if self.config.dropout > 0:
            for position, shape in self.dropouts.values():
                masks[f"dropout_{position}"] = batches.dropout_mask(
                    seed, update, position=position, rate=dropout, shape=shape
                )
        return masks

    def outputs(self, inputs: Tensor, masks: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Outputs of all layers in training mode, by name, in order; those of a Dropout are named `dropout_1`.

        Args:
            inputs: (batch_size, timesteps, features).
            masks: As `masks` gives them.

        Returns:
            The last entry, `dense`, is the probability of a '1' label, (batch_size, 1).
        """
        for name, cell in self.cells.items():
            if name in masks:
                # What the cell asks for its masks; Keras's own draws them.
                cell.get_recurrent_dropout_mask = partial(_given, masks_for(cell, masks[name]))
        outputs: dict[str, Tensor] = {}
        x = inputs
        for name, layer in self.layers.items():
            x = outputs[name] = layer(x, training=True)
            if name in self.dropouts and (dropout := f"dropout_{self.dropouts[name][0]}") in masks:
                x = outputs[dropout] = drop(x, masks[dropout], semantics=self.config.semantics)
        return outputs


def masks_for(cell: Any, masks: Tensor) -> Any:
    """Masks, one a gate, as a cell of Keras's takes them: a list, or a single one where it draws no more."""
    return tf.unstack(masks) if getattr(cell, "dropout_mask_count", None) else masks[0]


def _given(masks: Any, step_input: Tensor) -> Any:
    """These masks, whatever the step's input is."""
    return masks


def build_model(config: TrialConfig) -> Model:
    """The model of a configuration with the initial weights of its seed."""
    return Model(config)


def build_optimizer(config: TrialConfig) -> Any:
    """The optimizer of a configuration: one of Keras 3's, or `keras_2_2_4.Optimizer`."""
    if config.semantics == "keras-2.2.4":
        return keras_2_2_4.Optimizer(config.optimizer, learning_rate=config.learning_rate, clipnorm=config.clipnorm)
    return _OPTIMIZERS[config.optimizer](learning_rate=config.learning_rate, clipnorm=config.clipnorm)


_OPTIMIZERS = {
    "nadam": keras.optimizers.Nadam,
    "adam": keras.optimizers.Adam,
    "rmsprop": keras.optimizers.RMSprop,
    "sgd": keras.optimizers.SGD,
}


def loss_of(labels: Tensor, probabilities: Tensor, *, semantics: str) -> Tensor:
    """Mean binary cross-entropy of (batch_size, 1) probabilities that come out of a sigmoid, a scalar."""
    if semantics == "keras-2.2.4":
        return keras_2_2_4.binary_crossentropy(labels, probabilities)
    return keras.losses.BinaryCrossentropy()(labels, probabilities)


def _activation(name: str, *, semantics: str) -> Any:
    if name == "hard_sigmoid" and semantics == "keras-2.2.4":
        return keras_2_2_4.hard_sigmoid
    return keras.activations.get(name)


def _rnns(layer: Any) -> list[Any]:
    """The RNN layers in a layer, forward first."""
    if isinstance(layer, keras.layers.Bidirectional):
        return [layer.forward_layer, layer.backward_layer]
    return [layer] if isinstance(layer, keras.layers.RNN) else []


# --- training -------------------------------------------------------------------------------------------------------

RUN_TIME = ("learning_rate", "label_balance", "label_sampling", "input_mean", "updates", "seed")
"""Axes that are not built into the graph of an update. Of the two dropout rates, only whether they are zero is."""


class Training:
    """Model, optimizer and the graph of one update; `start` makes it ready for a trial of its structure.

    Building and tracing take seconds, so a trial that differs from an earlier one in seed, rates and the like only
    takes that one's graph over. All that it takes over are variables, and `start` assigns every one of them.
    """

    def __init__(self, config: TrialConfig) -> None:
        self.model = build_model(config)
        self.optimizer = build_optimizer(config)
        self.optimizer.build(self.model.trainable_variables)
        self._initial = [
            (variable, variable.numpy()) for variable in self.model.carried_variables + self.optimizer.variables
        ]
        self._step = tf.function(self.step, autograph=False)
        self.config = config

    def start(self, config: TrialConfig) -> None:
        """Forget the last trial: initial weights, states, moving averages and optimizer of another."""
        assert structure_of(config) == structure_of(self.config)
        self.config = config
        self.model.set_weights(batches.initial_weights(config))
        for variable, value in self._initial:
            variable.assign(value)
        self.optimizer.learning_rate.assign(config.learning_rate)

    def update(self, number: int, *, inputs_as: Callable[[int, np.ndarray], np.ndarray] | None = None) -> float:
        """Do update number `number`, from 1, and return its loss: that of its batch, before the weights change.

        `inputs_as` is explained in `run_trial`.
        """
        config = self.config
        seed, update = tf.constant(config.seed, tf.int64), tf.constant(number, tf.int64)
        inputs, labels = _batch(seed, update, **batches.of_config(config))
        if inputs_as is not None:
            inputs = tf.constant(inputs_as(number, inputs.numpy()))
        loss = self._step(
            inputs,
            labels,
            seed,
            update,
            tf.constant(config.recurrent_dropout, tf.float32),
            tf.constant(config.dropout, tf.float32),
        )
        return float(loss.numpy())

    def step(
        self, inputs: Tensor, labels: Tensor, seed: Tensor, update: Tensor, recurrent_dropout: Tensor, dropout: Tensor
    ) -> Tensor:
        """One update on a batch; returns its loss, a scalar."""
        config = self.config
        masks = self.model.masks(seed, update, recurrent_dropout=recurrent_dropout, dropout=dropout)
        with tf.GradientTape() as tape:
            probabilities = self.model.outputs(inputs, masks)["dense"]
            loss = loss_of(labels, probabilities, semantics=config.semantics)
        weights = self.model.trainable_variables
        gradients = tape.gradient(loss, [weight.value for weight in weights])
        self.optimizer.apply(gradients, weights)
        return loss


def structure_of(config: TrialConfig) -> TrialConfig:
    """A configuration that is the same for all that can share a graph."""
    values: dict[str, Any] = {axis: TrialConfig.model_fields[axis].default for axis in RUN_TIME}
    for rate in ("recurrent_dropout", "dropout"):
        values[rate] = 0.5 if getattr(config, rate) > 0 else 0.0
    return config.model_copy(update=values)


def training_of(config: TrialConfig) -> Training:
    """The training of a configuration, at its start. It is not yours alone: the next call may take it over."""
    training = _training(structure_of(config))
    training.start(config)
    return training


@lru_cache(maxsize=4)
def _training(structure: TrialConfig) -> Training:
    return Training(structure)


_batch = tf.function(batches.batch, autograph=False, jit_compile=True)
