"""A recurrent state grows by a factor per timestep."""

from __future__ import annotations

from study.diagnosis.case import Case
from study.diagnosis.causes.base import Cause, Finding
from study.diagnosis.remedies import BoundedActivation, ClipNorm, LearningRate, Normalised, Remedy


class UnboundedRecurrence(Cause):
    """Decided by an intervention, the same update with tanh, and by how fast the states had been growing."""

    id = "unbounded_recurrence"
    means = "a recurrent state grows by a factor per timestep through an activation without a bound"

    def examine(self, case: Case) -> Finding | None:
        unbounded = [layer for layer in case.recurrent if not layer.bounded]
        if not unbounded or case.onset is None or case.onset.phase == "data":
            return None
        if not case.same_update.get("bounded"):
            return None
        fastest = max(unbounded, key=lambda layer: layer.growth)
        inside = case.onset.layer is not None and case.onset.layer.split("/")[0] in {layer.layer for layer in unbounded}
        grew = fastest.growth > 1.005 or fastest.largest > 1e10
        if not grew and (not inside or case.onset.phase == "backward"):
            return None
        evidence = [
            f"the state of {fastest.layer} grew by a factor of {fastest.growth:.3g} per timestep, "
            f"to {fastest.largest:.3g}",
            f"its activation, {fastest.activation}, has no bound",
            "with tanh in its place the same update stays finite",
        ]
        remedies: list[Remedy] = [BoundedActivation()]
        if not case.before_any_step:
            remedies += [LearningRate(case.learning_rate, 1.5)] if case.learning_rate is not None else []
            remedies.append(ClipNorm())
        remedies.append(Normalised())
        likely = inside or case.onset.phase in ("forward", "backward")
        weights_alone = case.same_update.get("usual_weights", False)
        return Finding(
            weight=0.93 if likely and not weights_alone else 0.85,
            sentence=f"The recurrent state of {fastest.layer} grows from timestep to timestep, and its activation "
            f"{fastest.activation} sets it no bound.",
            evidence=tuple(evidence),
            remedies=remedies,
        )
