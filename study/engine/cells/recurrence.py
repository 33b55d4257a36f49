"""A cell over time: forward, and back-propagation through time by hand, written once for every cell.

All sequences are time-major, (timesteps, batch, width). Every gate has a tensor of its own: a slice of a common one is
not contiguous, and XLA on CPUs then neither vectorises the elementwise part nor leaves the slice out of the loop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any, NamedTuple

import numpy as np

from study.engine.cells import activations
from study.engine.cells.base import HIDDEN, Cell
from study.engine.private_tensorflow import gen_xla_ops
from study.engine.runtime import tf
from study.engine.tensors import BatchUnits, Scalar, Tensor, TimeBatchUnits


@dataclass(frozen=True, kw_only=True)
class Recurrence:
    """One direction of a recurrent layer: its cell, and what that computes with beside its weights.

    Attributes:
        name: `lstm_1/forward` and so on.
        cell: What is computed at a timestep.
        activation: Number of the activation in `activations.ACTIVATIONS`; a run-time scalar, int32.
        recurrent_activation: Name of the gates' activation.
        semantics: Which Keras's `hard_sigmoid`.
        backwards: Whether the sequence is read from its end.
    """

    name: str
    cell: Cell
    activation: Scalar
    recurrent_activation: str
    semantics: str
    backwards: bool = False

    @property
    def stored_gradients(self) -> tuple[str, ...]:
        """Tensors whose gradients the way back keeps of every timestep: all sums, and what `Cell.products` adds."""
        return tuple(dict.fromkeys((*(f"{gate}_sum" for gate in self.cell.gates), *self.cell.products)))


class Recurrent(NamedTuple):
    """The recurrent weights by gate.

    Attributes:
        kernels: Each (units, units).
        biases: Each (units,); None where the cell has none.
    """

    kernels: Sequence[Tensor]
    biases: Sequence[Tensor] | None


class Probe(NamedTuple):
    """What a recurrence tells of a sequence beside its output; no gradient flows from it.

    A cell state that is not finite stays so to the end (0 * inf is NaN), so the last one tells of all. Of the gates'
    sums and the hidden states, each timestep's are multiplied by zero and added up.

    Attributes:
        gate: (batch, units): 0 where the sums of all gates were finite at all timesteps, NaN elsewhere.
        hidden: (batch, units): the same for the hidden state.
        largest: Largest magnitude of every state at some timesteps, (states, timesteps probed), in the order they are
            read, the last timestep last; infinite where one of them is not finite.
    """

    gate: BatchUnits
    hidden: BatchUnits
    largest: Tensor


PROBED_TIMESTEPS = 16


def probed_timesteps(timesteps: int) -> np.ndarray:
    """0-based numbers of the timesteps, in the order they are read, at which `Probe.largest` looks: the last of each
    of up to 16 equal parts."""
    return np.unique(np.arange(1, PROBED_TIMESTEPS + 1) * timesteps // PROBED_TIMESTEPS - 1).clip(min=0)


Keep = Callable[[str, Mapping[str, TimeBatchUnits]], None]
"""Takes `forward` and the tensors of `Cell.kept`, then `backward` and those of `Recurrence.stored_gradients`."""


def run(
    projections: Sequence[TimeBatchUnits],
    recurrent_kernel: Tensor,
    recurrent_bias: Tensor | None,
    masks: Sequence[BatchUnits],
    state: tuple[BatchUnits, ...],
    *,
    recurrence: Recurrence,
    return_sequences: bool,
    keep: Keep = lambda phase, sequences: None,
) -> tuple[Tensor, tuple[BatchUnits, ...], Probe]:
    """Run a cell over a sequence; differentiable once, in the projections and the recurrent weights.

    Args:
        projections: x W + b of every gate.
        recurrent_kernel: (units, gates x units).
        recurrent_bias: (gates x units,), or None where the cell has none.
        masks: Recurrent dropout of every gate.
        state: Every state before the first timestep, in the cell's order; no gradient flows to them.
        recurrence: What is run.
        return_sequences: Whether to return the hidden states of all timesteps, or that of the last one read.
        keep: Takes what is computed at every timestep.

    Returns:
        (timesteps, batch, units) in the order of the input, or (batch, units); every state after the last timestep
        read, from which no gradient flows; and a probe.
    """
    gates, states = len(recurrence.cell.gates), len(recurrence.cell.states)

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def apply(*tensors: Tensor) -> Any:
        given, kernel, bias = tensors[:gates], tensors[gates], tensors[gates + 1 :]
        weights = Recurrent(tf.split(kernel, gates, axis=1), tf.split(bias[0], gates) if bias else None)
        kept, last, probe = forward(given, weights, masks, state, recurrence=recurrence)
        keep("forward", kept)

        def gradient(d_output: Tensor, *_: Tensor) -> list[Tensor]:
            d_hidden, d_last = (d_output, None) if return_sequences else (None, d_output)
            back = backward(d_hidden, d_last, kept, weights, masks, state, recurrence=recurrence)
            keep("backward", back.gradients)
            d_projections = [back.gradients[f"{gate}_sum"] for gate in recurrence.cell.gates]
            d_biases = [] if back.recurrent.biases is None else [tf.concat(back.recurrent.biases, axis=0)]
            return [*d_projections, tf.concat(back.recurrent.kernels, axis=1), *d_biases]

        return (kept[HIDDEN] if return_sequences else last[0], *last, *probe), gradient

    output, *rest = apply(*projections, recurrent_kernel, *([] if recurrent_bias is None else [recurrent_bias]))
    return output, tuple(rest[:states]), Probe(*rest[states:])


def products(hidden: Tensor, weights: Recurrent, masks: Sequence[BatchUnits]) -> list[Tensor]:
    """(h * m) R, with its bias where there is one, of every gate: of one timestep, or of many at once; on tensors or
    NumPy arrays."""
    found = [(hidden * mask) @ kernel for mask, kernel in zip(masks, weights.kernels, strict=True)]
    if weights.biases is None:
        return found
    return [product + bias for product, bias in zip(found, weights.biases, strict=True)]


def through_products(
    gradients: Mapping[str, BatchUnits], transposed: Sequence[Tensor], masks: Sequence[BatchUnits], *, cell: Cell
) -> BatchUnits:
    """Gradient of the hidden state before a timestep, as far as it comes back through the recurrent products.

    Args:
        gradients: Of the timestep's tensors, those of `Cell.products` among them.
        transposed: Recurrent kernel of every gate, transposed.
        masks: Of every gate.
        cell: Whose timestep it is.
    """
    parts = [
        gradients[name] @ kernel * mask for name, kernel, mask in zip(cell.products, transposed, masks, strict=True)
    ]
    return reduce(add, parts)


def forward(
    projections: Sequence[TimeBatchUnits],
    weights: Recurrent,
    masks: Sequence[BatchUnits],
    state: tuple[BatchUnits, ...],
    *,
    recurrence: Recurrence,
) -> tuple[dict[str, TimeBatchUnits], tuple[BatchUnits, ...], Probe]:
    """Forward over time; arguments as in `run`.

    Returns:
        The tensors of `Cell.kept`, every state after the last timestep read, and a probe.
    """
    cell, count = recurrence.cell, len(recurrence.cell.states)
    timesteps = projections[0].shape[0]

    def activate(name: str, x: BatchUnits) -> BatchUnits:
        if name in cell.activated:
            return activations.activation(recurrence.activation, x, semantics=recurrence.semantics)
        return activations.gate_activation(recurrence.recurrent_activation, x, semantics=recurrence.semantics)

    def step(number: Tensor, *carried: Tensor) -> tuple[Tensor, ...]:
        states, (gate_trace, hidden_trace), kept = carried[:count], carried[count : count + 2], carried[count + 2 :]
        before = dict(zip(cell.states, states, strict=True))
        t = timesteps - 1 - number if recurrence.backwards else number
        now = cell.forward_step(
            [_at(x, t) for x in projections], products(before[HIDDEN], weights, masks), before, activate=activate
        )
        for gate in cell.gates:
            gate_trace = gate_trace + 0.0 * now[f"{gate}_sum"]
        return (
            number + 1,
            *(now[name] for name in cell.states),
            gate_trace,
            hidden_trace + 0.0 * before[HIDDEN],  # the one after the timestep is looked at in the next
            *(_put(all_steps, t, now[name]) for all_steps, name in zip(kept, cell.kept, strict=True)),
        )

    nothing = tf.zeros(projections[0].shape[1:])
    empty = [tf.zeros(projections[0].shape)] * len(cell.kept)
    _, *done = tf.while_loop(
        lambda number, *_: number < timesteps, step, [tf.constant(0), *state, nothing, nothing, *empty]
    )
    last, (gate_trace, hidden_trace), sequences = done[:count], done[count : count + 2], done[count + 2 :]
    hidden_trace = hidden_trace + 0.0 * last[0]
    kept = dict(zip(cell.kept, sequences, strict=True))
    probed = probed_timesteps(timesteps)
    read = timesteps - 1 - probed if recurrence.backwards else probed
    largest = [_largest(tf.gather(kept[name], read)) for name in cell.states]
    return kept, tuple(last), Probe(gate_trace, hidden_trace, tf.stack(largest))


def _largest(x: TimeBatchUnits) -> Tensor:
    """Largest magnitude at every timestep, infinite where a number is not finite: XLA's maximum may pass over a NaN."""
    return tf.reduce_max(tf.where(tf.math.is_finite(x), abs(x), np.inf), axis=[1, 2])


class Back(NamedTuple):
    """What the way back gives.

    Attributes:
        gradients: Of the tensors of `Recurrence.stored_gradients`.
        recurrent: Of the recurrent weights.
    """

    gradients: dict[str, TimeBatchUnits]
    recurrent: Recurrent


def backward(
    d_hidden: TimeBatchUnits | None,
    d_last: BatchUnits | None,
    kept: Mapping[str, TimeBatchUnits],
    weights: Recurrent,
    masks: Sequence[BatchUnits],
    state: tuple[BatchUnits, ...],
    *,
    recurrence: Recurrence,
) -> Back:
    """Back-propagation through time: P. J. Werbos, "Backpropagation through time: what it does and how to do it", 1990.

    The gradient of a gate's recurrent kernel, the sum over timesteps of (h * m)^T d, is one product after the loop: a
    product of two long matrices costs half of what hundreds of short ones do.

    Args:
        d_hidden: Gradient of the hidden states, or None where only the last counts.
        d_last: Gradient of the last hidden state alone, or None.
        kept: What `forward` returned.
        weights: As in `forward`.
        masks: As in `forward`.
        state: As in `forward`.
        recurrence: As in `forward`.
    """
    cell, stored = recurrence.cell, recurrence.stored_gradients
    timesteps, batch, units = kept[HIDDEN].shape
    start = dict(zip(cell.states, state, strict=True))
    transposed = [tf.transpose(kernel) for kernel in weights.kernels]  # once, not at every timestep

    def step(number: Tensor, *carried: Tensor) -> tuple[Tensor, ...]:
        d_states, sequences = carried[: len(cell.states)], carried[len(cell.states) :]
        t = number if recurrence.backwards else timesteps - 1 - number
        first = number + 1 >= timesteps
        t_before = tf.where(first, t, t + 1 if recurrence.backwards else t - 1)
        now = _WhenRead(lambda name: _at(kept[name], t))
        before = _WhenRead(lambda name: tf.where(first, start[name], _at(kept[name], t_before)))
        outputs = [now[name] for name in cell.activated]
        slopes = activations.derivative(recurrence.activation, *outputs, semantics=recurrence.semantics)
        slope_of = dict(zip(cell.activated, slopes, strict=True))

        def differentiate(name: str, upstream: BatchUnits) -> BatchUnits:
            if name in slope_of:
                return upstream * slope_of[name]
            return activations.gate_gradient(
                recurrence.recurrent_activation, upstream, now[name], semantics=recurrence.semantics
            )

        d_after = dict(zip(cell.states, d_states, strict=True))
        if d_hidden is not None:
            d_after[HIDDEN] = d_after[HIDDEN] + _at(d_hidden, t)
        gradients, d_before = cell.backward_step(d_after, kept=now, before=before, differentiate=differentiate)
        through = through_products(gradients, transposed, masks, cell=cell)
        d_before[HIDDEN] = through + d_before[HIDDEN] if HIDDEN in d_before else through
        return (
            number + 1,
            *(d_before[name] for name in cell.states),
            *(_put(all_steps, t, gradients[name]) for all_steps, name in zip(sequences, stored, strict=True)),
        )

    zeros = tf.zeros((batch, units))
    d_end = [zeros if d_last is None else d_last, *[zeros] * (len(cell.states) - 1)]
    empty = [tf.zeros(kept[HIDDEN].shape)] * len(stored)
    _, *done = tf.while_loop(lambda number, *_: number < timesteps, step, [tf.constant(0), *d_end, *empty])
    gradients = dict(zip(stored, done[len(cell.states) :], strict=True))
    hidden_before = shifted(kept[HIDDEN], start[HIDDEN], backwards=recurrence.backwards)
    d_products = [gradients[name] for name in cell.products]
    d_kernels = [
        tf.matmul(_flat(hidden_before * mask), _flat(d), transpose_a=True)
        for mask, d in zip(masks, d_products, strict=True)
    ]
    d_biases = None if weights.biases is None else [tf.reduce_sum(d, axis=[0, 1]) for d in d_products]
    return Back(gradients, Recurrent(d_kernels, d_biases))


class _WhenRead(dict[str, Tensor]):
    """Values that are made when they are first read: a loop holds no operation that nobody needs."""

    def __init__(self, make: Callable[[str], Tensor]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, name: str) -> Tensor:
        value = self[name] = self._make(name)
        return value


def shifted(sequence: TimeBatchUnits, start: BatchUnits, *, backwards: bool) -> TimeBatchUnits:
    """What every timestep finds: the sequence's value at the one read before it, and `start` at the first."""
    first = start[tf.newaxis]
    return tf.concat([sequence[1:], first] if backwards else [first, sequence[:-1]], axis=0)


def _flat(sequence: TimeBatchUnits) -> Tensor:
    """(timesteps, batch, units) -> (timesteps * batch, units)."""
    return tf.reshape(sequence, [-1, sequence.shape[-1]])


# XLA's own operations: in its loops they write in place, and they have no check of the index.


def _put(sequence: TimeBatchUnits, t: Scalar, value: BatchUnits) -> TimeBatchUnits:
    """The sequence with the value at timestep t."""
    return gen_xla_ops.xla_dynamic_update_slice(sequence, value[tf.newaxis], tf.stack([t, 0, 0]))


def _at(sequence: TimeBatchUnits, t: Scalar) -> BatchUnits:
    """The sequence's value at timestep t."""
    return tf.squeeze(gen_xla_ops.xla_dynamic_slice(sequence, tf.stack([t, 0, 0]), [1, *sequence.shape[1:]]), axis=0)
