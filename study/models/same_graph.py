"""Which trials of a model file train by one graph, so that what is traced for one can train another.

Tracing takes seconds where there are recurrent layers, and trials that differ in a seed, a learning rate or their data
alone are traced to the same graph: all these are variables, or come in with the batch. That is known of models of
Keras's own parts, whose configuration says everything about them. Of a user's own layers, losses and training steps it
is not: their code may make constants of anything.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from study.models.data import Arrays
from study.models.prepared import Prepared
from study.models.settings import inner_optimizer
from study.models.state import states_of_recurrent_layers
from study.models.step import WatchedStep

FUNCTIONS = ("activation", "recurrent_activation")
"""Attributes of layers that may be a user's function by a name of Keras's."""

OF_MODEL = ("train_step", "compute_loss", "call")


def graph_of(prepared: Prepared) -> str | None:
    """A text that is the same of two trials only if an update of theirs is the same graph.

    Returns:
        None where that cannot be told: the model is not built or has parts that are not Keras's own, or its data are a
        stream.
    """
    model, data = prepared.model, prepared.data
    if not model.built or model.run_eagerly or not isinstance(data, Arrays) or _has_own_functions(model):
        return None
    try:
        layers, optimizer = (keras.saving.serialize_keras_object(one) for one in (model, model.optimizer))
        # Both have the optimizer as it was given to `compile`; what counts is what was made of it since.
        layers = layers | {"compile_config": None}
        compiled = model.get_compile_config() | {"optimizer": None}
        if any(map(_has_own_parts, (layers, optimizer, compiled))):
            return None
        if isinstance(getattr(inner_optimizer(model), "_learning_rate", None), keras.Variable):
            optimizer = _without_learning_rate(optimizer)
        return json.dumps([layers, optimizer, compiled, _settings(model), _of_data(data)], sort_keys=True)
    except Exception:  # of what cannot be written down
        return None


def take_over(step: WatchedStep, prepared: Prepared) -> bool:
    """Give the model of a traced step the state of another trial of the same graph, from which that trial begins.

    Args:
        step: It has done updates.
        prepared: The other trial; its optimizer is built where it is not.

    Returns:
        Whether everything that the step reads or changes is known; else nothing is changed.
    """
    old, new = step.model, prepared.model
    if not new.optimizer.built:
        new.optimizer.build(new.trainable_variables)
    pairs = list(zip(_state(old), _state(new), strict=False))
    alike = len(_state(old)) == len(_state(new)) and all(
        (one.shape, one.dtype) == (other.shape, other.dtype) for one, other in pairs
    )
    known = {id(one._value) for one, _ in pairs} | {id(one._value) for one in old.metrics_variables}
    if not alike or not step.variables or any(id(variable) not in known for variable in step.variables):
        return False
    for one, other in pairs:
        one.assign(other.value)
    old.reset_metrics()
    step.start_over()
    return True


def _state(model: keras.Model) -> list[Any]:
    """Keras's variables of a model, its optimizer's among them and its metrics' not, in the order of their making."""
    metrics = {id(one) for one in model.metrics_variables}
    own = [one for one in model.variables if id(one) not in metrics]
    return [*own, *model.optimizer.variables, *states_of_recurrent_layers(model)]


def _has_own_functions(model: keras.Model) -> bool:
    """Whether the model or a layer is of a class of the user's, or has a function of theirs."""
    if any(name in vars(model) for name in OF_MODEL):
        return True
    for layer in model._flatten_layers():
        # What a layer has adapted to, such as means of the data, it keeps as constants.
        if not _is_keras(type(layer).__module__) or hasattr(layer, "adapt"):
            return True
        for one in (layer, getattr(layer, "cell", None)):
            functions = [getattr(one, name, None) for name in FUNCTIONS]
            if any(not _is_keras(getattr(found, "__module__", "")) for found in functions if found is not None):
                return True
    return False


def _has_own_parts(written: Any) -> bool:
    """Whether something in what Keras writes down is not Keras's own: a class, a function, the code of a Lambda."""
    return any(
        part["class_name"] != "__keras_tensor__" and not _is_keras(part.get("module"))
        for part in _dicts(written)
        if "class_name" in part
    )


def _is_keras(module: str | None) -> bool:
    return module is not None and (module == "keras" or module.startswith("keras."))


def _dicts(written: Any) -> Iterator[dict[str, Any]]:
    if isinstance(written, dict):
        yield written
        for value in written.values():
            yield from _dicts(value)
    elif isinstance(written, list | tuple):
        for value in written:
            yield from _dicts(value)


def _without_learning_rate(written: Any) -> Any:
    """An optimizer without its learning rate, which is a variable; a loss scaling has the optimizer within."""
    if isinstance(written, dict):
        return {name: _without_learning_rate(value) for name, value in written.items() if name != "learning_rate"}
    return written


def _settings(model: keras.Model) -> list[Any]:
    config = keras.config
    settings = [config.floatx(), config.epsilon(), config.image_data_format(), tf.config.functions_run_eagerly()]
    trained = [(one.path, list(one.shape), str(one.dtype), bool(one.trainable)) for one in model.variables]
    return [*settings, model.jit_compile, model.steps_per_execution, trained]


def _of_data(data: Arrays) -> list[Any]:
    """What of the data the graph depends on: structure, shapes and types.

    Raises:
        TypeError: They are no arrays of NumPy.
    """
    leaves = keras.tree.flatten_with_path(data.parts)
    if any(leaf is not None and not isinstance(leaf, np.ndarray) for _, leaf in leaves):
        raise TypeError
    shapes = [[str(path), None if leaf is None else [list(leaf.shape), leaf.dtype.str]] for path, leaf in leaves]
    return [data.batch_size, shapes]
