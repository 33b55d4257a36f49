"""The optimizer divides by zero."""

from __future__ import annotations

from study.diagnosis.case import Case
from study.diagnosis.causes.base import Cause, Finding, operands, shown
from study.diagnosis.remedies import Epsilon


class OptimizerDivision(Cause):
    """Decided by the onset and by an epsilon that is as good as none."""

    id = "optimizer_division"
    means = "the optimizer divides by zero"

    def examine(self, case: Case) -> Finding | None:
        if case.onset is None or case.onset.phase != "optimizer" or case.epsilon is None:
            return None
        without = case.epsilon < 1e-12
        given = operands(case)
        divides = any(value == 0 for value in given.values())
        if not without and not divides:
            return None
        return Finding(
            weight=0.95 if without else 0.6,
            sentence=f"{case.optimizer} divides by a running mean that is zero: its epsilon is {case.epsilon:g}.",
            evidence=(
                f"the first number that is not finite is {case.onset.tensor}, in the optimizer's step",
                *((f"it was made of {shown(given)}",) if given else ()),
                "loss and gradients of that update were finite",
            ),
            remedies=(Epsilon(),),
        )
