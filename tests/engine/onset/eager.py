"""One update on Keras's own cells, called timestep by timestep in eager mode: where is the first non-finite number?

It shares nothing with the engine under test but what a trial is fed (weights, batch, masks): the cells are Keras's
own, which are listened to through their activations, and the gradients are TensorFlow's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from study.engine.compiled.state import TrainState
from study.engine.draws import batches
from study.engine.reference.engine import Model, drop, loss_of, masks_for
from study.engine.runtime import keras, tf
from study.engine.structure import Structure
from study.trial.config import TrialConfig


class First(NamedTuple):
    """The first number that is not finite; fields as in `study.trial.onset.Onset`."""

    phase: str
    layer: str | None
    direction: str | None
    tensor: str
    timestep: int | None
    index: tuple[int, ...]  # type: ignore[assignment]


class Step(NamedTuple):
    """How a timestep of a cell of Keras's is told of.

    Attributes:
        forward: Tensors in the order in which they are computed.
        heard: Those of them that go into and come out of the cell's activations, in the order of its calls.
        told: From the cell, its input, the hidden state before, its masks and what was heard, by name, the others; but
            the hidden state, which is what the cell puts out.
        backward: Tensors whose gradients are told, in the order in which they are computed.
        derived: Those of `backward` that are no tensor of the cell's graph: the sum and the factor that they are of.
    """

    forward: tuple[str, ...]
    heard: tuple[str, ...]
    told: Callable[..., dict[str, Any]]
    backward: tuple[str, ...]
    derived: Mapping[str, tuple[str, str]] = MappingProxyType({})


def projections(cell, x, gates: tuple[str, ...]) -> dict[str, Any]:
    bias = cell.bias.value
    projected = x @ cell.kernel.value + (bias if len(bias.shape) == 1 else bias[0])
    return {f"{gate}_projection": part for gate, part in zip(gates, tf.split(projected, len(gates), 1), strict=True)}


def last_product(cell, hidden, masks) -> Any:
    """Of the hidden state and the last gate's recurrent weights, of a cell that has biases of its own there."""
    masked = hidden if masks is None else hidden * masks[-1]
    return masked @ cell.recurrent_kernel.value[:, -cell.units :] + cell.bias.value[1][-cell.units :]


STEPS: dict[str, Step] = {
    "lstm": Step(
        forward=(
            *(
                f"{gate}_{what}"
                for what in ("projection", "sum")
                for gate in ("input", "forget", "candidate", "output")
            ),
            *("input_gate", "forget_gate", "candidate", "output_gate"),
            *("cell_state", "activated_cell_state", "hidden_state"),
        ),
        heard=(
            *("input_sum", "input_gate", "forget_sum", "forget_gate", "candidate_sum", "candidate"),
            *("output_sum", "output_gate", "cell_state", "activated_cell_state"),
        ),
        told=lambda cell, x, hidden, masks, heard: projections(cell, x, ("input", "forget", "candidate", "output")),
        backward=("hidden_state", "cell_state", "input_sum", "forget_sum", "candidate_sum", "output_sum"),
    ),
    "gru": Step(
        forward=(
            *("update_projection", "reset_projection", "candidate_projection", "update_sum", "reset_sum"),
            *("candidate_recurrence", "update_gate", "reset_gate", "candidate_sum", "candidate", "hidden_state"),
        ),
        heard=("update_sum", "update_gate", "reset_sum", "reset_gate", "candidate_sum", "candidate"),
        told=lambda cell, x, hidden, masks, heard: (
            projections(cell, x, ("update", "reset", "candidate"))
            | {"candidate_recurrence": last_product(cell, hidden, masks)}
        ),
        backward=("hidden_state", "update_sum", "candidate_sum", "candidate_recurrence", "reset_sum"),
        derived={"candidate_recurrence": ("candidate_sum", "reset_gate")},
    ),
    "simple_rnn": Step(
        forward=("hidden_projection", "hidden_sum", "hidden_state"),
        heard=("hidden_sum", "hidden_state"),
        told=lambda cell, x, hidden, masks, heard: projections(cell, x, ("hidden",)),
        backward=("hidden_state", "hidden_sum"),
    ),
}
"""By the name of the cell."""


def by_name(vector, structure: Structure) -> dict[str, np.ndarray]:
    """A vector of all weights, cut up."""
    shapes = structure.weights()
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes.values()])[:-1]
    parts = np.split(np.asarray(vector), ends)
    return {name: part.reshape(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}


def first_not_finite(config: TrialConfig, number: int, before: TrainState) -> First | None:
    """The first number that is not finite: forward, loss, backward, gradients, or the running means of Nadam."""
    return _Update(config, number, before).first()


class _Update:
    def __init__(self, config: TrialConfig, number: int, before: TrainState) -> None:
        structure = Structure.of(config)
        self.config = config
        self.structure = structure
        self.before = before
        self.forward: list[tuple] = []
        self.step = STEPS[structure.cell.name]
        self.states = dict(zip(structure.recurrences(), before.state, strict=True))
        model = Model(config)
        given = by_name(before.weights.numpy(), structure)
        model.set_weights({name: given[name] for name in model.weights})
        drawn = {"seed": config.seed, "update": tf.constant(number, tf.int64)}
        x, labels = batches.batch(
            *drawn.values(),
            batch_size=config.batch_size,
            timesteps=config.timesteps,
            features=config.features,
            input_mean=config.input_mean,
            label_balance=config.label_balance,
            labels_shuffled=config.label_sampling == "shuffled",
            task=config.task,
        )
        masks = model.masks(*drawn.values(), recurrent_dropout=config.recurrent_dropout, dropout=config.dropout)
        self.masks = {name: tf.unstack(masks[name]) if name in masks else None for name in model.cells}
        for name, cell in model.cells.items():
            if name in masks:
                cell.get_recurrent_dropout_mask = partial(_given, masks_for(cell, masks[name]))
        with tf.GradientTape() as tape:
            for name, layer in model.layers.items():
                if name in structure.layer_names():
                    x = self._recurrent(name, model, x)
                elif name == "dense":
                    x = tf.matmul(x, layer.kernel.value) + layer.bias.value
                    self.forward.append((name, None, {"logit": [x]}))
                else:
                    x = layer(x, training=True)
                    self.forward.append((name, None, {name: [x]}))
                if name in model.dropouts and (dropout := f"dropout_{model.dropouts[name][0]}") in masks:
                    x = drop(x, masks[dropout], semantics=config.semantics)
                    self.forward.append((dropout, None, {dropout: [x]}))
            self.loss = loss_of(labels, keras.activations.sigmoid(x), semantics=config.semantics)
        watched = [values for _, _, tensors in self.forward for name, values in tensors.items() if self._is_told(name)]
        self.weights = {name: weight.value for name, weight in model.weights.items()}
        found = tape.gradient(self.loss, [watched, list(self.weights.values())])
        places = iter(found[0])
        self.backward = [
            (layer, direction, {name: next(places) for name in tensors if self._is_told(name)})
            for layer, direction, tensors in self.forward
        ]
        for (_, direction, gradients), (_, _, tensors) in zip(self.backward, self.forward, strict=True):
            for name, (of, factor) in self.step.derived.items() if direction else ():
                both = zip(gradients[of], tensors[factor], strict=True)
                gradients[name] = [None if d is None else d * value for d, value in both]
        self.gradients = dict(zip(self.weights, found[1], strict=True))

    def _is_told(self, name: str) -> bool:
        """Whether a tensor is one whose gradient the tape knows."""
        return not name.endswith("_projection") and name not in self.step.derived

    def _recurrent(self, name: str, model: Model, x):
        last = name == self.structure.layer_names()[-1]
        outputs = [self._cell(f"{name}/{d}", model, x, last=last) for d in self.structure.directions]
        return outputs[0] if len(outputs) == 1 else tf.concat(outputs, axis=-1)

    def _cell(self, name: str, model: Model, x, *, last: bool):
        cell = model.cells[name]
        heard: list = []
        functions = {f: getattr(cell, f) for f in ("recurrent_activation", "activation") if hasattr(cell, f)}

        def listening(function):
            def listener(z):
                heard.extend((z, function(z)))
                return heard[-1]

            return listener

        for function, original in functions.items():
            setattr(cell, function, listening(original))
        steps: dict[str, list] = {tensor: [None] * self.config.timesteps for tensor in self.step.forward}
        state = list(self.states[name])
        order = range(self.config.timesteps)
        for t in reversed(order) if name.endswith("backward") else order:
            heard.clear()
            before = state[0]
            hidden, state = cell(x[:, t], state, training=True)
            found = dict(zip(self.step.heard, heard, strict=True))
            found |= self.step.told(cell, x[:, t], before, self.masks[name], found) | {"hidden_state": hidden}
            for tensor in self.step.forward:
                steps[tensor][t] = found[tensor]
        for function, original in functions.items():
            setattr(cell, function, original)
        self.forward.append((*name.split("/"), steps))
        return hidden if last else tf.stack(steps["hidden_state"], axis=1)

    def first(self) -> First | None:
        for layer, direction, tensors in self.forward:
            found = _first("forward", layer, direction, tensors, tuple(tensors), backwards=direction == "backward")
            if found:
                return found
        if not np.isfinite(self.loss):
            return First("loss", None, None, "loss", None, ())
        layers = list(dict.fromkeys(layer for layer, _, _ in self.forward))
        # Of two directions neither needs the other; the forward one comes first here, as in the engine.
        for layer, direction, tensors in sorted(self.backward, key=lambda one: -layers.index(one[0])):
            steps = direction is not None
            names = self.step.backward if steps else tuple(tensors)
            of = {name: [np.zeros(1) if v is None else v for v in tensors[name]] for name in names}
            label = "gradient of {}" if steps else f"gradient of the output of {layer}"
            named = {label.format(name): values for name, values in of.items()}
            found = _first("backward", layer, direction, named, tuple(named), backwards=direction != "backward")
            if found:
                return found
        for name, gradient in self.gradients.items():
            if not np.isfinite(gradient).all():
                layer, *direction, _ = name.split("/")
                where = direction[0] if direction else None
                return First("backward", layer, where, f"gradient of {name}", None, _place(gradient))
        return self._first_of_nadam()

    def _first_of_nadam(self) -> First | None:
        """m + (g - m) / 10 and v + (g^2 - v) / 1000 in float32 (T. Dozat, 2015), without clipping."""
        assert (self.config.optimizer, self.config.clipnorm) == ("nadam", None)
        means = [by_name(slot.numpy(), self.structure) for slot in self.before.slots]
        for number, (mean, power, share) in enumerate(zip(means, (1, 2), (0.1, 0.001), strict=True), start=1):
            for name, gradient in self.gradients.items():
                with np.errstate(over="ignore"):
                    new = mean[name] + (gradient.numpy() ** power - mean[name]) * np.float32(share)
                if not np.isfinite(new).all():
                    layer, *direction, _ = name.split("/")
                    where = direction[0] if direction else None
                    return First("optimizer", layer, where, f"running mean {number} of {name}", None, _place(new))
        return None


def _given(masks, step_input):
    return masks


def _first(phase, layer, direction, tensors, names, *, backwards) -> First | None:
    length = len(tensors[names[0]])
    for t in reversed(range(length)) if backwards else range(length):
        for name in names:
            if not np.isfinite(tensors[name][t]).all():
                place = _place(tensors[name][t])
                if direction is not None:
                    return First(phase, layer, direction, name, t, (t, *place))
                # Batch-major here, time-major there.
                index = (place[1], place[0], *place[2:]) if len(place) == 3 else place
                return First(phase, layer, None, name, index[0] if len(place) == 3 else None, index)
    return None


def _place(values) -> tuple[int, ...]:
    where = ~np.isfinite(np.asarray(values))
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(where)), where.shape))
