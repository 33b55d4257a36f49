"""Not finite at update 1, with tame data."""

from __future__ import annotations

from study.diagnosis.case import Case
from study.diagnosis.causes.base import Cause, Finding, overflowed
from study.diagnosis.causes.unscaled_data import LARGE
from study.diagnosis.remedies import SmallerInitialWeights


class InitialWeights(Cause):
    """Decided by an intervention: the first update with usual weights. On the way back it is less likely."""

    id = "initial_weights"
    means = "not finite at update 1, data tame"

    def examine(self, case: Case) -> Finding | None:
        if not case.at_once or not case.same_update.get("smaller_weights"):
            return None
        tame = case.largest_input < 10 * LARGE
        on_the_way_back = case.onset is not None and case.onset.phase == "backward"
        unusual = bool(case.same_update.get("usual_weights"))
        return Finding(
            weight=0.4 if not tame else 0.6 if on_the_way_back or not unusual else 0.88,
            sentence="The initial weights are so large that the first update overflows, before any step.",
            evidence=(
                "the first update is not finite, before any step",
                f"no input is larger than {case.largest_input:.3g}",
                f"a kernel is {case.largest_kernel:.3g} times as large as Glorot's deviation",
                "with initial weights a tenth as large, or of Glorot's deviation, the same update stays finite",
            ),
            remedies=(SmallerInitialWeights(),),
            decides=unusual and tame and not on_the_way_back and overflowed(case),
        )
