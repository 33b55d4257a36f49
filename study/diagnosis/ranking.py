"""Which remedy is the best: survivors first, then whether and how far it learns, then how little it changes."""

from __future__ import annotations

from collections.abc import Iterable

from study.diagnosis.result import Tried


def ranked(tried: Iterable[Tried]) -> list[Tried]:
    """Best first. Those that could only be named come after those that held, and before those that did not.

    Losses of different remedies are compared by the share of the first loss that is left: a remedy that standardises
    the targets, or takes another loss, has losses of another scale.
    """

    def rank(one: Tried) -> tuple[float, ...]:
        if not one.runs:
            return (1.0, 0.0, 0.0, 0.0, float(one.size))
        before, after = one.loss_before, one.loss_after
        left = after / before if before and after is not None and before > 0 else 1.0
        return (
            0.0 if one.holds else 2.0,
            -one.survived / len(one.runs),
            0.0 if one.learns else 1.0,
            round(left, 2),
            float(one.size),
        )

    return sorted(tried, key=rank)
