"""An update once more, operation by operation, with every tensor kept.

`update` itself is executed, with the same formulas for a timestep (`Cell.forward_step`, `Cell.backward_step`) on NumPy
arrays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from study.engine.cells import activations
from study.engine.cells.base import HIDDEN, LARGEST_HIDDEN, Activate, Differentiate
from study.engine.cells.recurrence import (
    Back,
    Probe,
    Recurrence,
    Recurrent,
    probed_timesteps,
    products,
    through_products,
)
from study.engine.compiled.observers import Instruments
from study.engine.runtime import tf
from study.engine.structure import Structure
from study.engine.tensors import Tensor
from study.trial.tensor_name import Derivative, TensorName

Operands: TypeAlias = Callable[[tuple[int, ...]], dict[str, float]]


@dataclass(frozen=True, kw_only=True)
class Observed:
    """One tensor of an update.

    Attributes:
        phase: `forward`, `loss`, `backward` or `optimizer`.
        layer: As in `Onset`.
        direction: As in `Onset`.
        tensor: As `Onset.what`.
        values: Its numbers.
        axes: Names of its axes: `timestep`, `sample`, `unit`; of weights `row` and `column`, and a convolution's `tap`.
        operands: Place -> the numbers that the one at this place was made of.
    """

    phase: str
    layer: str | None
    direction: str | None
    tensor: TensorName
    values: np.ndarray
    axes: tuple[str, ...]
    operands: Operands


NO_LAYER = ("inputs", "labels", "loss")
"""Names under which an update shows what no layer has made."""

_SLOTS: dict[str, Derivative] = {"slot 1": "running mean 1", "slot 2": "running mean 2"}


def _between_layers(name: str) -> TensorName:
    """What `training.update` shows under a name."""
    if name in NO_LAYER:
        return TensorName(role=name)
    return TensorName(role="logit") if name == "dense" else TensorName.output_of(name)


class Recorder(Instruments):
    """Keeps all tensors of an update in the order in which they are computed.

    Args:
        structure: Of the trial.
    """

    def __init__(self, structure: Structure) -> None:
        self.structure = structure
        self.observed: list[Observed] = []
        self.timesteps: dict[str, Mapping[str, np.ndarray]] = {}
        """Recurrence -> tensor of `Cell.forward_step` -> (timesteps, batch, units), in the order of the input."""

    def saw(self, group: Sequence[Observed], *, time_step: int | None = None) -> None:
        """Take tensors that belong together.

        Args:
            group: In the order in which they are computed.
            time_step: 1 or -1 where they are sequences and computed timestep by timestep, that way along the axis.
        """
        self.observed += group

    def observe(self, name: str, tensor: Tensor) -> Tensor:
        seen = tensor.numpy()
        if name.startswith("gradient of "):
            self._saw_weight("backward", name.removeprefix("gradient of "), "gradient", seen)
        elif name.startswith(("slot", "weights")):
            place = 0
            for weight, shape in self.structure.weights().items():
                size = math.prod(shape)
                self._saw_weight("optimizer", weight, _SLOTS.get(name), seen[place : place + size].reshape(shape))
                place += size
        else:
            self._saw_layer("loss" if name == "loss" else "forward", name, _between_layers(name), seen)
            if name not in NO_LAYER:
                return self._observe_gradient(name, tensor)
        return tensor

    def _observe_gradient(self, name: str, tensor: Tensor) -> Tensor:
        @tf.custom_gradient  # type: ignore[untyped-decorator]
        def passed(x: Tensor) -> Any:
            def gradient(upstream: Tensor) -> Tensor:
                self._saw_layer("backward", name, TensorName.output_of(name).derived("gradient"), upstream.numpy())
                return upstream

            return tf.identity(x), gradient

        return passed(tensor)

    def _saw_layer(self, phase: str, name: str, tensor: TensorName, values: np.ndarray) -> None:
        layer = name if name not in NO_LAYER else None
        axes = ("timestep", "sample", "unit")[3 - values.ndim :] if values.ndim > 1 else ()
        self.saw([self._observed(phase, layer, None, tensor, values, axes)])

    def _saw_weight(self, phase: str, weight: str, derivative: Derivative | None, values: np.ndarray) -> None:
        layer, *direction, _ = weight.split("/")
        axes = ("tap", "row", "column")[3 - values.ndim :]
        tensor = replace(TensorName.of_weight(weight), derivative=derivative)
        found = self._observed(phase, layer, direction[0] if direction else None, tensor, values, axes)
        if phase == "backward":
            # A weight's gradient is made of what came back to its layer, not of what was computed just before it.
            upstream = [one for one in self.observed if one.phase == phase and one.layer == layer]
            upstream = [
                one for one in upstream if one.direction == found.direction and one.tensor.role == "sum"
            ] or upstream
            largest = max((_largest(one.values) for one in upstream), default=math.nan)
            found = replace(found, operands=lambda index: {"largest gradient that came back to the layer": largest})
        self.saw([found])

    def _observed(
        self,
        phase: str,
        layer: str | None,
        direction: str | None,
        tensor: TensorName,
        values: np.ndarray,
        axes: Sequence[str],
    ) -> Observed:
        before = self.observed[-1] if self.observed else None

        def operands(index: tuple[int, ...]) -> dict[str, float]:
            return {} if before is None else {f"largest |{before.tensor}|": _largest(before.values)}

        return Observed(
            phase=phase,
            layer=layer,
            direction=direction,
            tensor=tensor,
            values=values,
            axes=tuple(axes),
            operands=operands,
        )

    def run(
        self,
        projections: Sequence[Tensor],
        recurrent_kernel: Tensor,
        recurrent_bias: Tensor | None,
        masks: Sequence[Tensor],
        state: tuple[Tensor, ...],
        *,
        recurrence: Recurrence,
        return_sequences: bool,
    ) -> tuple[Tensor, tuple[Tensor, ...], Probe]:
        cell = recurrence.cell
        gate_masks = [mask.numpy() for mask in masks]
        start = dict(zip(cell.states, (one.numpy() for one in state), strict=True))
        last = 0 if recurrence.backwards else -1

        @tf.custom_gradient  # type: ignore[untyped-decorator]
        def apply(*tensors: Tensor) -> Any:
            numbers = [tensor.numpy() for tensor in tensors]
            given = numbers[: len(cell.gates)]
            weights = recurrent_weights(*numbers[len(cell.gates) :], gates=len(cell.gates))
            steps = self._forward(given, weights, gate_masks, start, recurrence=recurrence)

            def gradient(d_output: Tensor) -> list[Tensor]:
                d_hidden, d_last = (d_output.numpy(), None) if return_sequences else (None, d_output.numpy())
                back = self._backward(d_hidden, d_last, steps, weights, gate_masks, start, recurrence=recurrence)
                d_projections = [back.gradients[f"{gate}_sum"] for gate in cell.gates]
                d_biases = [] if back.recurrent.biases is None else [np.concatenate(back.recurrent.biases)]
                found = [*d_projections, np.concatenate(back.recurrent.kernels, axis=1), *d_biases]
                return [tf.constant(one) for one in found]

            return tf.constant(steps[HIDDEN] if return_sequences else steps[HIDDEN][last]), gradient

        output = apply(*projections, recurrent_kernel, *([] if recurrent_bias is None else [recurrent_bias]))
        sequences = self.timesteps[recurrence.name]
        return output, tuple(tf.constant(sequences[name][last]) for name in cell.states), _probe(sequences, recurrence)

    def _forward(
        self,
        projections: Sequence[np.ndarray],
        weights: Recurrent,
        masks: Sequence[np.ndarray],
        start: Mapping[str, np.ndarray],
        *,
        recurrence: Recurrence,
    ) -> dict[str, np.ndarray]:
        cell = recurrence.cell
        activate = _activate(recurrence)
        timesteps = len(projections[0])
        sequences: dict[str, np.ndarray] = {}
        before = dict(start)
        with np.errstate(all="ignore"):
            for t in range(timesteps - 1, -1, -1) if recurrence.backwards else range(timesteps):
                recurrent = products(before[HIDDEN], weights, masks)
                now = cell.forward_step([x[t] for x in projections], recurrent, before, activate=activate)
                before = {name: now[name] for name in cell.states}
                for name, value in now.items():
                    if name not in sequences:
                        sequences[name] = np.empty(projections[0].shape, np.float32)
                    sequences[name][t] = value
        self._saw_forward(projections, sequences, start, recurrence=recurrence)
        return sequences

    def _saw_forward(
        self,
        projections: Sequence[np.ndarray],
        sequences: Mapping[str, np.ndarray],
        start: Mapping[str, np.ndarray],
        *,
        recurrence: Recurrence,
    ) -> None:
        self.timesteps[recurrence.name] = sequences
        inputs = {f"{gate}_projection": x for gate, x in zip(recurrence.cell.gates, projections, strict=True)}
        tensors = {**inputs, **sequences}
        self._saw_steps("forward", recurrence, tensors, _forward_operands(tensors, start, recurrence))

    def _backward(
        self,
        d_hidden: np.ndarray | None,
        d_last: np.ndarray | None,
        sequences: Mapping[str, np.ndarray],
        weights: Recurrent,
        masks: Sequence[np.ndarray],
        start: Mapping[str, np.ndarray],
        *,
        recurrence: Recurrence,
    ) -> Back:
        cell = recurrence.cell
        transposed = [np.ascontiguousarray(kernel.T) for kernel in weights.kernels]
        timesteps, batch, units = sequences[HIDDEN].shape
        gradients: dict[str, np.ndarray] = {}
        d_kernels = [np.zeros((units, units), np.float32) for _ in cell.gates]
        d_biases = None if weights.biases is None else [np.zeros(units, np.float32) for _ in cell.gates]
        d_after = {name: np.zeros((batch, units), np.float32) for name in cell.states}
        if d_last is not None:
            d_after[HIDDEN] = d_last
        with np.errstate(all="ignore"):
            for number in range(timesteps):
                t = number if recurrence.backwards else timesteps - 1 - number
                t_before = t + 1 if recurrence.backwards else t - 1
                first = number == timesteps - 1
                now = {name: sequences[name][t] for name in cell.kept}
                before = start if first else {name: sequences[name][t_before] for name in cell.states}
                if d_hidden is not None:
                    d_after[HIDDEN] = d_after[HIDDEN] + d_hidden[t]
                found, d_before = cell.backward_step(
                    d_after, kept=now, before=before, differentiate=_differentiate(recurrence, now)
                )
                found |= self.known_gradients(recurrence, t)
                for name, value in {HIDDEN: d_after[HIDDEN], **found}.items():
                    if name not in gradients:
                        gradients[name] = np.zeros((timesteps, batch, units), np.float32)
                    gradients[name][t] = value
                d_products = [found[name] for name in cell.products]
                for kernel, mask, d in zip(d_kernels, masks, d_products, strict=True):
                    kernel += (before[HIDDEN] * mask).T @ d
                if d_biases is not None:
                    d_biases = [total + d.sum(axis=0) for total, d in zip(d_biases, d_products, strict=True)]
                through = through_products(found, transposed, masks, cell=cell)
                d_after = {**d_before, HIDDEN: through + d_before[HIDDEN] if HIDDEN in d_before else through}
        told = {f"gradient of {name}": values for name, values in gradients.items()}
        self._saw_steps("backward", recurrence, told, _backward_operands(told, sequences, recurrence))
        return Back(gradients, Recurrent(d_kernels, d_biases))

    def known_gradients(self, recurrence: Recurrence, t: int) -> dict[str, np.ndarray]:
        """Gradients of timestep t that are known better than a replay computes them, by tensor; to go on with."""
        return {}

    def _saw_steps(
        self,
        phase: str,
        recurrence: Recurrence,
        sequences: Mapping[str, np.ndarray],
        operands: Callable[[str], Operands],
    ) -> None:
        layer, direction = recurrence.name.split("/")
        group = [
            Observed(
                phase=phase,
                layer=layer,
                direction=direction,
                tensor=TensorName.parse(name),
                values=values,
                axes=("timestep", "sample", "unit"),
                operands=operands(name),
            )
            for name, values in sequences.items()
        ]
        self.saw(group, time_step=-1 if (phase == "backward") != recurrence.backwards else 1)


def recurrent_weights(kernel: np.ndarray, bias: np.ndarray | None = None, *, gates: int) -> Recurrent:
    """The recurrent weights of a cell, cut up by gate."""
    return Recurrent(np.split(kernel, gates, axis=1), None if bias is None else np.split(bias, gates))


def _activate(recurrence: Recurrence) -> Activate:
    functions = activations.functions(recurrence.semantics, activations.ARRAYS)
    activation = functions[activations.ACTIVATIONS[int(recurrence.activation)]]
    gate = functions.get(recurrence.recurrent_activation, activation)
    return lambda name, x: activation(x) if name in recurrence.cell.activated else gate(x)


def _differentiate(recurrence: Recurrence, now: Mapping[str, np.ndarray]) -> Differentiate:
    """The way back through the activations of a timestep, whose tensors are `now`."""
    name_of_activation = activations.ACTIVATIONS[int(recurrence.activation)]
    slope = activations.derivatives(recurrence.semantics, activations.ARRAYS)[name_of_activation]

    def differentiate(name: str, upstream: np.ndarray) -> np.ndarray:
        if name in recurrence.cell.activated:
            product: np.ndarray = upstream * slope(now[name])
            return product
        gradient: np.ndarray = activations.gate_gradient(
            recurrence.recurrent_activation,
            upstream,
            now[name],
            semantics=recurrence.semantics,
            ops=activations.ARRAYS,
        )
        return gradient

    return differentiate


def _probe(sequences: Mapping[str, np.ndarray], recurrence: Recurrence) -> Probe:
    cell, timesteps = recurrence.cell, len(sequences[HIDDEN])
    probed = probed_timesteps(timesteps)
    read = timesteps - 1 - probed if recurrence.backwards else probed
    sums = [sequences[f"{gate}_sum"] for gate in cell.gates]
    largest = [np.abs(sequences[name][read]).max(axis=(1, 2)) for name in cell.states]
    return Probe(
        tf.constant(np.where(np.isfinite(sums).all(axis=(0, 1)), np.float32(0), np.float32(np.nan))),
        tf.constant(np.where(np.isfinite(sequences[HIDDEN]).all(axis=0), np.float32(0), np.float32(np.nan))),
        tf.constant(np.stack(largest)),
    )


def _forward_operands(
    tensors: Mapping[str, np.ndarray], start: Mapping[str, np.ndarray], recurrence: Recurrence
) -> Callable[[str], Operands]:
    made_of = recurrence.cell.made_of

    def before(state: str, t: int) -> np.ndarray:
        earlier = t + 1 if recurrence.backwards else t - 1
        return np.asarray(tensors[state][earlier] if 0 <= earlier < len(tensors[state]) else start[state])

    def value(operand: str, index: tuple[int, ...]) -> float:
        t, sample, unit = index
        if operand == LARGEST_HIDDEN:
            return _largest(before(HIDDEN, t)[sample])
        state = operand.removesuffix(" before")
        return float(tensors[operand][index] if state == operand else before(state, t)[sample, unit])

    def of(name: str) -> Operands:
        return lambda index: {operand: value(operand, index) for operand in made_of.get(name, ())}

    return of


def _backward_operands(
    gradients: Mapping[str, np.ndarray], steps: Mapping[str, np.ndarray], recurrence: Recurrence
) -> Callable[[str], Operands]:
    cell = recurrence.cell
    of_hidden = f"gradient of {HIDDEN}"

    def of(name: str) -> Operands:
        def operands(index: tuple[int, ...]) -> dict[str, float]:
            values = {of_hidden: float(gradients[of_hidden][index])}
            if name != of_hidden:
                values |= {one: float(steps[one][index]) for one in cell.kept if one not in cell.states}
            t_after = index[0] - 1 if recurrence.backwards else index[0] + 1
            if 0 <= t_after < len(steps[HIDDEN]):
                others = (f"gradient of {state}" for state in cell.states if state != HIDDEN)
                values |= {f"{one} after": float(gradients[one][t_after, *index[1:]]) for one in others}
            return values

        return operands

    return of


def _largest(values: np.ndarray) -> float:
    return float(np.max(np.abs(values)))
