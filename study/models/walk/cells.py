"""What happens in one timestep of Keras's own cells, in the words of an onset."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import keras
from keras.src.layers.rnn.conv_lstm import ConvLSTMCell

from study.models.walk.place import Call, Named

if TYPE_CHECKING:
    from study.models.walk.hooks import Hooks

Tensor: TypeAlias = Any


@dataclass(frozen=True, kw_only=True)
class Words:
    """The tensors of a timestep, in the order in which a cell computes them.

    Attributes:
        recurrent_activations: Before and after each call of the cell's recurrent activation.
        activations: Before and after each call of its activation.
        outputs: What the cell gives: its output, then its states.
        gates: In the order of the kernels' columns; empty where there is one block of them.
    """

    recurrent_activations: Sequence[tuple[str, str]]
    activations: Sequence[tuple[str, str]]
    outputs: Sequence[str]
    gates: Sequence[str] = ()


_LSTM = Words(
    recurrent_activations=[("input_sum", "input_gate"), ("forget_sum", "forget_gate"), ("output_sum", "output_gate")],
    activations=[("candidate_sum", "candidate"), ("cell_state", "activated_cell_state")],
    outputs=["hidden_state", "hidden_state", "cell_state"],
    gates=["input", "forget", "candidate", "output"],
)

CELLS: dict[type, Words] = {
    keras.layers.LSTMCell: _LSTM,
    ConvLSTMCell: _LSTM,
    keras.layers.GRUCell: Words(
        recurrent_activations=[("update_sum", "update_gate"), ("reset_sum", "reset_gate")],
        activations=[("candidate_sum", "candidate")],
        outputs=["hidden_state", "hidden_state"],
        gates=["update", "reset", "candidate"],
    ),
    keras.layers.SimpleRNNCell: Words(
        recurrent_activations=[], activations=[("hidden_sum", "hidden_state")], outputs=["hidden_state", "hidden_state"]
    ),
}


def words(layer: Any) -> Words | None:
    """The words for a cell of Keras's own; None for other layers."""
    return next((found for kind, found in CELLS.items() if isinstance(layer, kind)), None)


def is_cell(layer: Any) -> bool:
    """Whether a layer computes one timestep of a recurrent one."""
    return hasattr(layer, "state_size") and not isinstance(layer, keras.layers.RNN) and not _is_recurrent(layer)


def _is_recurrent(layer: Any) -> bool:
    return hasattr(layer, "cell")


def is_part(layer: Any, around: Any) -> bool:
    """Whether a cell was made by the layer around it, as those of `LSTM`, `GRU` and `SimpleRNN` are."""
    return getattr(around, "cell", None) is layer and type(around) is not keras.layers.RNN and words(layer) is not None


def words_for_outputs(call: Call, number: int) -> list[str]:
    """What the tensors are that a layer gives."""
    known = words(call.layer)
    if known is not None and number == len(known.outputs):
        return list(known.outputs)
    states = is_cell(call.layer) or getattr(call.layer, "return_state", False)
    if number < 2:
        return ["output"] * number
    if states:
        return ["output", *(["state"] if number == 2 else [f"state {one}" for one in range(number - 1)])]
    return [f"output {one}" for one in range(number)]


@contextmanager
def gates_named(hooks: Hooks, call: Call) -> Iterator[None]:
    """While a cell of Keras's own computes a timestep, say which tensor is which."""
    known, layer = words(call.layer), call.layer
    if known is None:
        yield
        return
    before = {name: layer.__dict__[name] for name in ("activation", "recurrent_activation") if name in layer.__dict__}
    # Beside Keras's tracking of attributes.
    for name, function in before.items():
        pairs = known.activations if name == "activation" else known.recurrent_activations
        layer.__dict__[name] = _naming(hooks, call, function, pairs)
    try:
        yield
    finally:
        layer.__dict__.update(before)


def _naming(
    hooks: Hooks, call: Call, function: Callable[[Tensor], Tensor], pairs: Sequence[tuple[str, str]]
) -> Callable[[Tensor], Tensor]:
    words = iter(pairs)

    def named(tensor: Tensor) -> Tensor:
        before, after = next(words, ("sum", "output"))
        timestep = hooks.recorder.place.timestep
        hooks.recorder.name(tensor, Named(tensor=before, call=call, timestep=timestep))
        activated = function(tensor)
        hooks.recorder.name(activated, Named(tensor=after, call=call, timestep=timestep))
        return activated

    return named
