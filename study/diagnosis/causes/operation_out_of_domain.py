"""A layer takes a function of something outside its domain."""

from __future__ import annotations

from study.diagnosis.case import Case
from study.diagnosis.causes.base import Cause, Finding, made_of_tame_numbers, operands, operation, place, shown
from study.diagnosis.causes.domain import DOMAIN, what_to_write
from study.diagnosis.remedies import LineOfCode, Remedy, RowsLeftOut


class OperationOutOfDomain(Cause):
    """Decided by the onset: in a layer's way forward, by an operation that has no value there."""

    id = "operation_out_of_domain"
    means = "a layer does: 0/0, log 0, exp of a large number, an empty softmax or mean"

    def examine(self, case: Case) -> Finding | None:
        onset = case.onset
        if onset is None or onset.phase != "forward" or not made_of_tame_numbers(case):
            return None
        name = operation(case)
        if name not in DOMAIN and not (onset.value == "nan" and onset.source):
            return None
        given = operands(case)
        evidence = [f"the first number that is not finite is {name} in {place(case)}"]
        if given:
            evidence.append(f"it was made of {shown(given)}")
        remedies: list[Remedy] = [LineOfCode(what_to_write(name, place(case)))]
        if case.same_update.get("sample_left_out"):
            evidence.append(f"without sample {onset.sample} of the batch the same update stays finite")
            if onset.row is not None:
                remedies.append(RowsLeftOut((onset.row,)))
        return Finding(
            weight=0.95,
            sentence=f"Layer {onset.layer} takes {name} of a number for which it has no finite value ({place(case)}).",
            evidence=tuple(evidence),
            remedies=remedies,
        )
