"""One update of a model once more, eagerly and operation by operation, from what it started from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import keras
import numpy as np
import tensorflow as tf

from study.models.moment import Batch, Moment, now
from study.models.onset import ModelOnset
from study.models.state import states_of_recurrent_layers, weights_of
from study.models.walk.as_xla import derivatives_as_xla_has_them
from study.models.walk.describe import Describer
from study.models.walk.hooks import BETWEEN, Hooks
from study.models.walk.naming import Naming
from study.models.walk.origin import Origin, Wanted, first, way_to
from study.models.walk.place import TensorId
from study.models.walk.recorder import Recorder

Tensor: TypeAlias = Any

PARTS = ("x", "y", "sample_weight")

NOT_MET = "the compiled update was not finite, its eager repetition was; this is where its numbers came closest to it"


@dataclass(frozen=True, kw_only=True)
class Walk:
    """What an update computed.

    Attributes:
        onset: The first number that was not finite; None where all were.
        inherited: Whether that is in a variable, which was so before the update.
        loss: The loss that was computed; NaN where none was.
        hooks: What Keras was seen doing.
        recorder: What TensorFlow executed.
    """

    onset: ModelOnset | None
    inherited: bool
    loss: float
    hooks: Hooks = field(repr=False)
    recorder: Recorder = field(repr=False)


class _Enough(BaseException):
    """Ends an update whose rest does not matter. No user's code should catch it."""


def walk(model: keras.Model, moment: Moment, *, or_nearest: bool = True) -> Walk:
    """Walk an update again and find the first number that is not finite.

    The model is left as it was found: its variables have the same values before and after.

    Args:
        model: Compiled, and built.
        moment: What the update started from.
        or_nearest: Where all numbers are finite, walk once more and tell which came closest to an overflow.

    Raises:
        Exception: What the user's own training step raises when it is run eagerly.
    """
    found = _walked(model, moment)
    if found.onset is not None or not or_nearest:
        return found
    return _walked(model, moment, nearest=True)


def _walked(model: keras.Model, moment: Moment, *, nearest: bool = False) -> Walk:
    recorder = Recorder(moment.variables, outermost=_run.__code__, between=BETWEEN, nearest=nearest)
    hooks = Hooks(model, recorder)
    batch = keras.tree.map_structure(without_optional, moment.batch)
    data = dict(named_tensors(batch))
    with put_back(moment), eager_functions(model):
        moment.restore()
        recorder.start()
        hooks.after_loss = None if nearest else lambda: _stop_if_spoiled(hooks, recorder)
        _run(model, batch, recorder, hooks, data)
    naming = Naming(recorder, paths=_paths(model), data={tensor._id: name for name, tensor in data.items()})
    onset, inherited = _onset(model, moment, hooks, naming, samples=_samples(data))
    return Walk(
        onset=onset,
        inherited=inherited,
        loss=float(hooks.losses[-1]) if hooks.losses else float("nan"),
        hooks=hooks,
        recorder=recorder,
    )


def _run(model: keras.Model, batch: Batch, recorder: Recorder, hooks: Hooks, data: Mapping[str, Tensor]) -> None:
    """The update itself. Further out than this function nobody's code is looked for."""
    with np.errstate(all="ignore"), hooks.set_up(), recorder.listening():
        for tensor in data.values():
            recorder.look_at(tensor)
        try:
            model.train_step(batch)
        except _Enough:
            return


def _stop_if_spoiled(hooks: Hooks, recorder: Recorder) -> None:
    if any(recorder.bad(loss._id) is not None for loss in hooks.losses or hooks.targets):
        raise _Enough


def _onset(
    model: keras.Model, moment: Moment, hooks: Hooks, naming: Naming, *, samples: int | None
) -> tuple[ModelOnset | None, bool]:
    """The onset, and whether a variable had it before the update."""
    recorder = naming.recorder
    way = way_to(_spoiled(model, hooks, recorder), recorder)
    order = list(naming.data)

    def given(tensor: TensorId) -> int | None:
        if tensor in naming.data:
            return order.index(tensor)
        return len(order) if isinstance(tensor, tuple) else None

    origin = first(way, recorder, given=given)
    describer = Describer(update=moment.update, naming=naming, way=way, samples=samples)
    if origin is not None:
        return describer.onset(origin), origin.shown is None and origin.tensor not in naming.data
    _, closest = recorder.closest
    shown = None if closest is None else recorder.shown(closest)
    if shown is None:
        return None, False
    return describer.onset(_largest(shown.outputs, shown), warning=NOT_MET), False


def _largest(outputs: Any, shown: Any) -> Origin:
    """The largest number of an operation, in the place of one that is not finite."""
    values = outputs[0]
    where = np.zeros(values.shape, bool)
    where[np.unravel_index(int(np.argmax(np.abs(values))), values.shape)] = True
    return Origin(shown=shown, tensor=shown.operation.outputs[0], where=where, values=values)


def _spoiled(model: keras.Model, hooks: Hooks, recorder: Recorder) -> Wanted:
    """The losses that are not finite; where all are, the weights that the update left so; else the optimizer's own."""
    losses = [loss._id for loss in hooks.losses or hooks.targets]
    weights: list[TensorId] = [recorder.current(weight._value) for weight in weights_of(model)]
    of_optimizer = () if model.optimizer is None else model.optimizer.variables
    own: list[TensorId] = [
        recorder.current(one._value) for one in of_optimizer if keras.backend.is_float_dtype(one.dtype)
    ]
    for tensors in (losses, weights, own):
        found = {tensor: bad for tensor in tensors if (bad := recorder.bad(tensor)) is not None}
        if found:
            return found
    return {}


def _paths(model: keras.Model) -> dict[int, str]:
    of_optimizer = () if model.optimizer is None else model.optimizer.variables
    variables = [*model.variables, *of_optimizer, *states_of_recurrent_layers(model)]
    return {variable._value.handle._id: variable.path for variable in variables}


def named_tensors(batch: Batch) -> Iterator[tuple[str, Tensor]]:
    """Tensors of a batch by name: `x`, `x/a` of an input that has a name, `y`, `sample_weight`."""
    parts = batch if isinstance(batch, tuple) else (batch,)
    for part, values in zip(PARTS, parts, strict=False):
        for path, value in keras.tree.flatten_with_path(values):
            name = "/".join([part, *map(str, path)])
            components = tf.nest.flatten(value, expand_composites=True)
            yield from ((name, one) for one in components if isinstance(one, tf.Tensor))


def _samples(data: Mapping[str, Tensor]) -> int | None:
    return next((int(tensor.shape[0]) for tensor in data.values() if tensor.shape.rank), None)


def without_optional(value: Any) -> Any:
    """A part of a batch, None where a dataset's optional stands in for one that is not there."""
    return None if isinstance(value, tf.experimental.Optional) else value


@contextmanager
def put_back(moment: Moment) -> Iterator[None]:
    """Leave the variables as they were found."""
    after = now(moment.variables, update=moment.update)
    try:
        yield
    finally:
        after.restore()


@contextmanager
def eager_functions(model: keras.Model) -> Iterator[None]:
    """Run functions that the user compiled operation by operation too, with the arithmetic of what compiles them."""
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    compiled_by_xla = model.jit_compile and not model.run_eagerly
    try:
        with derivatives_as_xla_has_them() if compiled_by_xla else nullcontext():
            yield
    finally:
        tf.config.run_functions_eagerly(before)
