"""The loss takes a function of something outside its domain."""

from __future__ import annotations

from study.diagnosis.case import Case
from study.diagnosis.causes.base import Cause, Finding, made_of_tame_numbers, operands, operation, place, shown
from study.diagnosis.causes.domain import DOMAIN, what_to_write
from study.diagnosis.remedies import FromLogits, LineOfCode


class LossOutOfDomain(Cause):
    """Decided by the onset: in the loss, of operands that are no overflow themselves."""

    id = "loss_out_of_domain"
    means = "the loss takes the logarithm, root, power or quotient of something outside its domain"

    def examine(self, case: Case) -> Finding | None:
        if case.onset is None or case.onset.phase != "loss" or not made_of_tame_numbers(case):
            return None
        if operation(case) not in DOMAIN and not operands(case):
            return None
        given = operands(case)
        return Finding(
            weight=0.94,
            sentence=f"The loss takes {operation(case)} of a number for which it has no finite value ({place(case)}).",
            evidence=(
                f"the first number that is not finite is {operation(case)} in the loss"
                + (f", of {shown(given)}" if given else ""),
                f"the layers' outputs were finite, none larger than {case.largest_output:.3g}",
            ),
            remedies=(FromLogits(), LineOfCode(what_to_write(operation(case), place(case)))),
        )
