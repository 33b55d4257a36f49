"""Inputs or targets so large that the first updates overflow."""

from __future__ import annotations

from study.diagnosis.case import Case
from study.diagnosis.causes.base import Cause, Finding, overflowed
from study.diagnosis.remedies import ClipNorm, LearningRate, Remedy, Standardised

LARGE = 50.0
"""Deviation of a column of inputs, or magnitude of targets, that a network's initial weights are not made for."""


class UnscaledData(Cause):
    """A possibility by the scale of the data; decided by standardised data in their place.

    A recurrence without a bound that stays finite on standardised data is not what is wrong: tanh in its place hides
    the scale of the data.
    """

    id = "unscaled_data"
    means = "inputs or targets so large that the first updates overflow"

    def examine(self, case: Case) -> Finding | None:
        if case.onset is not None and case.onset.phase == "data":
            return None
        inputs = max((one.deviation for one in case.arrays if one.part == "x" and one.floating), default=0.0)
        inputs = max(inputs, case.largest_input / 10)
        targets = case.largest_target
        if max(inputs, targets) < LARGE:
            return None
        evidence = [
            f"{one.name} reaches {one.largest:.3g}, with a deviation of up to {one.deviation:.3g} in a column"
            for one in case.arrays
            if one.part in "xy" and max(one.largest / 10, one.deviation) >= LARGE
        ]
        finite = [loss for loss in case.loss if abs(loss) < float("inf")]
        if finite:
            evidence.append(
                f"the loss was {finite[0]:.3g} at update 1"
                + (f" and {finite[-1]:.3g} at update {len(finite)}" if len(finite) > 1 else "")
            )
        remedies: list[Remedy] = [Standardised(targets=targets >= LARGE), ClipNorm()]
        if case.learning_rate is not None:
            remedies.append(LearningRate(case.learning_rate, 4.0))
        return Finding(
            weight=0.9 if max(inputs, targets) >= 500 else 0.72,
            sentence="The inputs or targets are so large that the first updates overflow.",
            evidence=tuple(evidence),
            remedies=remedies,
            decides=overflowed(case),
        )
