"""What a case is made of: the data, the forward pass of the update that went wrong, and that update with changes.

Every change to the model is undone before the next measurement.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np

from study.diagnosis.case import HUGE, ArrayFacts, Case, RecurrentFacts, growth_per_timestep
from study.diagnosis.remedies.data import nonfinite_rows
from study.diagnosis.remedies.layers import (
    BOUNDED,
    activation_name,
    bound_activations,
    compute_in_float32,
    largest_kernel,
    layers_put_back,
    make_kernels_usual,
    recurrent_cells,
    shrink_kernels,
)
from study.models.data import PARTS, Arrays, Data
from study.models.libraries import keras, tf
from study.models.onset import ModelOnset
from study.models.settings import inner_optimizer, learning_rate_of
from study.models.state import weights_of
from study.models.step import Event
from study.models.traced import traced
from study.models.walk import Walk
from study.models.walk.update import put_back, without_optional

HALF = ("float16", "bfloat16")


def case_of(
    model: keras.Model,
    data: Data | None,
    *,
    onset: ModelOnset | None,
    event: Event | None,
    walked: Walk | None,
    **training: Any,
) -> Case:
    """Measure a training that has ended.

    Args:
        model: As the training left it; it is left so.
        data: What it was trained on; None where nobody knows it any more.
        onset: The first number that was not finite.
        event: The update that it was noticed in.
        walked: What was computed when the update of the onset was repeated.
        training: What is known of the training itself, by the names of `Case`.
    """
    arrays = data if isinstance(data, Arrays) else None
    facts: dict[str, Any] = {
        "onset": onset,
        "learning_rate": learning_rate_of(model),
        "epsilon": getattr(inner_optimizer(model), "epsilon", None),
        "optimizer": type(inner_optimizer(model)).__name__,
        "half": tuple(layer.name for layer in model._flatten_layers() if layer.compute_dtype in HALF),
        "arrays": () if arrays is None else tuple(_array_facts(arrays.parts)),
        "bad_rows": () if arrays is None else tuple(map(int, nonfinite_rows(arrays))),
        **training,
    }
    if event is not None and arrays is None:
        # Of a stream no more is known than the batch.
        facts["arrays"] = tuple(_array_facts(keras.tree.map_structure(without_optional, event.moment.batch)))
    if event is not None:
        facts |= _of_update(model, event, onset, walked)
    return Case(**facts)


def _array_facts(parts: Any) -> Iterator[ArrayFacts]:
    """Of all rows, or of those of a batch.

    Args:
        parts: x, or (x, y), or (x, y, sample_weight), each a structure of arrays or tensors.
    """
    for part, structure in zip(PARTS, parts if isinstance(parts, tuple) else (parts,), strict=False):
        for path, leaf in keras.tree.flatten_with_path(structure):
            if leaf is None or isinstance(leaf, tf.RaggedTensor | tf.SparseTensor):
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


def _of_update(model: keras.Model, event: Event, onset: ModelOnset | None, walked: Walk | None) -> dict[str, Any]:
    # What a variable had before the update of the event was done to it in the update before.
    moment = event.moment if onset is None else event.moment_of(onset.update)
    batch = keras.tree.map_structure(without_optional, moment.batch)
    found: dict[str, Any] = {"same_update": {}}
    if walked is not None:
        with np.errstate(all="ignore"):
            found |= _forward(walked, model)

    def again(name: str, change: Callable[[], Any] = lambda: None, batch: Any = batch) -> None:
        moment.restore()
        # What a user's own layers raise of a change says nothing of the cause.
        with suppress(Exception), np.errstate(all="ignore"), layers_put_back(model):
            change()
            # What the optimizer keeps may overflow an update before a weight does.
            found["same_update"][name] = _stays_finite(model, batch, with_optimizer=moment is not event.moment)

    with put_back(moment):
        if any(layer.compute_dtype in HALF for layer in model._flatten_layers()):
            again("float32", lambda: compute_in_float32(model))
        if any(activation_name(cell.activation) not in BOUNDED for _, cell in recurrent_cells(model)):
            again("bounded", lambda: bound_activations(model))
        if onset is not None and onset.sample is not None and _of_the_sample(onset):
            again("sample_left_out", batch=_without(batch, onset.sample))
        if onset is not None and onset.update == 1:
            again("smaller_weights", lambda: shrink_kernels(model))
            moment.restore()
            found["largest_kernel"] = largest_kernel(model)
            again("usual_weights", lambda: make_kernels_usual(model))
    return found


def _of_the_sample(onset: ModelOnset) -> bool:
    """Whether the number was made of none that was huge: then its sample may be what is special."""
    return all(math.isinf(value) or not abs(value) > HUGE for value in onset.operands.values())


def _stays_finite(model: keras.Model, batch: Any, *, with_optimizer: bool) -> bool:
    """Do the update, traced anew for what was changed; whether its loss and the weights after it are finite.

    Args:
        model: Changed.
        batch: Of the update.
        with_optimizer: Whether the optimizer's own numbers have to be finite too.
    """
    model.reset_metrics()
    logs = traced(partial(model.train_step, batch), autograph=True)()
    losses = [float(value) for name, value in logs.items() if name == "loss" or name.endswith("_loss")]
    after = [*weights_of(model), *(_of_optimizer(model) if with_optimizer else ())]
    weights = all(bool(tf.reduce_all(tf.math.is_finite(variable.value))) for variable in after)
    return weights and all(map(math.isfinite, losses))


def _of_optimizer(model: keras.Model) -> list[Any]:
    return [one for one in model.optimizer.variables if keras.backend.is_float_dtype(one.dtype)]


def _without(batch: Any, sample: int) -> Any:
    def left(tensor: Any) -> Any:
        if tensor is None or not tensor.shape.rank or tensor.shape[0] <= 1:
            return tensor
        return tf.concat([tensor[:sample], tensor[sample + 1 :]], axis=0)

    return keras.tree.map_structure(left, batch)


def _forward(walked: Walk, model: keras.Model) -> dict[str, Any]:
    """Outputs of layers and the states of recurrent ones, timestep by timestep, in the update that went wrong."""
    outputs = [_largest(given) for call, given in walked.hooks.calls if call.timestep is None]
    finite = [size for size in outputs if math.isfinite(size)]
    states: dict[str, list[float]] = {}
    for call, of_steps in walked.hooks.states.items():
        states.setdefault(call.layer.name, [_largest(state) for _, state in of_steps])
    recurrent = [
        RecurrentFacts(
            layer=name,
            activation=activation_name(cell.activation),
            bounded=activation_name(cell.activation) in BOUNDED,
            growth=growth_per_timestep(states.get(name, [])),
            largest=max((size for size in states.get(name, []) if math.isfinite(size)), default=0.0),
        )
        for name, cell in recurrent_cells(model)
    ]
    return {"recurrent": tuple(recurrent), "largest_output": max(finite, default=0.0)}


def _largest(given: Any) -> float:
    """Largest magnitude, NaN and infinity included."""
    sizes = [
        float(tf.reduce_max(tf.abs(tf.cast(one, tf.float64))))
        for one in keras.tree.flatten(given)
        if isinstance(one, tf.Tensor) and one.dtype.is_floating and one.shape.num_elements()
    ]
    return max(sizes, default=0.0) if not any(map(math.isnan, sizes)) else math.nan
