"""Forward is tame, the gradient grows through depth or time."""

from __future__ import annotations

from study.diagnosis.case import HUGE, Case
from study.diagnosis.causes.base import Cause, Finding, operands
from study.diagnosis.remedies import ClipNorm, LearningRate, Remedy, SmallerInitialWeights


class ExplodingGradient(Cause):
    """By the onset: on the way back, of numbers that had grown, while the way forward was tame."""

    id = "exploding_gradient"
    means = "forward is tame, the gradient grows through depth or time"

    def examine(self, case: Case) -> Finding | None:
        onset = case.onset
        if onset is None or onset.phase not in ("backward", "optimizer") or case.largest_output > 1e8:
            return None
        grown = any(abs(value) > HUGE for value in operands(case).values())
        if not grown:
            return None
        remedies: list[Remedy] = [ClipNorm()]
        if case.learning_rate is not None:
            remedies.append(LearningRate(case.learning_rate, 1.0))
        # A gradient that overflows before any step has a norm that is infinite, and no clipping makes it finite.
        infinite_at_once = case.at_once and onset.phase == "backward"
        remedies.insert(0 if infinite_at_once else len(remedies), SmallerInitialWeights())
        return Finding(
            weight=0.86,
            sentence=f"The gradient grows on its way back until it overflows in {onset.layer or onset.tensor}.",
            evidence=(
                f"the way forward was tame: no output of a layer was larger than {case.largest_output:.3g}",
                f"the first number that is not finite is {onset.tensor}",
            ),
            remedies=remedies,
        )
