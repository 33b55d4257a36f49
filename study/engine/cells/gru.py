"""The GRU of Keras, with `reset_after=True`: the reset gate multiplies the recurrent product, not the state before it.

With x the input, * the elementwise product, s the recurrent activation, a the activation, m one mask per gate that is
fixed over the timesteps, and a bias b of the input's product and one, d, of the recurrent one:

    z = s(x W_z + b_z + (h * m_z) R_z + d_z)        g = a(x W_g + b_g + r * ((h * m_g) R_g + d_g))
    r = s(x W_r + b_r + (h * m_r) R_r + d_r)        h' = z * h + (1 - z) * g

Sources: K. Cho et al., "Learning phrase representations using RNN encoder-decoder for statistical machine translation",
2014 (its first version, whose order of reset and product this is); `GRUCell` of Keras 3 with `implementation=1`, which
it takes where it drops.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from study.engine.cells.base import HIDDEN, LARGEST_HIDDEN, Activate, Cell, Differentiate
from study.engine.tensors import BatchUnits


class GRU(Cell):
    """Gated recurrent unit: `update`, `reset` and `candidate`, the order of Keras's kernels."""

    name = "gru"
    keras_layer = "GRU"
    gates = ("update", "reset", "candidate")
    states: ClassVar[Mapping[str, str]] = {HIDDEN: "h"}
    activated = ("candidate",)
    kept = ("update_gate", "reset_gate", "candidate_recurrence", "candidate", HIDDEN)
    made_of: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "update_sum": ("update_projection", LARGEST_HIDDEN),
        "reset_sum": ("reset_projection", LARGEST_HIDDEN),
        "candidate_recurrence": (LARGEST_HIDDEN,),
        "update_gate": ("update_sum",),
        "reset_gate": ("reset_sum",),
        "candidate_sum": ("candidate_projection", "reset_gate", "candidate_recurrence"),
        "candidate": ("candidate_sum",),
        HIDDEN: ("update_gate", "candidate", f"{HIDDEN} before"),
    }
    has_recurrent_bias = True

    @property
    def products(self) -> tuple[str, ...]:
        return ("update_sum", "reset_sum", "candidate_recurrence")

    def forward_step(
        self,
        projections: Sequence[BatchUnits],
        products: Sequence[BatchUnits],
        before: Mapping[str, BatchUnits],
        *,
        activate: Activate,
    ) -> dict[str, BatchUnits]:
        update_sum, reset_sum, recurrence = projections[0] + products[0], projections[1] + products[1], products[2]
        z, r = activate("update_gate", update_sum), activate("reset_gate", reset_sum)
        candidate_sum = projections[2] + r * recurrence
        g = activate("candidate", candidate_sum)
        return {
            "update_sum": update_sum,
            "reset_sum": reset_sum,
            "candidate_recurrence": recurrence,
            "update_gate": z,
            "reset_gate": r,
            "candidate_sum": candidate_sum,
            "candidate": g,
            HIDDEN: z * before[HIDDEN] + (1 - z) * g,
        }

    def backward_step(
        self,
        gradients: Mapping[str, BatchUnits],
        *,
        kept: Mapping[str, BatchUnits],
        before: Mapping[str, BatchUnits],
        differentiate: Differentiate,
    ) -> tuple[dict[str, BatchUnits], dict[str, BatchUnits]]:
        d_hidden, z, g = gradients[HIDDEN], kept["update_gate"], kept["candidate"]
        d_candidate_sum = differentiate("candidate", d_hidden * (1 - z))
        d_sums = {
            # Two products, not one with the difference, which overflows sooner.
            "update_sum": differentiate("update_gate", d_hidden * before[HIDDEN] - d_hidden * g),
            "candidate_sum": d_candidate_sum,
            "candidate_recurrence": d_candidate_sum * kept["reset_gate"],
            "reset_sum": differentiate("reset_gate", d_candidate_sum * kept["candidate_recurrence"]),
        }
        return d_sums, {HIDDEN: d_hidden * z}
