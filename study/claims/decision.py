"""What counts say of a claim: exact tests of a quantifier, and of no difference.

- `always` and `never`: one counterexample contradicts, with certainty. None among n says that fewer than `bound` of
  all are any, with the p-value (1 - bound)^n.
- `ever` is the denial of `never`: one case supports, and none among n contradicts with that p-value.
- `mostly`: the exact binomial test of one half, in both directions; twice the smaller p-value.
- no difference: of the seeds, those whose factor is surely above 1 - equivalence are tested against one half, and so
  are those surely below its inverse. The larger of the two p-values says that the median factor lies between them:
  D. J. Schuirmann (1987), A comparison of the two one-sided tests procedure and the power approach, with sign tests.
  It is doubled too, so that it and the two directions together are the inclusion of one interval for the median.

Of several arms every one must do what is claimed, for which the largest p-value speaks and needs no correction: R. L.
Berger (1982), Multiparameter hypothesis testing and acceptance sampling (intersection-union test). Against it speaks
one of them, the smallest p-value times the number of arms (Bonferroni).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from scipy.stats import binomtest
from statsmodels.stats.proportion import proportion_confint

from study.claims.contrast import Quantifier

SUPPORTED, CONTRADICTED, NO_DIFFERENCE, NOT_RESOLVED, NOT_TESTED = VERDICTS = (
    "supported",
    "contradicted",
    "no difference",
    "not resolved",
    "not tested here",
)
CONFIDENCE = 0.95
HALF = 0.5


class Count(NamedTuple):
    """Observations, and how many of them are cases (see `study.claims.contrast.Contrast`)."""

    label: str
    successes: int
    observations: int


class Decision(NamedTuple):
    """What counts say of a claim before the correction for other claims."""

    direction: str
    """`supported`, `contradicted` or `no difference`: which of them has the smallest p-value."""
    p: float
    decisive: Count
    """The arm that decides: the one with the least evidence for the claim, or the most against it."""


def decide(counts: Sequence[Count], *, quantifier: Quantifier, bound: float) -> Decision:
    """Test whether every count is as claimed, or one is not.

    Args:
        counts: Of every arm.
        quantifier: How many cases are claimed.
        bound: The share of cases below which `never` puts it, and of others below which `always` does.
    """
    in_favour = [_evidence(count, quantifier, bound) for count in counts]
    against = [_counter_evidence(count, quantifier, bound) for count in counts]
    sides = 2 if quantifier == "mostly" else 1
    p_for = max(in_favour)
    p_against = min(1.0, len(counts) * min(against))
    if p_for <= p_against:
        return Decision(SUPPORTED, min(1.0, sides * p_for), counts[in_favour.index(p_for)])
    return Decision(CONTRADICTED, min(1.0, sides * p_against), counts[against.index(min(against))])


def _evidence(count: Count, quantifier: Quantifier, bound: float) -> float:
    _, cases, n = count
    match quantifier:
        case "always":
            return _none_in(n, bound) if cases == n else 1.0
        case "never":
            return _none_in(n, bound) if not cases else 1.0
        case "ever":
            return 0.0 if cases else 1.0
        case "mostly":
            return above_half(cases, n)


def _counter_evidence(count: Count, quantifier: Quantifier, bound: float) -> float:
    _, cases, n = count
    match quantifier:
        case "always":
            return 0.0 if cases < n else 1.0
        case "never":
            return 0.0 if cases else 1.0
        case "ever":
            return 1.0 if cases else _none_in(n, bound)
        case "mostly":
            return above_half(n - cases, n)


def _none_in(observations: int, bound: float) -> float:
    """The probability of no case among so many, were their share the bound."""
    return float((1 - bound) ** observations)


def above_half(cases: int, observations: int) -> float:
    """One-sided p-value of the exact binomial test that more than half of all are cases; 1 without observations."""
    return float(binomtest(cases, observations, HALF, alternative="greater").pvalue) if observations else 1.0


def no_difference(above: int, below: int, observations: int) -> float:
    """The p-value of the equivalence test.

    Args:
        above: Seeds whose factor is surely above 1 - equivalence.
        below: Seeds whose factor is surely below 1 / (1 - equivalence).
        observations: All seeds, also those of which neither is sure.
    """
    return min(1.0, 2 * max(above_half(above, observations), above_half(below, observations)))


def share_interval(successes: int, observations: int) -> tuple[float, float]:
    """Clopper and Pearson's 95 percent interval of a share; everything where nothing was observed."""
    if not observations:
        return 0.0, 1.0
    low, high = proportion_confint(successes, observations, alpha=1 - CONFIDENCE, method="beta")
    return float(low), float(high)
