"""The plain recurrent layer: with x the input, a the activation and m a mask that is fixed over the timesteps,

    h' = a(x W + b + (h * m) R)

Sources: J. L. Elman, "Finding structure in time", 1990; `SimpleRNNCell` of Keras 3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from study.engine.cells.base import HIDDEN, LARGEST_HIDDEN, Activate, Cell, Differentiate
from study.engine.tensors import BatchUnits


class SimpleRNN(Cell):
    """No gates: one sum, and its activation is the state."""

    name = "simple_rnn"
    keras_layer = "SimpleRNN"
    gates = ("hidden",)
    states: ClassVar[Mapping[str, str]] = {HIDDEN: "h"}
    activated = (HIDDEN,)
    kept = (HIDDEN,)
    made_of: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "hidden_sum": ("hidden_projection", LARGEST_HIDDEN),
        HIDDEN: ("hidden_sum",),
    }
    has_recurrent_activation = False

    def forward_step(
        self,
        projections: Sequence[BatchUnits],
        products: Sequence[BatchUnits],
        before: Mapping[str, BatchUnits],
        *,
        activate: Activate,
    ) -> dict[str, BatchUnits]:
        hidden_sum = projections[0] + products[0]
        return {"hidden_sum": hidden_sum, HIDDEN: activate(HIDDEN, hidden_sum)}

    def backward_step(
        self,
        gradients: Mapping[str, BatchUnits],
        *,
        kept: Mapping[str, BatchUnits],
        before: Mapping[str, BatchUnits],
        differentiate: Differentiate,
    ) -> tuple[dict[str, BatchUnits], dict[str, BatchUnits]]:
        return {"hidden_sum": differentiate(HIDDEN, gradients[HIDDEN])}, {}
