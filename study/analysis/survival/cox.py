"""Cox's proportional hazards model: by what factor does an axis multiply the hazard of divergence?

Source: Cox, Regression models and life-tables (1972). The hazard of a trial at an update, which is its chance to
diverge there if it is still finite, is a common function of the update times exp(x . beta); exp(beta) is the hazard
ratio.

**Ties.** Times-to-NaN are whole updates, often small ones, so ties are the rule, and effects are large: where time is
inversely proportional to the learning rate and scatters little, doubling the learning rate multiplies the hazard by 30.
Of the usual formulas Efron's is best there and still not good. In a thousand simulated studies of 100 trials with such
effects, half of whose times are below 9 updates, its 95% intervals cover the true ratio of the learning rate in 82% and
that of the units in 86%; those of the exact treatment (`study.analysis.survival.partial_likelihood`) cover each in
94%. So `ties="exact"` is the default; `efron` and `breslow` are statsmodels' and there to compare with other programs.

**No estimate.** Where nothing of a level diverged, or the order of divergences is exactly that of an axis, the
likelihood has no maximum. Such a term has no hazard ratio; it has the end of its interval on the side that the data
bound, by profile likelihood, and a sentence that says so (see `study.analysis.survival.likelihood`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.stats import chi2, norm
from statsmodels.duration.hazard_regression import PHReg

from study.analysis.survival.design_matrix import DesignMatrix, Term, design_matrix
from study.analysis.survival.kaplan_meier import survival_curve
from study.analysis.survival.likelihood import (
    Maximum,
    Numbers,
    Recession,
    exponential,
    maximise,
    profile_limit,
    recession,
    restricted,
)
from study.analysis.survival.partial_likelihood import PartialLikelihood
from study.analysis.survival.proportional_hazards import proportional_hazards_test
from study.analysis.table import durations, usable, varying_axes
from study.analysis.wording import count, p_value_text

Ties = Literal["exact", "efron", "breslow"]
TIES: tuple[Ties, ...] = ("exact", "efron", "breslow")

LEAST_EVENTS_PER_TERM = 2
"""With fewer divergences a term there is no model."""
EVENTS_PER_TERM = 5
"""With fewer divergences a term, intervals can be too narrow (Vittinghoff and McCulloch, Relaxing the rule of ten
events per variable in logistic and Cox regression, 2007)."""

COLUMNS = (
    "term",
    "axis",
    "level",
    "baseline",
    "hazard_ratio",
    "low",
    "high",
    "p_value",
    "coefficient",
    "standard_error",
    "trials",
    "events",
    "answer",
)


@dataclass(frozen=True, kw_only=True)
class CoxModel:
    """A proportional hazards model, or the reason why there is none."""

    axes: tuple[str, ...]
    ties: Ties
    confidence: float
    trials: int
    events: int
    """Trials that diverged."""
    hazard_ratios: pd.DataFrame
    """One row a term: `term` (with its unit or baseline), `axis`, `level` and `baseline` (of choices), `hazard_ratio`,
    its interval `low` to `high`, `p_value`, `coefficient` (the log of the hazard ratio), `standard_error`, `trials` and
    `events` (of the level; of all for numbers) and `answer`, a sentence. Without an estimate the ratio is NaN and only
    the end of the interval that the data bound is there. p-values are Wald's; without an estimate, those of the
    likelihood ratio. Empty where there is no model."""
    likelihood_ratio: float
    """Twice the rise of the log partial likelihood over that of no effect at all; NaN where there is no model."""
    likelihood_ratio_p_value: float
    proportional_hazards: pd.DataFrame
    """Test of each term, and of all, that its hazard ratio is the same at all updates: `term`, `chi_square`,
    `degrees_of_freedom`, `p_value` (see `study.analysis.survival.proportional_hazards`). Empty where it cannot be
    made."""
    notes: tuple[str, ...]
    """What to keep in mind, a sentence each: axes left out, too few divergences, hazards that are not proportional."""
    answer: str
    """What the model rests on, or why there is none."""

    @property
    def estimated(self) -> bool:
        """Whether there is a model."""
        return len(self.hazard_ratios) > 0


def cox(
    table: pd.DataFrame, *, axes: Iterable[str] | None = None, ties: Ties = "exact", confidence: float = 0.95
) -> CoxModel:
    """Hazard ratios of axes, each with the others held fixed.

    Args:
        table: A results table; failed trials are left out, survivors are right-censored.
        axes: Columns of axes (see `study.analysis.survival.design_matrix`); without them, all that vary.
        ties: How trials that diverge at the same update are treated.
        confidence: Of the intervals, between 0 and 1.

    Raises:
        UserError: Not an axis, one given twice, or one that is no property of a model.
    """
    table = usable(table)
    axes = varying_axes(table) if axes is None else tuple(axes)
    duration, event = durations(table)
    return cox_of(
        duration.to_numpy(dtype=np.float64),
        event.to_numpy(dtype=bool),
        design_matrix(table, axes),
        ties=ties,
        confidence=confidence,
        axes=axes,
    )


def cox_of(
    duration: Numbers,
    event: np.ndarray[Any, np.dtype[np.bool_]],
    design: DesignMatrix,
    *,
    ties: Ties = "exact",
    confidence: float = 0.95,
    axes: tuple[str, ...] = (),
) -> CoxModel:
    """The model of durations given a design matrix; `cox` says the rest.

    Args:
        duration: Updates until divergence or censoring, shape (trials).
        event: Whether the trial diverged then, shape (trials).
        design: A row for each trial.
        ties: How trials that diverge at the same update are treated.
        confidence: Of the intervals.
        axes: What the design was made from.
    """
    assert ties in TIES
    assert 0 < confidence < 1
    about: dict[str, Any] = {
        "axes": axes,
        "ties": ties,
        "confidence": confidence,
        "trials": len(duration),
        "events": int(event.sum()),
    }
    if reason := _no_model(event, design):
        return CoxModel(
            hazard_ratios=pd.DataFrame(columns=list(COLUMNS)),
            likelihood_ratio=math.nan,
            likelihood_ratio_p_value=math.nan,
            proportional_hazards=pd.DataFrame(columns=["term", "chi_square", "degrees_of_freedom", "p_value"]),
            notes=design.notes,
            answer=reason,
            **about,
        )
    size = len(design.terms)
    likelihood = PartialLikelihood(duration, event, design.values)
    nowhere = np.zeros(size)
    null, _, hessian = likelihood(nowhere)
    unbounded = recession(likelihood.differences(ties_are_equal=ties != "exact"), parameters=size, hessian=hessian)
    top = maximise(likelihood, nowhere)
    notes = list(design.notes)
    if ties == "exact" or unbounded.any:
        coefficients, errors = _estimates(top, unbounded)
        ratio = 2 * (top.value - null)
        if ties != "exact":
            notes.append(f"Some terms have no estimate, so ties are treated as exact and not by {ties}'s formula.")
    else:
        fitted = PHReg(duration, design.values, status=event.astype(int), ties=ties).fit()
        coefficients, errors = np.asarray(fitted.params), np.asarray(fitted.bse)
        ratio = 2 * (fitted.llf - fitted.model.loglike(nowhere))
    rows = [
        _row(at, design, event, coefficients[at], errors[at], unbounded, likelihood, top, confidence)
        for at in range(size)
    ]
    exact = unbounded if ties == "exact" else recession(likelihood.differences(), parameters=size, hessian=hessian)
    proportional, note = _check(likelihood, top, exact, design.terms, duration, event)
    if event.sum() < EVENTS_PER_TERM * size:
        notes.append(
            f"{event.sum()} divergences for {size} terms are fewer than {EVENTS_PER_TERM} a term, so the intervals can "
            "be too narrow."
        )
    return CoxModel(
        hazard_ratios=pd.DataFrame(rows, columns=list(COLUMNS)),
        likelihood_ratio=float(ratio),
        likelihood_ratio_p_value=float(chi2.sf(ratio, size)),
        proportional_hazards=proportional,
        notes=(*notes, *note),
        answer=f"Hazard ratios from {len(event)} trials, of which {event.sum()} diverged.",
        **about,
    )


def _no_model(event: np.ndarray[Any, np.dtype[np.bool_]], design: DesignMatrix) -> str:
    """Why there is no model, or nothing."""
    size, events = len(design.terms), int(event.sum())
    if len(event) == 0:
        return "There are no hazard ratios: there are no trials."
    if events == 0:
        return f"There are no hazard ratios: {count(len(event), 'trial')} and no divergence."
    if size == 0:
        return "There are no hazard ratios: none of the axes varies."
    if events < LEAST_EVENTS_PER_TERM * size:
        return f"There are no hazard ratios: too few divergences, {events}, for {count(size, 'term')}."
    return ""


def _estimates(top: Maximum, unbounded: Recession) -> tuple[Numbers, Numbers]:
    """Coefficients and standard errors where the maximum is, NaN where there is none."""
    coefficients = np.where(unbounded.down | unbounded.up, np.nan, top.parameters)
    errors = np.sqrt(np.diag(top.covariance))
    return coefficients, np.where(np.isnan(coefficients), np.nan, errors)


def _row(
    at: int,
    design: DesignMatrix,
    event: np.ndarray[Any, np.dtype[np.bool_]],
    coefficient: float,
    error: float,
    unbounded: Recession,
    likelihood: PartialLikelihood,
    top: Maximum,
    confidence: float,
) -> dict[str, object]:
    term = design.terms[at]
    there = design.values[:, at] == 1 if term.kind == "level" else np.ones(len(event), dtype=bool)
    row: dict[str, object] = {
        "term": term.name,
        "axis": term.axis,
        "level": term.level,
        "baseline": term.baseline,
        "coefficient": coefficient,
        "standard_error": error,
        "trials": int(there.sum()),
        "events": int(event[there].sum()),
    }
    if math.isfinite(coefficient):
        width = float(norm.ppf((1 + confidence) / 2)) * error
        low, high = exponential(coefficient - width), exponential(coefficient + width)
        p_value = float(2 * norm.sf(abs(coefficient / error)))
    else:
        # A level without a divergence is bounded by its own trials. Where an order is explained without any chance by
        # nearly as many terms as there are divergences, the bound would be the mere look of one.
        enough = row["events"] == 0 or int(event.sum()) >= EVENTS_PER_TERM * len(design.terms)
        low, high, p_value = _bound(at, unbounded, likelihood, top, enough=enough, confidence=confidence)
    row |= {"hazard_ratio": exponential(coefficient), "low": low, "high": high, "p_value": p_value}
    return row | {"answer": _answer(term, row, confidence=confidence)}


def _bound(
    at: int, unbounded: Recession, likelihood: PartialLikelihood, top: Maximum, *, enough: bool, confidence: float
) -> tuple[float, float, float]:
    """Interval (NaN at an end that the data do not bound) and p-value of a hazard ratio without an estimate."""
    if (unbounded.down[at] and unbounded.up[at]) or not enough:
        return math.nan, math.nan, math.nan

    def profile(value: float) -> float:
        held = restricted(likelihood, position=at, to=value)
        start = np.delete(top.parameters, at)
        return maximise(held, start if math.isfinite(held(start)[0]) else np.zeros_like(start)).value

    start = float(top.parameters[at])
    away = -1 if unbounded.up[at] else 1
    end = exponential(profile_limit(profile, supremum=top.value, start=start, away=away, confidence=confidence))
    p_value = float(chi2.sf(2 * (top.value - profile(0.0)), 1))
    return (end, math.nan, p_value) if unbounded.up[at] else (math.nan, end, p_value)


def _check(
    likelihood: PartialLikelihood,
    top: Maximum,
    unbounded: Recession,
    terms: tuple[Term, ...],
    duration: Numbers,
    event: np.ndarray[Any, np.dtype[np.bool_]],
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The test of proportional hazards, and what it means."""
    names = [term.name for term in terms]
    empty = pd.DataFrame(columns=["term", "chi_square", "degrees_of_freedom", "p_value"])
    if unbounded.any:
        return empty, ("Whether hazards are proportional cannot be checked where a term has no estimate.",)
    if len(likelihood.time) <= len(terms) + 1:
        return empty, ("Whether hazards are proportional cannot be checked with divergences at so few updates.",)
    curve = survival_curve(duration, event)
    tests = proportional_hazards_test(likelihood, top.parameters, terms=names, survival=curve.points)
    changing = tests["term"][:-1][tests["p_value"][:-1] < 0.05].tolist()
    if not changing:
        return tests, ()
    return tests, (
        f"The hazard ratio is not the same at all updates for {'; '.join(changing)}: read it as an average.",
    )


def _answer(term: Term, row: dict[str, Any], *, confidence: float) -> str:
    """What a row says, in a sentence."""
    sure = f"{confidence:.0%}"
    ratio, low, high = row["hazard_ratio"], row["low"], row["high"]
    if math.isfinite(ratio):
        interval = f"{sure} interval {low:.3g} to {high:.3g}, {p_value_text(row['p_value'])}"
        return f"{term.change} multiplies the hazard of divergence by {ratio:.3g} ({interval})."
    if term.kind == "level" and row["events"] == 0:
        why = f"none of the {row['trials']} trials with {term.axis} {term.level} diverged"
    else:
        why = "the order of the divergences is just what this would explain without any chance"
    if math.isfinite(low):
        bound = f"the data agree with any factor from {low:.3g} up ({sure} confidence)"
    elif math.isfinite(high):
        bound = f"the data agree with any factor up to {high:.3g} ({sure} confidence)"
    else:
        bound = "the data bound its factor to neither side"
    return f"{term.change}: no hazard ratio, since {why}; {bound}."
