"""Changes to layers: a bounded activation, another precision, smaller initial weights, normalisation, from logits."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from study.diagnosis.remedies.base import CannotChange, Remedy

if TYPE_CHECKING:
    from study.models.prepared import Prepared
    from study.trial.axes import AxisValue
    from study.trial.config import TrialConfig

BOUNDED = frozenset(("tanh", "sigmoid", "hard_sigmoid", "softsign", "hard_tanh", "relu6", "softmax", "log_sigmoid"))
"""Activations whose values stay within bounds, or grow to one side no faster than a bounded one."""


def recurrent_cells(model: Any) -> Iterator[tuple[str, Any]]:
    """Cells of a model that have an activation, each with the path of the layer that runs it."""
    for layer in model._flatten_layers():
        cell = getattr(layer, "cell", None)
        for one in getattr(cell, "cells", None) or [cell]:
            if one is not None and hasattr(one, "activation"):
                yield layer.name, one


def activation_name(function: Any) -> str:
    """Keras's name of an activation, or that of a user's own function."""
    return str(getattr(function, "name", None) or getattr(function, "__name__", type(function).__name__))


def bound_activations(model: Any) -> bool:
    """Put tanh into every recurrent layer whose activation has no bound; whether there was one."""
    from study.models.libraries import keras

    unbounded = [cell for _, cell in recurrent_cells(model) if activation_name(cell.activation) not in BOUNDED]
    for cell in unbounded:
        cell.activation = keras.activations.tanh
    return bool(unbounded)


def compute_in_float32(model: Any) -> None:
    """Let every layer compute in float32, whatever its weights are."""
    from study.models.libraries import keras

    for layer in model._flatten_layers():
        layer.dtype_policy = keras.DTypePolicy("float32")


TENTH = 0.1

UNUSUAL = 3.0
"""Times Glorot's deviation above which a kernel is larger than any of Keras's initializers draws it."""


def shrink_kernels(model: Any) -> None:
    """Make every kernel a tenth as large, or as large as Glorot's deviation where that is less.

    Glorot's is sqrt(2 / (fan_in + fan_out)) (X. Glorot and Y. Bengio, Understanding the difficulty of training deep
    feedforward neural networks, 2010).
    """
    for weight, values, ratio in _kernels(model):
        weight.assign((values * min(TENTH, 1 / ratio if ratio > 0 else TENTH)).astype(np.float32))


def make_kernels_usual(model: Any) -> None:
    """Bring every kernel that is larger than `UNUSUAL` down to Glorot's deviation, and leave the others."""
    for weight, values, ratio in _kernels(model):
        if ratio > UNUSUAL:
            weight.assign((values / ratio).astype(np.float32))


def largest_kernel(model: Any) -> float:
    """The largest root mean square of a kernel, in units of Glorot's deviation."""
    return max((ratio for _, _, ratio in _kernels(model)), default=0.0)


def _kernels(model: Any) -> Iterator[tuple[Any, np.ndarray, float]]:
    """Trained weights but vectors and embeddings, their values, and their root mean square by Glorot's deviation."""
    for weight in model.trainable_weights:
        shape = tuple(weight.shape)
        if len(shape) < 2 or weight.name == "embeddings":
            continue
        usual = math.sqrt(2 / (math.prod(shape[:-1]) + math.prod(shape[:-2]) * shape[-1]))
        values = np.asarray(weight.value, dtype=np.float64)
        yield weight, values, float(np.sqrt(np.mean(values**2))) / usual


@contextmanager
def layers_put_back(model: Any) -> Iterator[None]:
    """Leave activations of recurrent layers and precisions as they were found."""
    activations = [(cell, cell.activation) for _, cell in recurrent_cells(model)]
    policies = [(layer, layer.dtype_policy) for layer in model._flatten_layers()]
    try:
        yield
    finally:
        for cell, activation in activations:
            cell.activation = activation
        for layer, policy in policies:
            if layer.dtype_policy is not policy:
                layer.dtype_policy = policy


@dataclass(frozen=True)
class BoundedActivation(Remedy):
    """tanh in every recurrent layer whose activation has no bound."""

    id = "activation"
    size = 2

    @property
    def change(self) -> str:
        return 'activation="tanh" in the recurrent layers'

    def apply(self, prepared: Prepared) -> Prepared:
        if not bound_activations(prepared.model):
            raise CannotChange("its recurrent layers have bounded activations already")
        return prepared

    def of_the_example(self, config: TrialConfig) -> Mapping[str, AxisValue]:
        if config.activation in BOUNDED:
            raise CannotChange("its recurrent layers have bounded activations already")
        return {"activation": "tanh"}


@dataclass(frozen=True)
class Float32(Remedy):
    """Every layer computes in float32."""

    id = "float32"
    size = 2

    @property
    def change(self) -> str:
        return 'dtype="float32" in every layer, in the place of the half precision'

    def apply(self, prepared: Prepared) -> Prepared:
        for layer in prepared.model._flatten_layers():
            if layer.variable_dtype not in ("float32", "float64") and layer.weights:
                raise CannotChange(f"the weights of {layer.name} are {layer.variable_dtype} themselves")
        compute_in_float32(prepared.model)
        return prepared


@dataclass(frozen=True)
class SmallerInitialWeights(Remedy):
    """Every kernel begins smaller; see `shrink_kernels`."""

    id = "initial_weights"
    size = 2

    @property
    def change(self) -> str:
        return "initial weights a tenth as large, or Glorot's where those are smaller"

    def apply(self, prepared: Prepared) -> Prepared:
        if not prepared.model.built:
            raise CannotChange("it has no weights before its first batch")
        shrink_kernels(prepared.model)
        return prepared


@dataclass(frozen=True)
class Normalised(Remedy):
    """A normalisation layer before every recurrent layer."""

    id = "normalisation"
    size = 3
    layer: str = "LayerNormalization"

    @property
    def change(self) -> str:
        return f"{self.layer}() before every recurrent layer"

    def apply(self, prepared: Prepared) -> Prepared:
        from study.models.libraries import keras

        model = prepared.model
        check_graph(model)
        inserted: list[str] = []

        def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
            recurrent = isinstance(layer, (keras.layers.RNN, keras.layers.Bidirectional))
            if recurrent and len(getattr(args[0], "shape", ())) >= 3:
                inserted.append(layer.name)
                args = (getattr(keras.layers, self.layer)()(args[0]), *args[1:])
            return layer(*args, **kwargs)

        functional = keras.Model(model.inputs, model.outputs)
        copy = keras.models.clone_model(
            functional, call_function=call, clone_function=lambda layer: type(layer).from_config(layer.get_config())
        )
        if not inserted:
            raise CannotChange("it has no recurrent layer")
        return replace(prepared, model=compiled_like(copy, model))


@dataclass(frozen=True)
class FromLogits(Remedy):
    """Keras's own cross-entropy from logits, without the last activation."""

    id = "from_logits"
    size = 3

    @property
    def change(self) -> str:
        return "activation=None in the last layer and Keras's cross-entropy with from_logits=True"

    def apply(self, prepared: Prepared) -> Prepared:
        from study.models.data import Arrays
        from study.models.libraries import keras

        model, data = prepared.model, prepared.data
        check_graph(model)
        last = model.layers[-1]
        name = activation_name(getattr(last, "activation", None))
        if name not in ("softmax", "sigmoid") or len(model.outputs) != 1:
            raise CannotChange("its last layer is no softmax and no sigmoid")
        if not isinstance(data, Arrays) or len(data.parts) < 2:
            raise CannotChange("its targets cannot be looked at from outside")
        shape = tuple(getattr(data.parts[1], "shape", ()))
        width = model.outputs[0].shape[-1]
        losses = keras.losses
        if name == "sigmoid":
            loss = losses.BinaryCrossentropy(from_logits=True)
        elif len(shape) == len(model.outputs[0].shape) and shape[-1] == width:
            loss = losses.CategoricalCrossentropy(from_logits=True)
        else:
            loss = losses.SparseCategoricalCrossentropy(from_logits=True)
        last.activation = keras.activations.linear
        same_layers = keras.Model(model.inputs, model.outputs)
        return replace(prepared, model=compiled_like(same_layers, model, loss=loss))


def check_graph(model: Any) -> None:
    """Whether another model can be made of the layers of this one.

    Raises:
        CannotChange: Its layers are no graph, or it has a training step of its own.
    """
    from study.models.libraries import keras

    if not getattr(model, "inputs", None):
        raise CannotChange("it is no graph of layers that could be rewired from outside")
    if any(getattr(type(model), own) is not getattr(keras.Model, own) for own in ("train_step", "compute_loss")):
        raise CannotChange("it has a training step of its own, which another graph of its layers would not have")


def compiled_like(model: Any, other: Any, *, loss: Any = None) -> Any:
    """A model compiled as another one, with an optimizer of its own that starts anew, and perhaps another loss."""
    from study.models.settings import keep_jit_compile

    optimizer = type(other.optimizer).from_config(other.optimizer.get_config())
    jit_compile = other._compile_config.config["jit_compile"]
    model.compile(optimizer=optimizer, loss=loss or other.loss, run_eagerly=other.run_eagerly, jit_compile=jit_compile)
    keep_jit_compile(model)
    return model
