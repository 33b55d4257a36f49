"""Forward is finite, a derivative is not."""

from __future__ import annotations

from study.diagnosis.case import Case
from study.diagnosis.causes.base import Cause, Finding, made_of_tame_numbers, operands, operation, place, shown
from study.diagnosis.causes.domain import what_to_write
from study.diagnosis.remedies import LineOfCode, Remedy, RowsLeftOut


class SingularGradient(Cause):
    """Decided by the onset: on the way back, of numbers that are tame."""

    id = "singular_gradient"
    means = (
        "forward is finite, a derivative is not: a root at 0, arccos at 1, a norm at 0, the unused branch of a where"
    )

    def examine(self, case: Case) -> Finding | None:
        onset = case.onset
        if onset is None or onset.phase != "backward" or not made_of_tame_numbers(case):
            return None
        if case.largest_output > 1e10:
            return None
        name, given = operation(case), operands(case)
        evidence = [
            "the way forward and the loss of that update were finite",
            f"the first number that is not finite is the derivative of {name} in {place(case)}"
            + (f", at {shown(given)}" if given else ""),
        ]
        remedies: list[Remedy] = [LineOfCode(what_to_write(name, place(case)))]
        if case.same_update.get("sample_left_out"):
            evidence.append(f"without sample {onset.sample} of the batch the same update stays finite")
            if onset.row is not None:
                remedies.append(RowsLeftOut((onset.row,)))
        return Finding(
            weight=0.94,
            sentence=f"The derivative of {name} has no finite value where the model asks for it ({place(case)}).",
            evidence=tuple(evidence),
            remedies=remedies,
        )
