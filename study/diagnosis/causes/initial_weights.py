"""Not finite at update 1, with tame data."""

from __future__ import annotations

from study.diagnosis.case import Case
from study.diagnosis.causes.base import Cause, Finding
from study.diagnosis.causes.unscaled_data import LARGE
from study.diagnosis.remedies import SmallerInitialWeights


class InitialWeights(Cause):
    """Decided by an intervention: the first update with weights a tenth as large."""

    id = "initial_weights"
    means = "not finite at update 1, data tame"

    def examine(self, case: Case) -> Finding | None:
        if not case.at_once or not case.same_update.get("smaller_weights"):
            return None
        tame = case.largest_input < 10 * LARGE
        return Finding(
            weight=0.88 if tame else 0.4,
            sentence="The initial weights are so large that the first update overflows, before any step.",
            evidence=(
                "the first update is not finite, before any step",
                f"no input is larger than {case.largest_input:.3g}",
                "with initial weights a tenth as large the same update stays finite",
            ),
            remedies=(SmallerInitialWeights(),),
        )
