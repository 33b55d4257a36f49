"""Is the law a power law all along? Its exponent in the lower, middle and upper part of what was tried.

A power law is a straight line on logarithmic axes. Here the line may bend at two knots, the thirds of the trials'
values (a linear spline; Harrell, Regression modeling strategies, 2015, section 2.4), and the test is that it does not:
that both bends are nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from study.analysis.survival.accelerated_failure_time import AcceleratedFailureTime, accelerated_failure_time_of
from study.analysis.survival.clock import past_first_update, steps_between
from study.analysis.survival.design_matrix import Term, design_matrix
from study.analysis.table import varying_axes
from study.analysis.wording import p_value_text

PARTS = 3
BENT_BELOW = 0.05


@dataclass(frozen=True, kw_only=True)
class PowerLaw:
    """Whether one exponent holds all along an axis."""

    axis: str
    parts: pd.DataFrame
    """One row a part of the axis, the lowest values first: `from`, `to`, `exponent`, `low`, `high`. Empty where there
    is no answer but in words."""
    p_value: float
    """Of "the exponent is the same in all parts"; NaN where it cannot be told."""
    confidence: float
    answer: str

    @property
    def bent(self) -> bool:
        """Whether the data show that it is not."""
        return self.p_value < BENT_BELOW


def power_law(
    table: pd.DataFrame,
    *,
    axis: str = "learning_rate",
    axes: Iterable[str] | None = None,
    within: str | None = None,
    confidence: float = 0.95,
) -> PowerLaw:
    """The exponent of an axis in each part of what was tried, and whether it changes.

    Args:
        table: A results table, as `accelerated_failure_time` takes it.
        axis: One whose unit is a doubling.
        axes: Those of the law, without which all that vary.
        within: A column, such as `seed`, within whose values trials are compared.
        confidence: Of the intervals.
    """
    trials = past_first_update(table)
    chosen = varying_axes(trials) if axes is None else tuple(axes)
    design = design_matrix(trials, chosen)
    place = next((at for at, term in enumerate(design.terms) if term.axis == axis and term.kind == "doubling"), None)
    if place is None:
        return _nothing(axis, f"{axis} does not vary, so its law has no shape.", confidence)
    values = trials[axis].to_numpy(dtype=np.float64)
    knots = np.unique(np.quantile(values, np.arange(1, PARTS) / PARTS, method="inverted_cdf"))
    knots = knots[(knots > values.min()) & (knots < values.max())]
    if len(knots) < PARTS - 1:
        return _nothing(axis, f"{axis} has too few values to tell whether its exponent changes.", confidence)
    bends = np.maximum(0.0, np.log(values[:, None] / knots))
    terms = [Term(name=f"{axis} above {knot:.3g}", axis=axis, kind="difference") for knot in knots]
    bent = design.with_columns(terms, bends)
    size = len(bent.terms)
    law = accelerated_failure_time_of(
        *steps_between(trials),
        bent if within is None else bent.within(trials[within]),
        within=within,
        confidence=confidence,
        axes=chosen,
    )
    at = [place, *range(size - len(knots), size)]
    if not law.estimated or law.small_sample is None or law.time_ratios["coefficient"].iloc[at].isna().any():
        return _nothing(axis, f"Whether the exponent of {axis} changes cannot be told from these trials.", confidence)
    return _found(axis, law, at, ends=[values.min(), *knots, values.max()])


def _found(axis: str, law: AcceleratedFailureTime, at: list[int], *, ends: list[float]) -> PowerLaw:
    small = law.small_sample
    assert small is not None
    coefficients = law.time_ratios["coefficient"].to_numpy(dtype=np.float64)[at]
    covariance = law.covariance[np.ix_(at, at)]
    # The exponent of a part is the first one and all bends up to it.
    sums = np.tril(np.ones((len(at), len(at))))
    exponents = sums @ coefficients
    widths = [small.width(math.sqrt(error)) for error in np.diag(sums @ covariance @ sums.T)]
    parts = pd.DataFrame(
        {
            "from": ends[:-1],
            "to": ends[1:],
            "exponent": exponents,
            "low": exponents - widths,
            "high": exponents + widths,
        }
    )
    p_value = small.p_value_of_all(coefficients[1:], covariance[1:, 1:])
    found = PowerLaw(axis=axis, parts=parts, p_value=p_value, confidence=law.confidence, answer="")
    return replace(found, answer=_answer(found))


def _answer(found: PowerLaw) -> str:
    told = ", ".join(
        f"{row['exponent']:.2f} ({row['low']:.2f} to {row['high']:.2f}) from {row['from']:.3g} to {row['to']:.3g}"
        for row in found.parts.to_dict("records")
    )
    p = p_value_text(found.p_value)
    if found.bent:
        return f"No pure power law of {found.axis} ({p}): its exponent is {told}."
    return f"The data do not show that the exponent of {found.axis} changes ({p}): it is {told}."


def _nothing(axis: str, why: str, confidence: float) -> PowerLaw:
    columns = ["from", "to", "exponent", "low", "high"]
    return PowerLaw(axis=axis, parts=pd.DataFrame(columns=columns), p_value=math.nan, confidence=confidence, answer=why)
