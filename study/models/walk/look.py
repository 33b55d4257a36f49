"""One update of a model once more, with all its tensors kept: not for what was first, but for how large they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import keras
import numpy as np
import tensorflow as tf

from study.models.moment import Moment
from study.models.state import weights_of
from study.models.walk import cells
from study.models.walk.hooks import BETWEEN, Hooks
from study.models.walk.place import Call, Named
from study.models.walk.recorder import Recorder
from study.models.walk.update import eager_functions, named_tensors, put_back, without_optional

Tensor: TypeAlias = Any
Arrays: TypeAlias = Mapping[str, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class SeenLayer:
    """A call of a layer.

    Attributes:
        path: Keras's path of names; with a number behind it from the second call of the same layer on.
        layer: The path alone, as an onset has it.
        kind: Name of its class.
        depth: Number of layers around it.
        inputs: By name, (batch, ...): `input`, or `input 0` and so on.
        outputs: By name: `output`, or `output 0` and so on.
        gradients: Of the loss with respect to the outputs, by the outputs' names, as far as there are any.
        weights: By path, its own and those of layers inside of it.
        recurrent: Whether it is one of Keras's recurrent layers.
    """

    path: str
    layer: str
    kind: str
    depth: int
    inputs: Arrays
    outputs: Arrays
    gradients: Arrays
    weights: Arrays
    recurrent: bool = False


@dataclass(frozen=True, kw_only=True)
class SeenRecurrence:
    """What a recurrent layer computed, timestep by timestep.

    Attributes:
        path: As of `SeenLayer`.
        layer: Likewise.
        gates: Of Keras's own cells, in the order of the kernels' columns; empty for others.
        backwards: Whether it reads the sequence from its end.
        states: `hidden_state`, `cell_state`, or `state 0` and so on, each (timesteps, batch, units).
        inside: What else a cell of Keras's own computes, such as `input_gate`, of the same shape.
        gradients: Of the loss with respect to the states, as far as there are any; of the same shape.
    """

    path: str
    layer: str
    gates: Sequence[str]
    backwards: bool
    states: Arrays
    inside: Arrays
    gradients: Arrays


@dataclass(frozen=True, kw_only=True)
class Look:
    """An update with its tensors.

    Attributes:
        update: 1-based number.
        loss: What `compute_loss` gave; NaN where nothing did.
        data: Tensors of the batch that are floats, by name: `x`, `x/a`, `y`.
        layers: Calls in the order in which they began.
        recurrences: Those of recurrent layers.
        weights: By path, as the update finds them.
        gradients: Of the weights, by path, before clipping; with loss scaling, times its factor.
    """

    update: int
    loss: float
    data: Arrays
    layers: Sequence[SeenLayer]
    recurrences: Sequence[SeenRecurrence]
    weights: Arrays
    gradients: Arrays


class _Looker(Recorder):
    """Keeps the named tensors of cells, and listens to no operation."""

    def __init__(self) -> None:
        super().__init__((), outermost=look.__code__, between=BETWEEN)
        self.inside: dict[tuple[Call, str], dict[int, Tensor]] = {}

    def name(self, tensor: Tensor, named: Named) -> None:
        if named.call is not None and named.timestep is not None and named.call.part:
            # Keras computes the first timestep once more beforehand; what comes later counts.
            self.inside.setdefault((named.call.whole, named.tensor), {})[named.timestep] = tensor


def look(model: keras.Model, moment: Moment) -> Look:
    """Repeat an update eagerly and keep what it computes. The model is left as it was found.

    Args:
        model: Compiled, and built.
        moment: What the update started from.

    Raises:
        Exception: What the user's own training step raises when it is run eagerly.
    """
    looker = _Looker()
    hooks = Hooks(model, looker)
    hooks.also = lambda: _differentiable(hooks)
    batch = keras.tree.map_structure(without_optional, moment.batch)
    with put_back(moment), eager_functions(model), np.errstate(all="ignore"):
        moment.restore()
        weights = {weight.path: _array(weight.value) for weight in weights_of(model)}
        with hooks.set_up():
            model.train_step(batch)
    names = _numbered(list(hooks.inputs))
    return Look(
        update=moment.update,
        loss=float(hooks.losses[-1]) if hooks.losses else float("nan"),
        data={name: _array(one) for name, one in named_tensors(batch) if one.dtype.is_floating},
        layers=_layers(hooks, names, weights),
        recurrences=[_recurrence(hooks, looker, call, names[call]) for call in hooks.states if call in names],
        weights=weights,
        gradients={path: _array(one) for path, one in hooks.gradients.items() if isinstance(path, str)},
    )


def _differentiable(hooks: Hooks) -> list[Tensor]:
    """What layers have given so far, and the states of recurrent ones."""
    outputs = [one for call, given in hooks.calls if call.timestep is None for one in _floats(given)]
    states = [state for steps in hooks.states.values() for _, after in steps for state in _floats(after)]
    return [*outputs, *states]


def _floats(structure: Any) -> list[Tensor]:
    flat = keras.tree.flatten(structure)
    return [one for one in flat if isinstance(one, tf.Tensor) and one.dtype.is_floating]


def _array(tensor: Tensor) -> np.ndarray:
    """In float32 at least: NumPy has no statistics of bfloat16, and overflows in those of float16."""
    values = tf.convert_to_tensor(tensor)
    if values.dtype in (tf.float16, tf.bfloat16):
        values = tf.cast(values, tf.float32)
    return np.asarray(values)


def _numbered(calls: Sequence[Call]) -> dict[Call, str]:
    """Paths of calls, with a number from the second of the same path on."""
    seen: dict[str, int] = {}
    names = {}
    for call in calls:
        path = "/".join(call.path)
        seen[path] = seen.get(path, 0) + 1
        names[call] = path if seen[path] == 1 else f"{path} ({seen[path]})"
    return names


def _layers(hooks: Hooks, names: Mapping[Call, str], weights: Arrays) -> list[SeenLayer]:
    given = dict(hooks.calls)
    layers = []
    for call, path in names.items():
        outputs = _by_name("output", _floats(given.get(call)))
        own = [weight for weight in getattr(call.layer, "weights", ()) if weight.path in weights]
        if not outputs and not own:
            continue  # it has to do with masks or counts
        layers.append(
            SeenLayer(
                path=path,
                layer=call.name,
                kind=type(call.layer).__name__,
                depth=len(call.path) - 1,
                inputs={name: _array(one) for name, one in _by_name("input", _floats(hooks.inputs[call])).items()},
                outputs={name: _array(one) for name, one in outputs.items()},
                gradients={
                    name: _array(hooks.gradients[one._id])
                    for name, one in outputs.items()
                    if one._id in hooks.gradients
                },
                weights={weight.path: weights[weight.path] for weight in own},
                recurrent=isinstance(call.layer, keras.layers.RNN),
            )
        )
    return layers


def _by_name(name: str, tensors: Sequence[Tensor]) -> dict[str, Tensor]:
    if len(tensors) == 1:
        return {name: tensors[0]}
    return {f"{name} {number}": one for number, one in enumerate(tensors)}


def _recurrence(hooks: Hooks, looker: _Looker, call: Call, path: str) -> SeenRecurrence:
    words = cells.words(getattr(call.layer, "cell", call.layer))
    steps = sorted(hooks.states[call], key=lambda step: step[0])
    number = len(steps[0][1]) if steps else 0
    known = words is not None and number == len(words.outputs) - 1
    names = words.outputs[1:] if words is not None and known else [f"state {one}" for one in range(number)]
    by_state = {name: [after[place] for _, after in steps] for place, name in enumerate(names)}
    inside = {
        tensor: _sequence([at[timestep] for timestep in sorted(at)])
        for (whole, tensor), at in looker.inside.items()
        if whole is call and tensor not in by_state
    }
    gradients = {}
    for name, states in by_state.items():
        found = [hooks.gradients.get(state._id) for state in states]
        if any(one is not None for one in found):
            pairs = zip(found, states, strict=True)
            gradients[name] = _sequence([tf.zeros_like(state) if one is None else one for one, state in pairs])
    return SeenRecurrence(
        path=path,
        layer=call.name,
        gates=() if words is None else words.gates,
        backwards=call in hooks.backwards,
        states={name: _sequence(states) for name, states in by_state.items()},
        inside=inside,
        gradients=gradients,
    )


def _sequence(tensors: Sequence[Tensor]) -> np.ndarray:
    """(timesteps, batch, units); other axes than those are one."""
    stacked = _array(tf.stack(tensors))
    return stacked.reshape(*stacked.shape[:2], -1)
