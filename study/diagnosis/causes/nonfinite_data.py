"""NaN or infinity in the data."""

from __future__ import annotations

from study.diagnosis.case import Case
from study.diagnosis.causes.base import Cause, Finding
from study.diagnosis.remedies import GapsFilled, Remedy, RowsLeftOut


class NonfiniteData(Cause):
    """Decided by the onset: a number of the data did harm. Without that, such numbers are only a possibility."""

    id = "nonfinite_data"
    means = "NaN or infinity in inputs, targets or sample weights"

    def examine(self, case: Case) -> Finding | None:
        spoiled = [array for array in case.arrays if array.nonfinite]
        told = case.onset is not None and case.onset.phase == "data"
        if not spoiled and not told:
            return None
        evidence = [
            f"{array.name} has {array.nonfinite} numbers that are not finite, in column"
            f"{'' if len(array.columns) == 1 else 's'} {', '.join(map(str, array.columns))}"
            for array in spoiled
        ]
        if case.bad_rows:
            evidence.append(f"rows {', '.join(map(str, case.bad_rows[:10]))} have such numbers")
        if case.same_update.get("sample_left_out"):
            evidence.append("without that sample the same update stays finite")
        remedies: list[Remedy] = [RowsLeftOut(case.bad_rows)] if case.bad_rows else []
        remedies += [GapsFilled()] if any(array.part == "x" for array in spoiled) else []
        row = case.onset.row if case.onset is not None else None
        where = f"row {row}" if row is not None else "the batch"
        return Finding(
            weight=0.98 if told else 0.3,
            sentence=f"The data are not finite: {where} has a number that is NaN or infinite."
            if told
            else "The data have numbers that are not finite, though none of them was the first to do harm.",
            evidence=tuple(evidence),
            remedies=remedies,
        )
