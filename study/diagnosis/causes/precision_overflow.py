"""Beyond float16, not beyond float32."""

from __future__ import annotations

from study.diagnosis.case import Case
from study.diagnosis.causes.base import Cause, Finding
from study.diagnosis.remedies import Float32, SmallerInitialWeights


class PrecisionOverflow(Cause):
    """Decided by an intervention: the same update in float32."""

    id = "precision_overflow"
    means = "beyond float16, not beyond float32"

    def examine(self, case: Case) -> Finding | None:
        if not case.half or "float32" not in case.same_update:
            return None
        if not case.same_update["float32"]:
            return None
        return Finding(
            weight=0.96,
            sentence=f"A number is too large for half precision in {case.half[0]} and others, and not for float32.",
            evidence=(
                f"{len(case.half)} layers compute in half precision, which ends at 65504 (float16)",
                "with float32 in its place the same update stays finite",
            ),
            remedies=(Float32(), SmallerInitialWeights()),
        )
