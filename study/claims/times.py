"""Times of a seed held against each other: what is surely shorter, and by which factor.

A time is known to the step, or to be longer than the budget (see `study.analysis.survival.clock`). So it is an
interval, and a factor is one too. What two intervals leave open is left open.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from scipy.stats import binom

from study.analysis.survival.clock import FIRST
from study.analysis.survival.kaplan_meier import survival_curve
from study.claims.decision import CONFIDENCE


class Between(NamedTuple):
    """A number known to lie between two others."""

    low: float
    high: float

    def before(self, other: Between) -> bool:
        """Whether it is surely the smaller one."""
        return self.high <= other.low and self != other

    def times(self, factor: float) -> Between:
        """A multiple by a positive factor."""
        return Between(self.low * factor, self.high * factor)

    def over(self, other: Between) -> Between:
        """The ratio of two numbers that are not negative; from 0 to infinity where it can be anything."""
        low = self.low / other.high if other.high else (math.inf if self.low else 0.0)
        return Between(low, self.high / other.low if other.low else math.inf)


def steps(updates: int, *, diverged: bool) -> Between:
    """The steps after which a trial was not finite; those after which it still was, and more, of a survivor.

    Args:
        updates: Time to NaN, or the budget.
        diverged: Which of the two.
    """
    last = updates - FIRST
    return Between(max(last - 1, 0), last) if diverged else Between(last, math.inf)


class Factor(NamedTuple):
    """The median of a factor over seeds, with an interval."""

    median: float
    """After Kaplan and Meier; NaN where it is not reached."""
    low: float
    high: float


def median_factor(pairs: Sequence[tuple[Between, Between]]) -> Factor:
    """The median of the factor between two numbers of a seed, each known between two others.

    The median itself is Kaplan and Meier's, of the upper ends where there are any: of times, the steps at which the
    trials ended. Where the first has none, the factor is censored there; a seed in which neither has one tells nothing
    of it. The interval is that of order statistics, exact and conservative: its lower end is one of the lower ends of
    the factors, its upper end one of the upper ends (W. J. Conover (1999), Practical nonparametric statistics, 3.2).
    """
    if not pairs:
        return Factor(math.nan, 0.0, math.inf)
    factors = [first.over(second) for first, second in pairs]
    n = len(factors)
    rank = int(binom.ppf((1 - CONFIDENCE) / 2, n, 0.5))
    lows, highs = sorted(factor.low for factor in factors), sorted(factor.high for factor in factors)
    ends = [
        (_end(first) / _end(second), math.isfinite(first.high))
        for first, second in pairs
        if _end(second) and (math.isfinite(first.high) or math.isfinite(second.high))
    ]
    curve = survival_curve([end for end, _ in ends], [known for _, known in ends])
    return Factor(
        median=curve.median if ends else math.nan,
        low=lows[rank - 1] if rank else 0.0,
        high=highs[n - rank] if rank else math.inf,
    )


def _end(value: Between) -> float:
    return value.high if math.isfinite(value.high) else value.low


def median_time(updates: Sequence[int], diverged: Sequence[bool]) -> float:
    """Median time to NaN in updates: the first at which Kaplan and Meier's curve is at most one half."""
    return survival_curve(list(updates), list(diverged)).median
