"""Which remedy is the best: survivors first, then the loss they reach, then how little it changes."""

from __future__ import annotations

from collections.abc import Iterable

from study.diagnosis.result import Tried


def ranked(tried: Iterable[Tried]) -> list[Tried]:
    """Best first. Those that could only be named come after those with survivors, and before those without.

    Losses count as alike where their first two digits are: then the smaller change is named first. Those that were not
    run stay in the order in which they would have been.
    """

    def rank(one: Tried) -> tuple[float, ...]:
        if not one.survived:
            return (2.0, 0.0, 0.0, float(one.size)) if one.runs else (1.0, 0.0, 0.0, 0.0)
        reached = float("inf") if one.loss_after is None else float(f"{one.loss_after:.1e}")
        return (0.0, -float(one.survived), reached, float(one.size))

    return sorted(tried, key=rank)
