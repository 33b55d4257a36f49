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

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from tensorflow.compiler.tf2xla.ops import gen_xla_ops

from study.engine import activations
from study.engine.runtime import tf

Tensor: TypeAlias = Any

GATES = ("input", "forget", "candidate", "output")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What a cell computes with beside its weights.

    Attributes:
        activation: Number of the activation in `activations.ACTIVATIONS`; a run-time scalar, int32.
        recurrent_activation: Name of the gates' activation.
        semantics: Which Keras's `hard_sigmoid`.
        backwards: Whether the sequence is read from its end.
    """

    activation: Tensor
    recurrent_activation: str
    semantics: str
    backwards: bool = False


def lstm(
    projected: Sequence[Tensor],
    recurrent_kernel: Tensor,
    masks: Sequence[Tensor],
    state: tuple[Tensor, Tensor],
    *,
    cell: Cell,
    return_sequences: bool,
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Run an LSTM over a sequence; differentiable once, in `projected` and `recurrent_kernel`.

    Args:
        projected: x W + b of every gate, each (timesteps, batch, units).
        recurrent_kernel: (units, 4 units).
        masks: Recurrent dropout of every gate, each (batch, units).
        state: Hidden and cell state before the first timestep, each (batch, units); no gradient flows to them.
        cell: See there.
        return_sequences: Whether to return the hidden states of all timesteps, or that of the last one read.

    Returns:
        (timesteps, batch, units) in the order of the input, or (batch, units); and the hidden and cell state after the
        last timestep read, from which no gradient flows.
    """

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def run(*tensors: Tensor) -> Any:
        *given, kernel = tensors
        kernels = tf.split(kernel, len(GATES), axis=1)
        kept, last = forward(given, kernels, masks, state, cell=cell)

        def gradient(d_output: Tensor, *_: Tensor) -> list[Tensor]:
            d_hidden, d_last = (d_output, None) if return_sequences else (None, d_output)
            d_projected, d_kernels = backward(d_hidden, d_last, kept, kernels, masks, state, cell=cell)
            return [*d_projected, tf.concat(d_kernels, axis=1)]

        return (kept["hidden"] if return_sequences else last[0], *last), gradient

    output, *last = run(*projected, recurrent_kernel)
    return output, (last[0], last[1])


KEPT = (*GATES, "cell", "activated_cell", "hidden")
"""What the way forward keeps of every timestep for the way back."""


def forward(
    projected: Sequence[Tensor],
    kernels: Sequence[Tensor],
    masks: Sequence[Tensor],
    state: tuple[Tensor, Tensor],
    *,
    cell: Cell,
) -> tuple[dict[str, Tensor], tuple[Tensor, Tensor]]:
    """Forward over time; arguments as in `lstm`, but the recurrent kernel by gate, each (units, units).

    Returns:
        The tensors of `KEPT`, each (timesteps, batch, units), and the last hidden and cell state.
    """
    timesteps = projected[0].shape[0]

    def gate(x: Tensor) -> Tensor:
        return activations.gate_activation(cell.recurrent_activation, x, semantics=cell.semantics)

    def step(number: Tensor, hidden: Tensor, carried: Tensor, *kept: Tensor) -> tuple[Tensor, ...]:
        t = timesteps - 1 - number if cell.backwards else number
        sums = [
            _at(x, t) + tf.matmul(hidden * mask, kernel)
            for x, mask, kernel in zip(projected, masks, kernels, strict=True)
        ]
        i, f, o = gate(sums[0]), gate(sums[1]), gate(sums[3])
        g = activations.activation(cell.activation, sums[2], semantics=cell.semantics)
        carried = f * carried + i * g
        activated = activations.activation(cell.activation, carried, semantics=cell.semantics)
        hidden = o * activated
        values = (i, f, g, o, carried, activated, hidden)
        return (
            number + 1,
            hidden,
            carried,
            *(_put(all_steps, t, value) for all_steps, value in zip(kept, values, strict=True)),
        )

    empty = [tf.zeros(projected[0].shape)] * len(KEPT)
    _, hidden, carried, *kept = tf.while_loop(
        lambda number, *_: number < timesteps, step, [tf.constant(0), *state, *empty]
    )
    return dict(zip(KEPT, kept, strict=True)), (hidden, carried)


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

    def gate(upstream: Tensor, y: Tensor) -> Tensor:
        return activations.gate_gradient(cell.recurrent_activation, upstream, y, semantics=cell.semantics)

    def step(number: Tensor, d_h: Tensor, d_c: Tensor, *sums: Tensor) -> tuple[Tensor, ...]:
        d_projected, d_kernels = sums[: len(GATES)], sums[len(GATES) :]
        t = number if cell.backwards else timesteps - 1 - number
        first = number + 1 >= timesteps
        before = tf.where(first, t, t + 1 if cell.backwards else t - 1)
        i, f, g, o, a = (_at(kept[name], t) for name in (*GATES, "activated_cell"))
        c_before = tf.where(first, state[1], _at(kept["cell"], before))
        h_before = tf.where(first, state[0], _at(kept["hidden"], before))
        if d_hidden is not None:
            d_h = d_h + _at(d_hidden, t)
        slope_a, slope_g = activations.derivative(cell.activation, a, g, semantics=cell.semantics)
        d_c = d_c + d_h * o * slope_a
        d_sums = [gate(d_c * g, i), gate(d_c * c_before, f), d_c * i * slope_g, gate(d_h * a, o)]
        d_h = tf.add_n([tf.matmul(d, kernel) * mask for d, kernel, mask in zip(d_sums, transposed, masks, strict=True)])
        return (
            number + 1,
            d_h,
            d_c * f,
            *(_put(all_steps, t, d) for all_steps, d in zip(d_projected, d_sums, strict=True)),
            *(
                total + tf.matmul(h_before * mask, d, transpose_a=True)
                for total, mask, d in zip(d_kernels, masks, d_sums, strict=True)
            ),
        )

    zeros = tf.zeros((batch, units))
    start = [
        tf.constant(0),
        zeros if d_last is None else d_last,
        zeros,
        *[tf.zeros(kept["hidden"].shape)] * len(GATES),
        *[tf.zeros((units, units))] * len(GATES),
    ]
    done = tf.while_loop(lambda number, *_: number < timesteps, step, start)[3:]
    return list(done[: len(GATES)]), list(done[len(GATES) :])


# XLA's own operations: in its loops they write in place, and they have no check of the index.


def _put(sequence: Tensor, t: Tensor, value: Tensor) -> Tensor:
    """The sequence with the value at timestep t."""
    return gen_xla_ops.xla_dynamic_update_slice(sequence, value[tf.newaxis], tf.stack([t, 0, 0]))


def _at(sequence: Tensor, t: Tensor) -> Tensor:
    """The sequence's value at timestep t."""
    return tf.squeeze(gen_xla_ops.xla_dynamic_slice(sequence, tf.stack([t, 0, 0]), [1, *sequence.shape[1:]]), axis=0)
