"""Where Keras is listened to while an update is walked: calls of layers, timesteps, the loss, gradients, the optimizer.

Each is a function of Keras's or TensorFlow's that is replaced for the time of the walk, and told what it does before
and after the original does it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from types import CodeType
from typing import Any, TypeAlias

import keras
import tensorflow as tf
from keras.src import backend
from keras.src.losses.loss import Loss
from keras.src.ops.operation import Operation
from keras.src.optimizers.base_optimizer import BaseOptimizer
from keras.src.optimizers.loss_scale_optimizer import LossScaleOptimizer
from keras.src.trainers.trainer import Trainer

from study.models.walk import cells
from study.models.walk.place import BACKWARD, FORWARD, LOSS, OPTIMIZER, Call, Named, Place, TensorId
from study.models.walk.recorder import Recorder
from study.models.walk.users_code import written_by_user

Tensor: TypeAlias = Any
Function: TypeAlias = Callable[..., Any]


class Hooks:
    """Tells a recorder where the update is.

    Args:
        model: Whose update is walked.
        recorder: What is told.

    Attributes:
        calls: All calls of layers so far, with their outputs, in the order in which they ended.
        states: Of every recurrent layer's call, its states after each timestep in the order of computation.
        losses: What `compute_loss` has given so far.
        targets: What gradients were taken of so far.
        inputs: Of all calls outside of recurrent layers' timesteps, in the order in which they began.
        gradients: Of weights by their paths, and of what `also` gives by the numbers of the tensors.
        backwards: Calls of recurrent layers that read their sequence from its end.
    """

    also: Callable[[], list[Tensor]] | None = None
    """What gradients are taken with respect to beside what the training step asks for; none where it is not set."""

    def __init__(self, model: keras.Model, recorder: Recorder) -> None:
        self.model = model
        self.recorder = recorder
        self.calls: list[tuple[Call, Any]] = []
        self.states: dict[Call, list[tuple[int, list[Tensor]]]] = {}
        self.losses: list[Tensor] = []
        self.targets: list[Tensor] = []
        self.inputs: dict[Call, Any] = {}
        self.gradients: dict[str | TensorId, Tensor] = {}
        self.backwards: set[Call] = set()
        self.after_loss: Callable[[], None] | None = None
        self._thread = threading.get_ident()

    @contextmanager
    def set_up(self) -> Iterator[None]:
        """Listen, in this thread."""
        with ExitStack() as stack:
            for owner, name, listener in (
                (keras.Layer, "__call__", _layer_call),
                (Operation, "__call__", _operation_call),
                (backend, "rnn", type(self).rnn),
                (Loss, "__call__", _loss_call),
                (Trainer, "_compute_loss", _compute_loss),
                (tf.GradientTape, "gradient", _gradient),
                (BaseOptimizer, "apply", type(self).apply),
                (LossScaleOptimizer, "apply", type(self).apply),
            ):
                stack.enter_context(self._replaced(owner, name, listener))
            # A training step of the user's own may call it, and may have one of its own.
            stack.enter_context(self._replaced_of_model("compute_loss", _compute_loss))
            yield

    @staticmethod
    def rnn(hooks: Any, original: Function) -> Function:
        """How the timesteps of recurrent layers are listened to."""
        return _rnn(hooks, original)

    @staticmethod
    def apply(hooks: Any, original: Function) -> Function:
        """How the step of the optimizer is listened to."""
        return _apply(hooks, original)

    def listens(self) -> bool:
        """Whether this call belongs to the walk, and computes rather than traces a graph."""
        return threading.get_ident() == self._thread and tf.executing_eagerly()

    @contextmanager
    def at(self, place: Place) -> Iterator[None]:
        before, self.recorder.place = self.recorder.place, place
        try:
            yield
        finally:
            self.recorder.place = before

    @contextmanager
    def _replaced(self, owner: Any, name: str, listener: Callable[[Hooks, Function], Function]) -> Iterator[None]:
        original = owner.__dict__[name]
        setattr(owner, name, listener(self, original))
        try:
            yield
        finally:
            setattr(owner, name, original)

    @contextmanager
    def _replaced_of_model(self, name: str, listener: Callable[[Hooks, Function], Function]) -> Iterator[None]:
        # Beside Keras's tracking of attributes.
        self.model.__dict__[name] = listener(self, getattr(self.model, name))
        try:
            yield
        finally:
            del self.model.__dict__[name]

    def call_of(self, layer: Any) -> Call:
        """The call of a layer that begins now; of the model itself one without a path."""
        around = self.recorder.place.call
        before = () if around is None else around.path
        return Call(
            layer=layer,
            path=() if layer is self.model and around is None else (*before, layer.name),
            around=around,
            users=_of_users(layer),
            part=around is not None and cells.is_part(layer, around.layer),
            timestep=self.recorder.place.timestep,
        )


def _of_users(layer: Any) -> bool:
    function = layer.function if isinstance(layer, keras.layers.Lambda) else layer
    return written_by_user(function)


def _layer_call(hooks: Hooks, original: Function) -> Function:
    def layer_call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if not hooks.listens() or isinstance(layer, keras.metrics.Metric):
            return original(layer, *args, **kwargs)
        place, call = hooks.recorder.place, hooks.call_of(layer)
        if call.path and call.timestep is None:
            hooks.inputs[call] = args or kwargs
        with hooks.at(replace(place, phase=FORWARD, call=call)), cells.gates_named(hooks, call):
            outputs = original(layer, *args, **kwargs)
        if call.path:
            hooks.calls.append((call, outputs))
            _name_outputs(hooks, call, outputs)
        if place.call is None and place.phase == FORWARD:
            # What a training step of the user's own does after a model is called is the loss, if it goes into none.
            hooks.recorder.place = replace(place, phase=LOSS)
        return outputs

    return layer_call


def _operation_call(hooks: Hooks, original: Function) -> Function:
    def operation_call(operation: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(operation, keras.Layer) or not hooks.listens():
            return original(operation, *args, **kwargs)
        call = hooks.call_of(operation)
        if call.timestep is None:
            hooks.inputs[call] = args or kwargs
        with hooks.at(replace(hooks.recorder.place, call=call)):
            outputs = original(operation, *args, **kwargs)
        hooks.calls.append((call, outputs))
        _name_outputs(hooks, call, outputs)
        return outputs

    return operation_call


def _name_outputs(hooks: Hooks, call: Call, outputs: Any) -> None:
    timestep = hooks.recorder.place.timestep
    tensors = [one for one in keras.tree.flatten(outputs) if isinstance(one, tf.Tensor)]
    words = cells.words_for_outputs(call, len(tensors))
    for tensor, word in zip(tensors, words, strict=True):
        hooks.recorder.name(tensor, Named(tensor=word, call=call, timestep=timestep))


def _rnn(hooks: Hooks, original: Function) -> Function:
    def rnn(step_function: Function, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        if not hooks.listens():
            return original(step_function, inputs, *args, **kwargs)
        place = hooks.recorder.place
        length = int(keras.tree.flatten(inputs)[0].shape[0 if kwargs.get("time_major") else 1])
        # Keras calls a step that is not unrolled once before the first, for the shape of what it gives.
        number = 0 if kwargs.get("unroll") else -1
        states: list[tuple[int, list[Tensor]]] = []
        if place.call is not None:
            hooks.states[place.call] = states
            if kwargs.get("go_backwards"):
                hooks.backwards.add(place.call)

        def step(inputs_at_t: Any, states_at_t: Any) -> Any:
            nonlocal number
            computed, number = max(number, 0), number + 1
            timestep = length - 1 - computed if kwargs.get("go_backwards") else computed
            with hooks.at(replace(place, timestep=timestep)):
                output, after = step_function(inputs_at_t, states_at_t)
            if number > 0:
                states.append((timestep, list(keras.tree.flatten(after))))
            return output, after

        return original(step, inputs, *args, **kwargs)

    return rnn


def _loss_call(hooks: Hooks, original: Function) -> Function:
    def loss_call(loss: Any, y_true: Any, y_pred: Any, *args: Any, **kwargs: Any) -> Any:
        if not hooks.listens():
            return original(loss, y_true, y_pred, *args, **kwargs)
        place = hooks.recorder.place
        if place.output is None and place.call is None:
            place = replace(place, phase=LOSS, computing=True, output=_output_name(hooks, y_pred))
        with hooks.at(place):
            return original(loss, y_true, y_pred, *args, **kwargs)

    return loss_call


def _output_name(hooks: Hooks, y_pred: Any) -> str | None:
    """Name of the output that a loss is of, where the model has several."""
    names = getattr(hooks.model, "output_names", None) or ()
    named = hooks.recorder.names.get(getattr(y_pred, "_id", -1))
    if len(names) < 2 or named is None or named.call is None:
        return None
    return named.call.name


def _compute_loss(hooks: Hooks, original: Function) -> Function:
    def compute_loss(*args: Any, **kwargs: Any) -> Any:
        if not hooks.listens():
            return original(*args, **kwargs)
        with hooks.at(Place(phase=LOSS, computing=True)):
            loss = original(*args, **kwargs)
        if loss is not None:
            hooks.losses.append(loss)
        return loss

    return compute_loss


def _gradient(hooks: Hooks, original: Function) -> Function:
    def gradient(tape: Any, target: Any, sources: Any, *args: Any, **kwargs: Any) -> Any:
        if not hooks.listens() or hooks.recorder.place.phase == BACKWARD:
            return original(tape, target, sources, *args, **kwargs)
        targets = [one for one in keras.tree.flatten(target) if isinstance(one, tf.Tensor)]
        hooks.targets += targets
        hooks.recorder.take_targets(targets)
        if hooks.after_loss is not None:
            hooks.after_loss()
        others = hooks.also() if hooks.also is not None else []
        with hooks.at(Place(phase=BACKWARD, computing=True)):
            found, of_others = original(tape, target, [sources, others], *args, **kwargs)
        for source, one in zip(keras.tree.flatten(sources), _flat(found), strict=True):
            if one is not None and (path := getattr(source, "path", None)):
                values = one.values if isinstance(one, tf.IndexedSlices) else one
                hooks.recorder.name(values, Named(tensor=f"gradient of {path}"))
                hooks.gradients[path] = values
        hooks.gradients |= {one._id: of for one, of in zip(others, of_others, strict=True) if of is not None}
        return found

    return gradient


def _flat(gradients: Any) -> list[Any]:
    """Gradients one by one, None for what has none."""
    if isinstance(gradients, (list, tuple)):
        return [one for part in gradients for one in _flat(part)]
    if isinstance(gradients, dict):
        return [one for key in sorted(gradients) for one in _flat(gradients[key])]
    return [gradients]


def _apply(hooks: Hooks, original: Function) -> Function:
    def apply(optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        if not hooks.listens():
            return original(optimizer, *args, **kwargs)
        with hooks.at(Place(phase=OPTIMIZER, computing=True)):
            return original(optimizer, *args, **kwargs)

    return apply


BETWEEN: CodeType = next(
    one for one in _layer_call.__code__.co_consts if isinstance(one, CodeType) and one.co_name == "layer_call"
)
"""Code of the function through which a walk calls layers."""
