"""Which variables a model's training consists of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import keras
import tensorflow as tf
from keras.src.backend.common import global_state
from keras.src.random.seed_generator import GLOBAL_SEED_GENERATOR

from study.models.moment import Batch, Variable


def trained_state(model: keras.Model, *, of_graph: Iterable[Variable] = (), batch: Batch = None) -> list[Variable]:
    """TensorFlow's variables that an update reads or changes, each once.

    Args:
        model: Compiled.
        of_graph: Those that the graph of the update uses, where it is traced: a training step of the user's own may
            have variables that the model does not know of.
        batch: For building what is not built yet, where nothing is traced.
    """
    if batch is not None and not (model.built and model.optimizer.built):
        model._symbolic_build(data_batch=batch)
    own = [
        *model.variables,
        *model.metrics_variables,
        *(() if model.optimizer is None else model.optimizer.variables),
        *states_of_recurrent_layers(model),
        *_global_seeds(),
    ]
    found = {id(variable): variable for variable in [*map(_tensorflows, own), *of_graph]}
    return list(found.values())


def weights_of(model: keras.Model) -> list[Any]:
    """Keras's variables that have to stay finite: trained ones, and layers' own such as moving means."""
    return [variable for variable in model.weights if keras.backend.is_float_dtype(variable.dtype)]


def _tensorflows(variable: Any) -> Variable:
    return variable if isinstance(variable, tf.Variable) else variable._value


def states_of_recurrent_layers(model: keras.Model) -> list[Any]:
    """What stateful layers keep from batch to batch. Keras does not track it."""
    states: Sequence[Any] = [getattr(layer, "states", None) for layer in model._flatten_layers()]
    flat = keras.tree.flatten([state for state in states if state is not None])
    return [variable for variable in flat if isinstance(variable, keras.Variable)]


def _global_seeds() -> list[Any]:
    generator = global_state.get_global_attribute(GLOBAL_SEED_GENERATOR)
    return [] if generator is None else [generator.state]
