"""Forward is tame, the gradient grows through depth or time."""

from __future__ import annotations

from study.diagnosis.case import HUGE, Case
from study.diagnosis.causes.base import Cause, Finding, operands
from study.diagnosis.remedies import (
    BoundedActivation,
    ClipNorm,
    LearningRate,
    Normalised,
    Remedy,
    SmallerInitialWeights,
)


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
        evidence = [
            f"the way forward was tame: no output of a layer was larger than {case.largest_output:.3g}",
            f"the first number that is not finite is {onset.tensor}",
        ]
        if case.before_any_step:
            evidence.append(
                "it is so in update 1, before any step: no learning rate is too high for that, and a gradient whose "
                "norm is infinite cannot be clipped"
            )
        if case.same_update.get("bounded"):
            evidence.append("with tanh in its recurrent layers the same update stays finite")
        return Finding(
            weight=0.86,
            sentence=f"The gradient grows on its way back until it overflows in {onset.layer or onset.tensor}.",
            evidence=tuple(evidence),
            remedies=_remedies(case, finite=onset.phase == "optimizer"),
        )


def _remedies(case: Case, *, finite: bool) -> list[Remedy]:
    """What makes the steps smaller, and what makes the factor smaller by which a gradient grows on its way back.

    Of the latter those come first with which the same update was measured to stay finite; one with which it did not is
    left out.

    Args:
        case: The case.
        finite: Whether the gradient itself was finite, so that clipping it can help.
    """
    steps: list[Remedy] = []
    if not case.before_any_step:
        steps = [ClipNorm(), *([LearningRate(case.learning_rate, 1.0)] if case.learning_rate is not None else [])]
    gains: dict[str, Remedy] = {"smaller_weights": SmallerInitialWeights()}
    if any(not layer.bounded for layer in case.recurrent):
        gains = {"bounded": BoundedActivation(), **gains}
    held = [remedy for name, remedy in gains.items() if case.same_update.get(name)]
    others = [remedy for name, remedy in gains.items() if name not in case.same_update]
    others += [Normalised()] if case.recurrent else []
    return [*steps, *held, *others] if finite else [*held, *steps, *others]
