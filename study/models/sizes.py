"""How large an update's numbers are, by a graph of its own: outputs by layer, states by timestep, gradients."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import keras
import tensorflow as tf

from study.models.moment import Batch
from study.models.traced import traced
from study.models.walk import cells
from study.models.walk.hooks import BETWEEN, Function, Hooks
from study.models.walk.place import Call, Named
from study.models.walk.recorder import Recorder

Tensor: TypeAlias = Any

LAYERS = 24
"""Of which the outputs are told; the outermost ones, where there are more."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Of one update; NaN where a number is not finite.

    Attributes:
        outputs: Path of a layer -> the largest magnitude of what it gives.
        states: `hidden_state` or `cell_state` -> of each recurrent layer the largest magnitude over batch and units,
            (timesteps,), in the order in which it reads.
        gradient: Norm of all gradients of weights together, before clipping; None where none was seen.
    """

    outputs: Mapping[str, float]
    states: Mapping[str, Sequence[Any]]
    gradient: float | None


class UpdateSizes:
    """Does updates of a model, all but the optimizer's step, and tells the sizes in them.

    Variables of the model change by it: states of random generators and of layers, and metrics.

    Args:
        model: Compiled, and built.
    """

    def __init__(self, model: keras.Model) -> None:
        self.model = model
        self._execute = self._sizes
        if not model.run_eagerly:
            self._execute = traced(self._sizes)

    def of(self, batch: Batch) -> Sizes:
        """Do an update on a batch.

        Raises:
            Exception: What the user's own training step raises, or TensorFlow of what is taken out of it.
        """
        outputs, states, gradient = self._execute(batch)
        return Sizes(
            outputs={path: float(size) for path, size in outputs.items()},
            states={name: [one.numpy() for one in of.values()] for name, of in states.items()},
            gradient=float(gradient[0]) if gradient else None,
        )

    def _sizes(self, batch: Batch) -> tuple[dict[str, Tensor], dict[str, dict[str, Tensor]], list[Tensor]]:
        hooks = _SizeHooks(self.model, _Silent())
        with hooks.set_up():
            self.model.train_step(batch)
        return self._outputs(hooks), _states(hooks), self._gradient(hooks)

    def _outputs(self, hooks: _SizeHooks) -> dict[str, Tensor]:
        found: dict[str, list[Tensor]] = {}
        calls = [(call, given) for call, given in hooks.calls if call.timestep is None]
        for depth in sorted({len(call.path) for call, _ in calls}):
            for call, given in calls:
                path = "/".join(call.path)
                tensors = [one for one in keras.tree.flatten(given) if _is_here(one)]
                if len(call.path) == depth and tensors and (path in found or len(found) < LAYERS):
                    found.setdefault(path, []).extend(map(largest, tensors))
        order = list(dict.fromkeys("/".join(call.path) for call in hooks.inputs))
        return {path: tf.reduce_max(tf.stack(found[path])) for path in order if path in found}

    def _gradient(self, hooks: _SizeHooks) -> list[Tensor]:
        gradients = [one for one in hooks.gradients.values() if _is_here(one)]
        if not gradients:
            return []
        norm = tf.sqrt(tf.add_n([tf.reduce_sum(tf.square(tf.cast(one, tf.float32))) for one in gradients]))
        scale = getattr(self.model.optimizer, "dynamic_scale", None)
        return [norm if scale is None else norm / tf.cast(scale.value, tf.float32)]


def largest(tensor: Tensor, *, axes: Sequence[int] | None = None) -> Tensor:
    """The largest magnitude; NaN where a number is not finite, which a maximum may pass over."""
    values = tf.cast(tensor, tf.float32)
    finite = tf.reduce_all(tf.math.is_finite(values), axis=axes)
    return tf.where(finite, tf.reduce_max(tf.abs(values), axis=axes), float("nan"))


def _is_here(tensor: Any) -> bool:
    """Whether it is a tensor of floats of the graph that is being traced, and none of a loop's inside."""
    if not isinstance(tensor, tf.Tensor) or not tensor.dtype.is_floating:
        return False
    return tf.executing_eagerly() or getattr(tensor, "graph", None) is tf.compat.v1.get_default_graph()


def _states(hooks: _SizeHooks) -> dict[str, dict[str, Tensor]]:
    """By state and by number of the layer, over all samples."""
    found: dict[str, dict[str, Tensor]] = {}
    for number, (call, sizes) in enumerate(hooks.sizes.items()):
        if not _is_here(sizes):
            continue
        words = cells.words(getattr(call.layer, "cell", call.layer))
        names = words.outputs[1:] if words is not None else ["hidden_state"]
        for place, name in enumerate(names[: sizes.shape[-1]]):
            found.setdefault(name, {})[str(number)] = tf.reduce_max(sizes[:, :, place], axis=1)
    return found


class _Silent(Recorder):
    """Takes no note of anything."""

    def __init__(self) -> None:
        super().__init__((), outermost=UpdateSizes.of.__code__, between=BETWEEN)

    def name(self, tensor: Tensor, named: Named) -> None:
        pass

    def take_targets(self, tensors: Sequence[Tensor]) -> None:
        pass


class _SizeHooks(Hooks):
    """Listens while a graph is traced, where the inside of a loop over timesteps cannot be taken out of it.

    Attributes:
        sizes: Of each recurrent layer's call the largest magnitudes of its states, (timesteps, samples, states).
    """

    def __init__(self, model: keras.Model, recorder: Recorder) -> None:
        super().__init__(model, recorder)
        self.sizes: dict[Call, Tensor] = {}
        self._of_thread = threading.get_ident()

    def listens(self) -> bool:
        return threading.get_ident() == self._of_thread

    @staticmethod
    def rnn(hooks: Any, original: Function) -> Function:
        return _with_sizes(hooks, original)

    @staticmethod
    def apply(hooks: Any, original: Function) -> Function:
        """The step is left out: nothing is asked of what it leaves."""
        return lambda optimizer, *args, **kwargs: None if hooks.listens() else original(optimizer, *args, **kwargs)


def _with_sizes(hooks: _SizeHooks, original: Function) -> Function:
    def rnn(step_function: Function, inputs: Any, initial_states: Any, *args: Any, **kwargs: Any) -> Any:
        place = hooks.recorder.place
        if not hooks.listens() or place.call is None or args:
            return original(step_function, inputs, initial_states, *args, **kwargs)
        with hooks.at(replace(place, timestep=0)):
            if kwargs.get("unroll"):
                return _unrolled(hooks, place.call, original, step_function, inputs, initial_states, kwargs)
            return _looped(hooks, place.call, original, step_function, inputs, initial_states, kwargs)

    return rnn


def _unrolled(
    hooks: _SizeHooks, call: Call, original: Function, step_function: Function, inputs: Any, states: Any, options: Any
) -> Any:
    sizes = []

    def step(inputs_at_t: Any, states_at_t: Any) -> Any:
        output, after = step_function(inputs_at_t, states_at_t)
        sizes.append(_of_states(after))
        return output, after

    result = original(step, inputs, states, **options)
    hooks.sizes[call] = tf.stack(sizes)
    return result


def _looped(
    hooks: _SizeHooks, call: Call, original: Function, step_function: Function, inputs: Any, states: Any, options: Any
) -> Any:
    """The sizes leave the loop as outputs, of which all timesteps are kept."""

    def step(inputs_at_t: Any, states_at_t: Any) -> Any:
        output, after = step_function(inputs_at_t, states_at_t)
        return (output, _of_states(after)), after

    every = options.get("return_all_outputs", True)
    last, outputs, after = original(step, inputs, states, **{**options, "return_all_outputs": True})
    sizes = outputs[1]
    hooks.sizes[call] = sizes if options.get("time_major") else tf.transpose(sizes, [1, 0, 2])
    kept = outputs[0] if every else keras.tree.map_structure(lambda one: one[:, -1:], outputs[0])
    return last[0], kept, after


def _of_states(states: Any) -> Tensor:
    """(samples, states); no gradient goes through it."""
    sizes = [largest(state, axes=list(range(1, len(state.shape)))) for state in keras.tree.flatten(states)]
    return tf.stop_gradient(tf.stack(sizes, axis=-1))
