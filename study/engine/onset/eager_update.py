"""An update once more, operation by operation, with every tensor kept.

`training.update` itself is executed, with the same formulas for a timestep (`lstm.forward_step`, `lstm.backward_step`)
on NumPy arrays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from study.engine.cells import activations, lstm
from study.engine.cells.lstm import GATES, KEPT, Cell, Probe, Step
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
        self.timesteps: dict[str, dict[str, np.ndarray]] = {}
        """Cell -> tensor of `lstm.Step` or `projected` -> (timesteps, batch, units), in the order of the input."""

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

    def lstm(
        self,
        projected: Sequence[Tensor],
        recurrent_kernel: Tensor,
        masks: Sequence[Tensor],
        state: tuple[Tensor, Tensor],
        *,
        cell: Cell,
        return_sequences: bool,
    ) -> tuple[Tensor, tuple[Tensor, Tensor], Probe]:
        gate_masks = [mask.numpy() for mask in masks]
        start = state[0].numpy(), state[1].numpy()

        @tf.custom_gradient  # type: ignore[untyped-decorator]
        def run(*tensors: Tensor) -> Any:
            *given, kernel = (tensor.numpy() for tensor in tensors)
            kernels = np.split(kernel, len(GATES), axis=1)
            steps = self._forward(given, kernels, gate_masks, start, cell=cell)

            def gradient(d_output: Tensor) -> list[Tensor]:
                d_projected, d_kernels = self._backward(
                    d_output.numpy(), steps, kernels, gate_masks, start, cell=cell, return_sequences=return_sequences
                )
                return [tf.constant(d) for d in (*d_projected, np.concatenate(d_kernels, axis=1))]

            last = 0 if cell.backwards else -1
            return tf.constant(steps["hidden"] if return_sequences else steps["hidden"][last]), gradient

        output = run(*projected, recurrent_kernel)
        sequences = self.timesteps[cell.name]
        last = 0 if cell.backwards else -1
        probed = lstm.probed_timesteps(len(sequences["hidden"]))
        read = len(sequences["hidden"]) - 1 - probed if cell.backwards else probed
        largest = [np.abs(sequences[name][read]).max(axis=(1, 2)) for name in ("hidden", "cell")]
        sums = [sequences[f"{gate}_sum"] for gate in GATES]
        probe = Probe(
            tf.constant(np.where(np.isfinite(sums).all(axis=(0, 1)), np.float32(0), np.float32(np.nan))),
            tf.constant(np.where(np.isfinite(sequences["hidden"]).all(axis=0), np.float32(0), np.float32(np.nan))),
            tf.constant(np.stack(largest)),
        )
        return output, (tf.constant(sequences["hidden"][last]), tf.constant(sequences["cell"][last])), probe

    def _forward(
        self,
        projected: Sequence[np.ndarray],
        kernels: Sequence[np.ndarray],
        masks: Sequence[np.ndarray],
        state: tuple[np.ndarray, np.ndarray],
        *,
        cell: Cell,
    ) -> dict[str, np.ndarray]:
        functions = activations.functions(cell.semantics, activations.ARRAYS)
        gate = functions[cell.recurrent_activation]
        activate = functions[activations.ACTIVATIONS[int(cell.activation)]]
        timesteps = len(projected[0])
        order = range(timesteps - 1, -1, -1) if cell.backwards else range(timesteps)
        sequences = {name: np.empty(projected[0].shape, np.float32) for name in Step._fields}
        hidden, carried = state
        with np.errstate(all="ignore"):
            for t in order:
                step = lstm.forward_step(
                    [x[t] for x in projected],
                    hidden,
                    carried,
                    kernels=kernels,
                    masks=masks,
                    activate=activate,
                    gate=gate,
                )
                hidden, carried = step.hidden, step.cell
                for name, value in step._asdict().items():
                    sequences[name][t] = value
        self._saw_forward(projected, sequences, state, cell=cell)
        return sequences

    def _saw_forward(
        self,
        projected: Sequence[np.ndarray],
        sequences: dict[str, np.ndarray],
        state: tuple[np.ndarray, np.ndarray],
        *,
        cell: Cell,
    ) -> None:
        self.timesteps[cell.name] = sequences
        inputs = {f"{gate}_projection": x for gate, x in zip(GATES, projected, strict=True)}
        self._saw_steps("forward", cell, {**inputs, **sequences}, _forward_operands(inputs, sequences, state, cell))

    def _backward(
        self,
        d_output: np.ndarray,
        sequences: Mapping[str, np.ndarray],
        kernels: Sequence[np.ndarray],
        masks: Sequence[np.ndarray],
        state: tuple[np.ndarray, np.ndarray],
        *,
        cell: Cell,
        return_sequences: bool,
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        slope = activations.derivatives(cell.semantics, activations.ARRAYS)[
            activations.ACTIVATIONS[int(cell.activation)]
        ]
        transposed = [np.ascontiguousarray(kernel.T) for kernel in kernels]
        timesteps, batch, units = sequences["hidden"].shape
        shape = (timesteps, batch, units)
        names = ("hidden", "cell", *(f"{gate}_sum" for gate in GATES))
        gradients = {name: np.zeros(shape, np.float32) for name in names}
        d_kernels = [np.zeros((units, units), np.float32) for _ in GATES]
        d_hidden = np.zeros((batch, units), np.float32) if return_sequences else d_output
        d_cell = np.zeros((batch, units), np.float32)
        with np.errstate(all="ignore"):
            for number in range(timesteps):
                t = number if cell.backwards else timesteps - 1 - number
                before = t + 1 if cell.backwards else t - 1
                first = number == timesteps - 1
                now = {name: sequences[name][t] for name in KEPT}
                if return_sequences:
                    d_hidden = d_hidden + d_output[t]
                slopes = slope(now["activated_cell"]), slope(now["candidate"])
                gradients["hidden"][t] = d_hidden
                # What `backward_step` makes of it first of all, and keeps to itself.
                gradients["cell"][t] = d_cell + d_hidden * now["output"] * slopes[0]
                d_sums, d_hidden, d_cell = lstm.backward_step(
                    d_hidden,
                    d_cell,
                    kept=now,
                    cell_before=state[1] if first else sequences["cell"][before],
                    transposed=transposed,
                    masks=masks,
                    slopes=slopes,
                    gate=lambda upstream, y: activations.gate_gradient(
                        cell.recurrent_activation, upstream, y, semantics=cell.semantics, ops=activations.ARRAYS
                    ),
                )
                settled = self.settled_gradients(cell, t, d_sums)
                if settled[0] is not d_sums[0]:
                    d_sums = settled
                    d_hidden = sum(d @ kernel * mask for d, kernel, mask in zip(d_sums, transposed, masks, strict=True))
                for gate, d_sum in zip(GATES, d_sums, strict=True):
                    gradients[f"{gate}_sum"][t] = d_sum
                hidden_before = state[0] if first else sequences["hidden"][before]
                for total, mask, d_sum in zip(d_kernels, masks, d_sums, strict=True):
                    total += (hidden_before * mask).T @ d_sum
        told = {f"gradient of {_LONG.get(name, name)}": values for name, values in gradients.items()}
        self._saw_steps("backward", cell, told, _backward_operands(told, sequences, cell))
        return [gradients[f"{gate}_sum"] for gate in GATES], d_kernels

    def settled_gradients(self, cell: Cell, t: int, d_sums: list[np.ndarray]) -> list[np.ndarray]:
        """What to go on with, of the gradients of the gates' sums, before timestep t."""
        return d_sums

    def _saw_steps(
        self, phase: str, cell: Cell, sequences: Mapping[str, np.ndarray], operands: Callable[[str], Operands]
    ) -> None:
        layer, direction = cell.name.split("/")
        group = [
            Observed(
                phase=phase,
                layer=layer,
                direction=direction,
                tensor=TensorName.parse(_LONG.get(name, name)),
                values=values,
                axes=("timestep", "sample", "unit"),
                operands=operands(name),
            )
            for name, values in sequences.items()
        ]
        self.saw(group, time_step=-1 if (phase == "backward") != cell.backwards else 1)


_LONG = {
    "input": "input_gate",
    "forget": "forget_gate",
    "output": "output_gate",
    "cell": "cell_state",
    "activated_cell": "activated_cell_state",
    "hidden": "hidden_state",
}
"""Names of `lstm.Step` as an onset gives them, where they differ."""


def _forward_operands(
    inputs: Mapping[str, np.ndarray],
    steps: Mapping[str, np.ndarray],
    state: tuple[np.ndarray, np.ndarray],
    cell: Cell,
) -> Callable[[str], Operands]:
    def before(name: str, t: int) -> np.ndarray:
        earlier = t + 1 if cell.backwards else t - 1
        if 0 <= earlier < len(steps[name]):
            return np.asarray(steps[name][earlier])
        return state[0] if name == "hidden" else state[1]

    def of(name: str) -> Operands:
        def operands(index: tuple[int, ...]) -> dict[str, float]:
            t, sample, unit = index
            if name.endswith("_sum"):
                gate = name.removesuffix("_sum")
                return {
                    "input_projection": float(inputs[f"{gate}_projection"][index]),
                    "largest |hidden_state before|": _largest(before("hidden", t)[sample]),
                }
            made_of = {
                "cell": ("forget", "input", "candidate"),
                "activated_cell": ("cell",),
                "hidden": ("output", "activated_cell"),
                **{gate: (f"{gate}_sum",) for gate in GATES},
            }.get(name, ())
            values = {_LONG.get(one, one): float(steps[one][index]) for one in made_of}
            if name == "cell":
                values["cell_state before"] = float(before("cell", t)[sample, unit])
            return values

        return operands

    return of


def _backward_operands(
    gradients: Mapping[str, np.ndarray], steps: Mapping[str, np.ndarray], cell: Cell
) -> Callable[[str], Operands]:
    def of(name: str) -> Operands:
        def operands(index: tuple[int, ...]) -> dict[str, float]:
            values = {"gradient of hidden_state": float(gradients["gradient of hidden_state"][index])}
            later = (index[0] - 1 if cell.backwards else index[0] + 1, *index[1:])
            if name != "gradient of hidden_state":
                kept = ("input", "forget", "candidate", "output", "activated_cell")
                values |= {_LONG.get(one, one): float(steps[one][index]) for one in kept}
            if 0 <= later[0] < len(steps["cell"]):
                values["gradient of cell_state after"] = float(gradients["gradient of cell_state"][later])
            return values

        return operands

    return of


def _largest(values: np.ndarray) -> float:
    return float(np.max(np.abs(values)))
