"""The LSTM.

With x the input, * the elementwise product, s the recurrent activation, a the activation and m one mask per gate that
is fixed over the timesteps:

    i = s(x W_i + b_i + (h * m_i) R_i)        g = a(x W_g + b_g + (h * m_g) R_g)
    f = s(x W_f + b_f + (h * m_f) R_f)        o = s(x W_o + b_o + (h * m_o) R_o)
    c' = f * c + i * g                        h' = o * a(c')

Sources: S. Hochreiter and J. Schmidhuber, "Long short-term memory", 1997; F. A. Gers, J. Schmidhuber and F. Cummins,
"Learning to forget", 2000; `LSTMCell` of Keras 3 and 2.2.4 with `implementation=1`; for the masks Y. Gal and
Z. Ghahramani, "A theoretically grounded application of dropout in recurrent neural networks", 2016.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from study.engine.cells.base import HIDDEN, LARGEST_HIDDEN, Activate, Cell, Differentiate
from study.engine.tensors import BatchUnits


class LSTM(Cell):
    """Long short-term memory; `unit_forget_bias` as is Keras's default."""

    name = "lstm"
    keras_layer = "LSTM"
    gates = ("input", "forget", "candidate", "output")
    states: ClassVar[Mapping[str, str]] = {HIDDEN: "h", "cell_state": "c"}
    activated = ("activated_cell_state", "candidate")
    kept = (
        "input_gate",
        "forget_gate",
        "candidate",
        "output_gate",
        "cell_state",
        "activated_cell_state",
        HIDDEN,
    )
    made_of: ClassVar[Mapping[str, tuple[str, ...]]] = {
        **{f"{gate}_sum": (f"{gate}_projection", LARGEST_HIDDEN) for gate in gates},
        "input_gate": ("input_sum",),
        "forget_gate": ("forget_sum",),
        "candidate": ("candidate_sum",),
        "output_gate": ("output_sum",),
        "cell_state": ("forget_gate", "input_gate", "candidate", "cell_state before"),
        "activated_cell_state": ("cell_state",),
        HIDDEN: ("output_gate", "activated_cell_state"),
    }

    def initial_bias(self, units: int) -> np.ndarray:
        """Zeros, but ones on the forget gate: R. Jozefowicz, W. Zaremba and I. Sutskever, 2015."""
        return np.repeat(np.array([0, 1, 0, 0], np.float32), units)

    def forward_step(
        self,
        projections: Sequence[BatchUnits],
        products: Sequence[BatchUnits],
        before: Mapping[str, BatchUnits],
        *,
        activate: Activate,
    ) -> dict[str, BatchUnits]:
        sums = [projection + product for projection, product in zip(projections, products, strict=True)]
        i, f, o = activate("input_gate", sums[0]), activate("forget_gate", sums[1]), activate("output_gate", sums[3])
        g = activate("candidate", sums[2])
        c = f * before["cell_state"] + i * g
        a = activate("activated_cell_state", c)
        return {
            **{f"{gate}_sum": gate_sum for gate, gate_sum in zip(self.gates, sums, strict=True)},
            "input_gate": i,
            "forget_gate": f,
            "candidate": g,
            "output_gate": o,
            "cell_state": c,
            "activated_cell_state": a,
            HIDDEN: o * a,
        }

    def backward_step(
        self,
        gradients: Mapping[str, BatchUnits],
        *,
        kept: Mapping[str, BatchUnits],
        before: Mapping[str, BatchUnits],
        differentiate: Differentiate,
    ) -> tuple[dict[str, BatchUnits], dict[str, BatchUnits]]:
        d_hidden = gradients[HIDDEN]
        d_cell = gradients["cell_state"] + differentiate("activated_cell_state", d_hidden * kept["output_gate"])
        d_sums = {
            "cell_state": d_cell,
            "input_sum": differentiate("input_gate", d_cell * kept["candidate"]),
            "forget_sum": differentiate("forget_gate", d_cell * before["cell_state"]),
            "candidate_sum": differentiate("candidate", d_cell * kept["input_gate"]),
            "output_sum": differentiate("output_gate", d_hidden * kept["activated_cell_state"]),
        }
        return d_sums, {"cell_state": d_cell * kept["forget_gate"]}
