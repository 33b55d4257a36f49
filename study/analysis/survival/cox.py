"""Cox's proportional hazards model: by what factor does an axis multiply the hazard of divergence?

Source: Cox, Regression models and life-tables (1972). The hazard of a trial at an update, which is its chance to
diverge there if it is still finite, is a common function of the update times exp(x . beta); exp(beta) is the hazard
ratio.

**Ties.** Times-to-NaN are whole updates, often small ones, so ties are the rule, and effects are large: where time is
inversely proportional to the learning rate and scatters little, doubling the learning rate multiplies the hazard by 30.
Ties are treated exactly (`study.analysis.survival.partial_likelihood`). What libraries offer is worse here. In a
thousand simulated studies of 100 trials with such effects, half of whose times are below 9 updates, 95% intervals of
Efron's formula, the best that statsmodels' `PHReg` has, cover the true ratio of the learning rate in 82% and that of
the units in 86%; those of the model of grouped hazards (a complementary log-log model by update, statsmodels' `GLM`)
cover them in 89 to 92%, and those of the exact treatment in 94%.

**No estimate.** Where nothing of a level diverged, or the order of divergences is exactly that of an axis, the
likelihood has no maximum. Such a term has no hazard ratio; it has the end of its interval on the side that the data
bound, by profile likelihood, and a sentence that says so (see `study.analysis.survival.likelihood`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import chi2, norm

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

LEAST_EVENTS_PER_TERM = 2
"""With fewer divergences a term there is no model."""
EVENTS_PER_TERM = 5
"""With fewer divergences a term, intervals can be too narrow (Vittinghoff and McCulloch, Relaxing the rule of ten
events per variable in logistic and Cox regression, 2007)."""

NOT_PROPORTIONAL_BELOW = 0.05
"""P-value of proportional hazards below which they are said not to be."""

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
    """What to keep in mind, a sentence each: axes left out, too few divergences, hazards that cannot be checked."""
    answer: str
    """What the model rests on, or why there is none."""

    @property
    def estimated(self) -> bool:
        """Whether there is a model."""
        return len(self.hazard_ratios) > 0

    @property
    def proportional(self) -> bool | None:
        """Whether all hazard ratios together are the same at all updates, as far as is shown; None if not tested."""
        if self.proportional_hazards.empty:
            return None
        return bool(self.proportional_hazards["p_value"].iloc[-1] >= NOT_PROPORTIONAL_BELOW)

    @property
    def proportional_words(self) -> str:
        """What the test says of all terms together, in a sentence; empty where it was not made."""
        if self.proportional is None:
            return ""
        together = self.proportional_hazards.iloc[-1]
        freedom = int(together["degrees_of_freedom"])
        numbers = (
            f"chi-square {together['chi_square']:.3g} on {freedom} degree{'s' if freedom > 1 else ''} of freedom, "
            f"{p_value_text(float(together['p_value']))}"
        )
        if self.proportional:
            return f"The data do not show that hazards are not proportional ({numbers})."
        single = self.proportional_hazards.iloc[:-1]
        changing = "; ".join(single["term"][single["p_value"] < NOT_PROPORTIONAL_BELOW])
        told = f", above all for {changing}" if changing else ""
        return f"Hazards are not proportional ({numbers}){told}: read each ratio as an average over the updates."


def cox(table: pd.DataFrame, *, axes: Iterable[str] | None = None, confidence: float = 0.95) -> CoxModel:
    """Hazard ratios of axes, each with the others held fixed.

    Args:
        table: A results table; failed trials are left out, survivors are right-censored.
        axes: Columns of axes (see `study.analysis.survival.design_matrix`); without them, all that vary.
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
        confidence=confidence,
        axes=axes,
    )


def cox_of(
    duration: Numbers,
    event: np.ndarray[Any, np.dtype[np.bool_]],
    design: DesignMatrix,
    *,
    confidence: float = 0.95,
    axes: tuple[str, ...] = (),
) -> CoxModel:
    """The model of durations given a design matrix; `cox` says the rest.

    Args:
        duration: Updates until divergence or censoring, shape (trials).
        event: Whether the trial diverged then, shape (trials).
        design: A row for each trial.
        confidence: Of the intervals.
        axes: What the design was made from.
    """
    assert 0 < confidence < 1
    about: dict[str, Any] = {
        "axes": axes,
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
    unbounded = recession(likelihood.differences(), parameters=size, hessian=hessian)
    top = maximise(likelihood, nowhere)
    coefficients, errors = _estimates(top, unbounded)
    ratio = 2 * (top.value - null)
    notes = list(design.notes)
    rows = [
        _row(at, design, event, coefficients[at], errors[at], unbounded, likelihood, top, confidence)
        for at in range(size)
    ]
    proportional, note = _check(duration, event, design)
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
    duration: Numbers, event: np.ndarray[Any, np.dtype[np.bool_]], design: DesignMatrix
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The test of proportional hazards, and what it means.

    As the hazard of a level without a divergence goes to zero its trials leave the risk sets, so what is tested of the
    other terms is tested without them.
    """
    empty = pd.DataFrame(columns=["term", "chi_square", "degrees_of_freedom", "p_value"])
    silent = np.array(
        [
            term.kind == "level" and not event[column == 1].any()
            for term, column in zip(design.terms, design.values.T, strict=True)
        ]
    )
    kept = ~(design.values[:, silent] == 1).any(axis=1)
    terms = [term for term, left_out in zip(design.terms, silent, strict=True) if not left_out]
    if not terms:
        return empty, ("Whether hazards are proportional cannot be checked where no term has an estimate.",)
    duration, event = duration[kept], event[kept]
    likelihood = PartialLikelihood(duration, event, design.values[np.ix_(kept, ~silent)])
    nowhere = np.zeros(len(terms))
    unbounded = recession(likelihood.differences(), parameters=len(terms), hessian=likelihood(nowhere)[2])
    if unbounded.any:
        return empty, ("Whether hazards are proportional cannot be checked where a term has no estimate.",)
    if len(likelihood.time) <= len(terms) + 1:
        return empty, ("Whether hazards are proportional cannot be checked with divergences at so few updates.",)
    tests = proportional_hazards_test(
        likelihood,
        maximise(likelihood, nowhere).parameters,
        terms=[term.name for term in terms],
        survival=survival_curve(duration, event).points,
    )
    return tests, ()


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
