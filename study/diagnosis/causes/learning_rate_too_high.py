"""Every step makes it worse until it overflows."""

from __future__ import annotations

from study.diagnosis.case import Case
from study.diagnosis.causes.base import Cause, Finding
from study.diagnosis.remedies import ClipNorm, LearningRate, Remedy


class LearningRateTooHigh(Cause):
    """A possibility wherever steps came before; decided by a smaller learning rate in its place."""

    id = "learning_rate_too_high"
    means = "finite at its initial weights, and every step makes it worse until it overflows"

    def examine(self, case: Case) -> Finding | None:
        onset = case.onset
        if case.at_once or case.learning_rate is None or (onset is not None and onset.phase == "data"):
            return None
        finite = [loss for loss in case.loss if abs(loss) < float("inf")]
        rose = len(finite) > 1 and max(finite) > 10 * abs(finite[0]) + 1
        remedies: list[Remedy] = [LearningRate(case.learning_rate, 2.0), ClipNorm()]
        evidence = [f"at its initial weights the loss was finite, {finite[0]:.3g}"] if finite else []
        if rose:
            evidence.append(f"it rose to {max(finite):.3g} by update {len(case.loss)}")
        return Finding(
            weight=0.7 if rose or case.largest_output > 1e6 else 0.5,
            sentence=f"The learning rate of {case.learning_rate:g} is too high: each step makes the loss larger, until "
            "it overflows.",
            evidence=tuple(evidence),
            remedies=remedies,
        )
