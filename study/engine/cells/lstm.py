"""The LSTM as pure functions over plain tensors: forward over time, and back-propagation through time by hand.

With x_t the input, * the elementwise product, s the recurrent activation, a the activation, m one mask per gate that
is fixed over the timesteps, and gates in the order input, forget, candidate, output:

    i = s(x_t W_i + b_i + (h * m_i) R_i)        g = a(x_t W_g + b_g + (h * m_g) R_g)
    f = s(x_t W_f + b_f + (h * m_f) R_f)        o = s(x_t W_o + b_o + (h * m_o) R_o)
    c' = f * c + i * g                          h' = o * a(c')

Sources: S. Hochreiter and J. Schmidhuber, "Long short-term memory", 1997; F. A. Gers, J. Schmidhuber and F. Cummins,
"Learning to forget", 2000; `LSTMCell` of Keras 3 and 2.2.4 with `implementation=1`; for the masks Y. Gal and
Z. Ghahramani, "A theoretically grounded application of dropout in recurrent neural networks", 2016.

All sequences are time-major, (timesteps, batch, width). Every gate has a tensor of its own: a slice of a common one is
not contiguous, and XLA on CPUs then neither vectorises the elementwise part nor leaves the slice out of the loop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from study.engine.cells import activations
from study.engine.private_tensorflow import gen_xla_ops
from study.engine.runtime import tf
from study.engine.tensors import Tensor

GATES = ("input", "forget", "candidate", "output")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What a cell computes with beside its weights.

    Attributes:
        name: `lstm_1/forward` and so on.
        activation: Number of the activation in `activations.ACTIVATIONS`; a run-time scalar, int32.
        recurrent_activation: Name of the gates' activation.
        semantics: Which Keras's `hard_sigmoid`.
        backwards: Whether the sequence is read from its end.
    """

    name: str
    activation: Tensor
    recurrent_activation: str
    semantics: str
    backwards: bool = False


class Probe(NamedTuple):
    """What an LSTM tells of a sequence beside its output; no gradient flows from it.

    A cell state that is not finite stays so to the end (0 * inf is NaN), so the last one tells of all. Of the gates'
    sums and the hidden states, each timestep's are multiplied by zero and added up.

    Attributes:
        gate: (batch, units): 0 where the sums of all gates were finite at all timesteps, NaN elsewhere.
        hidden: (batch, units): the same for the hidden state.
        largest: Largest |h| and |c| at some timesteps, (2, timesteps probed), in the order they are read, the last
            timestep last; infinite where one of them is not finite.
    """

    gate: Tensor
    hidden: Tensor
    largest: Tensor


PROBED_TIMESTEPS = 16


def probed_timesteps(timesteps: int) -> np.ndarray:
    """0-based numbers of the timesteps, in the order they are read, at which `Probe.largest` looks: the last of each
    of up to 16 equal parts."""
    return np.unique(np.arange(1, PROBED_TIMESTEPS + 1) * timesteps // PROBED_TIMESTEPS - 1).clip(min=0)


def lstm(
    projected: Sequence[Tensor],
    recurrent_kernel: Tensor,
    masks: Sequence[Tensor],
    state: tuple[Tensor, Tensor],
    *,
    cell: Cell,
    return_sequences: bool,
    keep: Callable[[str, Mapping[str, Tensor]], None] = lambda phase, sequences: None,
) -> tuple[Tensor, tuple[Tensor, Tensor], Probe]:
    """Run an LSTM over a sequence; differentiable once, in `projected` and `recurrent_kernel`.

    Args:
        projected: x W + b of every gate, each (timesteps, batch, units).
        recurrent_kernel: (units, 4 units).
        masks: Recurrent dropout of every gate, each (batch, units).
        state: Hidden and cell state before the first timestep, each (batch, units); no gradient flows to them.
        cell: What it computes with beside its weights.
        return_sequences: Whether to return the hidden states of all timesteps, or that of the last one read.
        keep: Is given `forward` and the tensors of `KEPT`, then `backward` and the gradients of the gates' sums.

    Returns:
        (timesteps, batch, units) in the order of the input, or (batch, units); the hidden and cell state after the
        last timestep read, from which no gradient flows; and a probe.
    """

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def run(*tensors: Tensor) -> Any:
        *given, kernel = tensors
        kernels = tf.split(kernel, len(GATES), axis=1)
        kept, last, probe = forward(given, kernels, masks, state, cell=cell)
        keep("forward", kept)

        def gradient(d_output: Tensor, *_: Tensor) -> list[Tensor]:
            d_hidden, d_last = (d_output, None) if return_sequences else (None, d_output)
            d_projected, d_kernels = backward(d_hidden, d_last, kept, kernels, masks, state, cell=cell)
            keep("backward", dict(zip(GATES, d_projected, strict=True)))
            return [*d_projected, tf.concat(d_kernels, axis=1)]

        return (kept["hidden"] if return_sequences else last[0], *last, *probe), gradient

    output, hidden, carried, *probe = run(*projected, recurrent_kernel)
    return output, (hidden, carried), Probe(*probe)


class Step(NamedTuple):
    """Everything of one timestep, each (batch, units)."""

    input_sum: Tensor
    forget_sum: Tensor
    candidate_sum: Tensor
    output_sum: Tensor
    input: Tensor
    forget: Tensor
    candidate: Tensor
    output: Tensor
    cell: Tensor
    activated_cell: Tensor
    hidden: Tensor


def forward_step(
    projected: Sequence[Tensor],
    hidden: Tensor,
    carried: Tensor,
    *,
    kernels: Sequence[Tensor],
    masks: Sequence[Tensor],
    activate: Callable[[Tensor], Tensor],
    gate: Callable[[Tensor], Tensor],
) -> Step:
    """One timestep, the formulas above, on tensors or NumPy arrays.

    Args:
        projected: x_t W + b of every gate, each (batch, units).
        hidden: h, (batch, units).
        carried: c, (batch, units).
        kernels: Recurrent kernel of every gate, each (units, units).
        masks: Of every gate, each (batch, units).
        activate: The activation.
        gate: The recurrent activation.
    """
    sums = gate_sums(projected, hidden, kernels=kernels, masks=masks)
    i, f, o = gate(sums[0]), gate(sums[1]), gate(sums[3])
    g = activate(sums[2])
    carried = f * carried + i * g
    activated = activate(carried)
    return Step(sums[0], sums[1], sums[2], sums[3], i, f, g, o, carried, activated, o * activated)


def gate_sums(
    projected: Sequence[Tensor], hidden: Tensor, *, kernels: Sequence[Tensor], masks: Sequence[Tensor]
) -> list[Tensor]:
    """What goes into every gate's activation: of one timestep, or of many at once, (timesteps, batch, units)."""
    return [x + (hidden * mask) @ kernel for x, mask, kernel in zip(projected, masks, kernels, strict=True)]


KEPT = ("input", "forget", "candidate", "output", "cell", "activated_cell", "hidden")
"""What the way forward keeps of every timestep for the way back, of `Step`."""


def forward(
    projected: Sequence[Tensor],
    kernels: Sequence[Tensor],
    masks: Sequence[Tensor],
    state: tuple[Tensor, Tensor],
    *,
    cell: Cell,
) -> tuple[dict[str, Tensor], tuple[Tensor, Tensor], Probe]:
    """Forward over time; arguments as in `lstm`, but the recurrent kernel by gate, each (units, units).

    Returns:
        The tensors of `KEPT`, each (timesteps, batch, units), the last hidden and cell state, and a probe.
    """
    timesteps = projected[0].shape[0]

    def step(number: Tensor, hidden: Tensor, carried: Tensor, *sums: Tensor) -> tuple[Tensor, ...]:
        (gate_trace, hidden_trace), kept = sums[:2], sums[2:]
        t = timesteps - 1 - number if cell.backwards else number
        now = forward_step(
            [_at(x, t) for x in projected],
            hidden,
            carried,
            kernels=kernels,
            masks=masks,
            activate=lambda x: activations.activation(cell.activation, x, semantics=cell.semantics),
            gate=lambda x: activations.gate_activation(cell.recurrent_activation, x, semantics=cell.semantics),
        )
        for gate_sum in now[: len(GATES)]:
            gate_trace = gate_trace + 0.0 * gate_sum
        return (
            number + 1,
            now.hidden,
            now.cell,
            gate_trace,
            hidden_trace + 0.0 * hidden,  # of the step before, which is at hand
            *(_put(all_steps, t, getattr(now, name)) for all_steps, name in zip(kept, KEPT, strict=True)),
        )

    nothing = tf.zeros(projected[0].shape[1:])
    empty = [tf.zeros(projected[0].shape)] * len(KEPT)
    _, hidden, carried, gate_trace, hidden_trace, *sequences = tf.while_loop(
        lambda number, *_: number < timesteps, step, [tf.constant(0), *state, nothing, nothing, *empty]
    )
    hidden_trace = hidden_trace + 0.0 * hidden
    kept = dict(zip(KEPT, sequences, strict=True))
    probed = probed_timesteps(timesteps)
    read = timesteps - 1 - probed if cell.backwards else probed
    largest = [_largest(tf.gather(kept[name], read)) for name in ("hidden", "cell")]
    return kept, (hidden, carried), Probe(gate_trace, hidden_trace, tf.stack(largest))


def _largest(x: Tensor) -> Tensor:
    """Largest magnitude at every timestep, infinite where a number is not finite: XLA's maximum may pass over a NaN."""
    return tf.reduce_max(tf.where(tf.math.is_finite(x), abs(x), np.inf), axis=[1, 2])


def backward_step(
    d_hidden: Tensor,
    d_cell: Tensor,
    *,
    kept: Mapping[str, Tensor],
    cell_before: Tensor,
    transposed: Sequence[Tensor],
    masks: Sequence[Tensor],
    slopes: tuple[Tensor, Tensor],
    gate: Callable[[Tensor, Tensor], Tensor],
) -> tuple[list[Tensor], Tensor, Tensor]:
    """One timestep back, on tensors or NumPy arrays.

    Args:
        d_hidden: Gradient of this timestep's hidden state, (batch, units).
        d_cell: What comes back of the cell state's from the timestep after it, (batch, units).
        kept: Of `KEPT`, this timestep's values.
        cell_before: The cell state before this timestep.
        transposed: Recurrent kernel of every gate, transposed.
        masks: Of every gate.
        slopes: Derivatives of the activation at the cell state and at the candidate's sum.
        gate: Gradient before a gate's activation, from the gradient after it and the gate's value.

    Returns:
        Gradients of the four gates' sums, of the hidden state before, and of the cell state before.
    """
    i, f, g, o, a = (kept[name] for name in ("input", "forget", "candidate", "output", "activated_cell"))
    d_cell = d_cell + d_hidden * o * slopes[0]
    d_sums = [
        gate(d_cell * g, i),
        gate(d_cell * cell_before, f),
        d_cell * i * slopes[1],
        gate(d_hidden * a, o),
    ]
    parts = [d @ kernel * mask for d, kernel, mask in zip(d_sums, transposed, masks, strict=True)]
    return d_sums, parts[0] + parts[1] + parts[2] + parts[3], d_cell * f


def backward(
    d_hidden: Tensor | None,
    d_last: Tensor | None,
    kept: dict[str, Tensor],
    kernels: Sequence[Tensor],
    masks: Sequence[Tensor],
    state: tuple[Tensor, Tensor],
    *,
    cell: Cell,
) -> tuple[list[Tensor], list[Tensor]]:
    """Back-propagation through time: P. J. Werbos, "Backpropagation through time: what it does and how to do it", 1990.

    The gradient of a gate's recurrent kernel, the sum over timesteps of (h * m)^T d, is one product after the loop: a
    product of two long matrices costs half of what hundreds of short ones do.

    Args:
        d_hidden: Gradient of the hidden states, (timesteps, batch, units), or None where only the last counts.
        d_last: Gradient of the last hidden state alone, (batch, units).
        kept: What `forward` returned.
        kernels: As in `forward`.
        masks: As in `forward`.
        state: As in `forward`.
        cell: As in `forward`.

    Returns:
        Gradients of `projected` and of the recurrent kernel, both by gate.
    """
    timesteps, batch, units = kept["hidden"].shape
    transposed = [tf.transpose(kernel) for kernel in kernels]  # once, not at every timestep

    def step(number: Tensor, d_h: Tensor, d_c: Tensor, *d_projected: Tensor) -> tuple[Tensor, ...]:
        t = number if cell.backwards else timesteps - 1 - number
        first = number + 1 >= timesteps
        before = tf.where(first, t, t + 1 if cell.backwards else t - 1)
        now = {name: _at(kept[name], t) for name in (*GATES, "activated_cell")}
        d_sums, d_h, d_c = backward_step(
            d_h if d_hidden is None else d_h + _at(d_hidden, t),
            d_c,
            kept=now,
            cell_before=tf.where(first, state[1], _at(kept["cell"], before)),
            transposed=transposed,
            masks=masks,
            slopes=activations.derivative(
                cell.activation, now["activated_cell"], now["candidate"], semantics=cell.semantics
            ),
            gate=lambda upstream, y: activations.gate_gradient(
                cell.recurrent_activation, upstream, y, semantics=cell.semantics
            ),
        )
        return number + 1, d_h, d_c, *(_put(all_steps, t, d) for all_steps, d in zip(d_projected, d_sums, strict=True))

    zeros = tf.zeros((batch, units))
    start = [
        tf.constant(0),
        zeros if d_last is None else d_last,
        zeros,
        *[tf.zeros(kept["hidden"].shape)] * len(GATES),
    ]
    _, _, _, *d_projected = tf.while_loop(lambda number, *_: number < timesteps, step, start)
    hidden_before = _shifted(kept["hidden"], state[0], backwards=cell.backwards)
    d_kernels = [
        tf.matmul(_flat(hidden_before * mask), _flat(d), transpose_a=True)
        for mask, d in zip(masks, d_projected, strict=True)
    ]
    return d_projected, d_kernels


def _shifted(sequence: Tensor, start: Tensor, *, backwards: bool) -> Tensor:
    """What every timestep finds: the sequence's value at the one read before it, and `start` at the first."""
    first = start[tf.newaxis]
    return tf.concat([sequence[1:], first] if backwards else [first, sequence[:-1]], axis=0)


def _flat(sequence: Tensor) -> Tensor:
    """(timesteps, batch, units) -> (timesteps * batch, units)."""
    return tf.reshape(sequence, [-1, sequence.shape[-1]])


# XLA's own operations: in its loops they write in place, and they have no check of the index.


def _put(sequence: Tensor, t: Tensor, value: Tensor) -> Tensor:
    """The sequence with the value at timestep t."""
    return gen_xla_ops.xla_dynamic_update_slice(sequence, value[tf.newaxis], tf.stack([t, 0, 0]))


def _at(sequence: Tensor, t: Tensor) -> Tensor:
    """The sequence's value at timestep t."""
    return tf.squeeze(gen_xla_ops.xla_dynamic_slice(sequence, tf.stack([t, 0, 0]), [1, *sequence.shape[1:]]), axis=0)
