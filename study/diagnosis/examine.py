"""Measures a training that goes wrong: the data, the forward pass of the update, and the same update with changes.

Runs in a worker, since it runs the user's code. Every change to the model is undone before the next measurement.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

from study.diagnosis.case import HUGE, ArrayFacts, Case, RecurrentFacts
from study.diagnosis.remedies.data import nonfinite_rows
from study.diagnosis.remedies.layers import BOUNDED, activation_name, recurrent_cells
from study.engine.runtime import keras, tf
from study.models.data import PARTS, Arrays
from study.models.file import ModelFile
from study.models.moment import Moment
from study.models.onset import ModelOnset
from study.models.prepared import Prepared, prepare
from study.models.settings import inner_optimizer, learning_rate_of
from study.models.state import weights_of
from study.models.trial import Trained, train
from study.trial.model_design import ModelConfig

HALF = ("float16", "bfloat16")


def examine(file: ModelFile, config: ModelConfig) -> Case:
    """Train once as the file has it, and measure.

    Raises:
        ModelError: The file, or what its functions return, cannot be trained.
    """
    prepared = prepare(file, config)
    began = time.perf_counter()
    trained = train(prepared)
    seconds = (time.perf_counter() - began) / len(trained.loss)
    model, data = prepared.model, prepared.data
    last = getattr(model.layers[-1], "activation", None) if model.layers else None
    facts: dict[str, Any] = {
        "loss": trained.loss,
        "budget": config.updates,
        "onset": trained.onset,
        "learning_rate": learning_rate_of(model),
        "epsilon": getattr(inner_optimizer(model), "epsilon", None),
        "optimizer": type(inner_optimizer(model)).__name__,
        "loss_name": _name_of_loss(model.loss),
        "last_activation": None if last is None else activation_name(last),
        "half": tuple(layer.name for layer in model._flatten_layers() if layer.compute_dtype in HALF),
        "arrays": tuple(_array_facts(data)) if isinstance(data, Arrays) else (),
        "bad_rows": tuple(map(int, nonfinite_rows(data))) if isinstance(data, Arrays) else (),
        "seconds": seconds,
    }
    if trained.event is not None:
        facts |= _of_update(prepared, trained)
    return Case(**facts)


def _name_of_loss(loss: Any) -> str:
    return loss if isinstance(loss, str) else str(getattr(loss, "name", None) or getattr(loss, "__name__", loss))


def _array_facts(data: Arrays) -> Iterator[ArrayFacts]:
    for part, structure in zip(PARTS, data.parts, strict=False):
        for path, leaf in keras.tree.flatten_with_path(structure):
            if leaf is None:
                continue
            values = np.asarray(leaf)
            if values.dtype.kind not in "fiub":
                continue
            exact = values.astype(np.float64)
            finite = np.isfinite(exact)
            by_column = finite.reshape(-1, values.shape[-1]) if values.ndim > 1 else finite[:, np.newaxis]
            known = np.where(finite, exact, 0.0)
            columns = tuple(range(values.ndim - 1)) if values.ndim > 1 else (0,)
            yield ArrayFacts(
                name="/".join([part, *map(str, path)]),
                part=part,
                floating=values.dtype.kind == "f",
                nonfinite=int((~finite).sum()),
                columns=tuple(map(int, np.flatnonzero(~by_column.all(axis=0))[:20])),
                largest=float(np.abs(known).max(initial=0.0)),
                deviation=float(known.std(axis=columns).max(initial=0.0)),
                distinct=min(20, len(np.unique(known.ravel()[:10_000]))),
            )


# --- the update that went wrong -------------------------------------------------------------------------------------


def _of_update(prepared: Prepared, trained: Trained) -> dict[str, Any]:
    assert trained.event is not None
    model, moment, onset = prepared.model, trained.event.moment, trained.onset
    batch = keras.tree.map_structure(
        lambda one: None if isinstance(one, tf.experimental.Optional) else one, moment.batch
    )
    kept = [variable.read_value() for variable in moment.variables]
    found: dict[str, Any] = {"same_update": {}}
    try:
        with suppress(Exception), np.errstate(all="ignore"):
            found |= _forward(prepared, moment, batch)

        def again(changed: Callable[[], Any], name: str, batch: Any = batch) -> None:
            moment.restore()
            with suppress(Exception), np.errstate(all="ignore"), changed():
                found["same_update"][name] = _stays_finite(model, batch)

        if any(layer.compute_dtype in HALF for layer in model._flatten_layers()):
            again(lambda: _in_float32(model), "float32")
        if any(activation_name(cell.activation) not in BOUNDED for _, cell in recurrent_cells(model)):
            again(lambda: _bounded(model), "bounded")
        if onset is not None and onset.sample is not None and _of_the_sample(onset):
            again(_nothing, "sample_left_out", _without(batch, onset.sample))
        if onset is not None and onset.update == 1:
            again(lambda: _smaller(model), "smaller_weights")
    finally:
        for variable, value in zip(moment.variables, kept, strict=True):
            variable.assign(value)
    return found


def _of_the_sample(onset: ModelOnset) -> bool:
    """Whether the number was made of none that was huge: then its sample may be what is special."""
    return all(math.isinf(value) or not abs(value) > HUGE for value in onset.operands.values())


def _stays_finite(model: keras.Model, batch: Any) -> bool:
    """Do the update, traced anew for what was changed; whether its loss and the weights after it are finite."""
    model.reset_metrics()
    logs = tf.function(lambda: model.train_step(batch))()
    losses = [float(value) for name, value in logs.items() if name == "loss" or name.endswith("_loss")]
    weights = all(bool(tf.reduce_all(tf.math.is_finite(weight.value))) for weight in weights_of(model))
    return weights and all(map(math.isfinite, losses))


@contextmanager
def _nothing() -> Iterator[None]:
    yield


@contextmanager
def _bounded(model: keras.Model) -> Iterator[None]:
    before = [(cell, cell.activation) for _, cell in recurrent_cells(model)]
    try:
        for cell, activation in before:
            if activation_name(activation) not in BOUNDED:
                cell.activation = keras.activations.tanh
        yield
    finally:
        for cell, activation in before:
            cell.activation = activation


@contextmanager
def _in_float32(model: keras.Model) -> Iterator[None]:
    before = [(layer, layer.dtype_policy) for layer in model._flatten_layers()]
    try:
        for layer, _ in before:
            layer.dtype_policy = keras.DTypePolicy("float32")
        yield
    finally:
        for layer, policy in before:
            layer.dtype_policy = policy


@contextmanager
def _smaller(model: keras.Model) -> Iterator[None]:
    for weight in model.trainable_weights:
        if len(weight.shape) > 1:
            weight.assign(weight * 0.1)
    yield


def _without(batch: Any, sample: int) -> Any:
    def left(tensor: Any) -> Any:
        if tensor is None or not tensor.shape.rank or tensor.shape[0] <= 1:
            return tensor
        return tf.concat([tensor[:sample], tensor[sample + 1 :]], axis=0)

    return keras.tree.map_structure(left, batch)


def _forward(prepared: Prepared, moment: Moment, batch: Any) -> dict[str, Any]:
    """Outputs of layers and the states of recurrent ones, timestep by timestep, in the update that went wrong."""
    model = prepared.model
    outputs: list[float] = []
    states: dict[int, list[float]] = {}
    original = keras.layers.Layer.__call__

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        given = original(layer, *args, **kwargs)
        largest = _largest(given)
        if hasattr(layer, "state_size") and not hasattr(layer, "cell"):
            states.setdefault(id(layer), []).append(_largest(given[1]) if isinstance(given, tuple) else largest)
        elif layer is not model:
            outputs.append(largest)
        return given

    moment.restore()
    x = batch[0] if isinstance(batch, tuple) else batch
    keras.layers.Layer.__call__ = call
    try:
        model(x, training=True)
    finally:
        keras.layers.Layer.__call__ = original
    recurrent = [
        RecurrentFacts(
            layer=name,
            activation=activation_name(cell.activation),
            bounded=activation_name(cell.activation) in BOUNDED,
            growth=_growth(states.get(id(cell), [])),
            largest=max((size for size in states.get(id(cell), []) if math.isfinite(size)), default=0.0),
        )
        for name, cell in recurrent_cells(model)
    ]
    finite = [size for size in outputs if math.isfinite(size)]
    return {"recurrent": tuple(recurrent), "largest_output": max(finite, default=0.0)}


def _largest(given: Any) -> float:
    """Largest magnitude, NaN and infinity included."""
    sizes = [
        float(tf.reduce_max(tf.abs(tf.cast(one, tf.float64))))
        for one in keras.tree.flatten(given)
        if isinstance(one, tf.Tensor) and one.dtype.is_floating and one.shape.num_elements()
    ]
    return max(sizes, default=0.0) if not any(map(math.isnan, sizes)) else math.nan


def _growth(sizes: list[float]) -> float:
    """Factor per timestep, by the slope of the logarithm over the second half of what is finite and not 0."""
    finite = np.array([size for size in sizes if math.isfinite(size) and size > 0])
    half = np.log(finite[len(finite) // 2 :])
    return float(np.exp(np.polyfit(np.arange(len(half)), half, 1)[0])) if len(half) > 2 else 1.0
