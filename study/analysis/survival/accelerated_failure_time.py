"""How does time-to-NaN scale? An accelerated failure time model: steps ~ learning_rate^a units^b timesteps^c.

Each axis stretches or shrinks the time by a factor, and scatter of a known shape is left:

    log T = a log(learning_rate) + b log(units) + ... + intercept + sigma e

with T Weibull, log-normal or log-logistic (Kalbfleisch and Prentice, The statistical analysis of failure time data,
1980). Of the three, the one with the smallest information criterion is taken (Akaike, A new look at the statistical
model identification, 1974); all have the same number of parameters. An interval does not hold what the choice of the
distribution does to an exponent, so the exponents of every distribution that fits about as well are told beside it.

**Steps, known to an interval.** T is counted in steps, and a time-to-NaN of n says that it is between n - 2 and n - 1
(`study.analysis.survival.clock`). With times such as 2 or 5 that matters: at n = 3 the logarithm is uncertain by more
than the scatter. So times are interval-censored here, and those of survivors right-censored. Simulated trials at the
designs of the recorded studies, with a true exponent of -1, are recorded in `benchmarks/coverage.md`.

lifelines has such models, but pins pandas below 3. Of its 0.30.3 the Weibull fit to `lr_by_units` agrees with this one
in six digits and the log-logistic one in three, and the log-normal one does not converge.

**Intervals** are Wald's, from the observed information (the exact Hessian at the maximum). Maximum likelihood takes the
scatter for smaller than it is by about sqrt((d - q) / d), with d divergences and q coefficients, the intercept among
them; so, as in least squares, intervals and p-values use standard errors that are larger by sqrt(d / (d - q)) and the
quantile of Student's t with d - q degrees of freedom. For log-normal times without censoring that is exact. The column
`standard_error` is the uncorrected one, which other programs give.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import chi2
from scipy.stats import f as f_distribution
from scipy.stats import t as student

from study.analysis.survival.censored_times import DISTRIBUTIONS, CensoredTimes, Distribution
from study.analysis.survival.clock import at_first_update, past_first_update, steps_between
from study.analysis.survival.design_matrix import DesignMatrix, Term, design_matrix
from study.analysis.survival.likelihood import (
    Maximum,
    Numbers,
    Recession,
    exponential,
    maximise,
    profile_limit,
    recession,
)
from study.analysis.table import event_of, varying_axes
from study.analysis.table_axes import axes_of
from study.analysis.wording import count, p_value_text
from study.trial.axes import LEARNING_RATE
from study.trial.divergence import NONFINITE, Divergence
from study.trial.errors import UserError

COLUMNS = (
    "term",
    "axis",
    "level",
    "baseline",
    "exponent",
    "exponent_low",
    "exponent_high",
    "time_ratio",
    "low",
    "high",
    "p_value",
    "coefficient",
    "standard_error",
    "trials",
    "events",
    "answer",
)


EXPONENTS = ("distribution", "akaike_above", "axis", "exponent", "low", "high")

FITS_AS_WELL = 2.0
"""Up to this much above the smallest information criterion a distribution has substantial support (Burnham and
Anderson, Model selection and multimodel inference, 2002, section 2.6)."""


@dataclass(frozen=True, kw_only=True)
class ConstantProduct:
    """Whether steps times learning_rate is constant: the test that the learning rate's exponent is -1."""

    exponent: float
    low: float
    high: float
    p_value: float
    """Wald's, of the exponent -1; NaN where there is no estimate."""
    answer: str


@dataclass(frozen=True, kw_only=True)
class SmallSample:
    """What few divergences do to intervals and p-values, as the module's text says."""

    events: int
    coefficients: int
    """The intercept among them."""
    confidence: float

    @property
    def inflation(self) -> float:
        return math.sqrt(self.events / (self.events - self.coefficients))

    def width(self, error: float) -> float:
        """Half the interval of a standard error."""
        quantile = student.ppf((1 + self.confidence) / 2, self.events - self.coefficients)
        return float(quantile) * self.inflation * error

    def p_value(self, distance: float, error: float) -> float:
        """Of "the distance is nothing", given its standard error."""
        return float(2 * student.sf(abs(distance) / (self.inflation * error), self.events - self.coefficients))

    def p_value_of_all(self, distances: Numbers, covariance: Numbers) -> float:
        """Of "all of the distances are nothing", by the F distribution; of one it is `p_value`."""
        ratio = float(distances @ np.linalg.solve(covariance, distances)) / self.inflation**2 / len(distances)
        return float(f_distribution.sf(ratio, len(distances), self.events - self.coefficients))


@dataclass(frozen=True, kw_only=True)
class AcceleratedFailureTime:
    """An accelerated failure time model, or the reason why there is none."""

    axes: tuple[str, ...]
    distribution: Distribution
    confidence: float
    trials: int
    events: int
    """Trials that diverged."""
    divergence: Divergence = NONFINITE
    """The event that the steps are to."""
    time_ratios: pd.DataFrame
    """One row a term: `term` (with its unit or baseline), `axis`, `level` and `baseline` (of choices), `exponent` and
    its interval `exponent_low` to `exponent_high` (of axes counted in doublings, NaN for others), `time_ratio`, the
    factor by which a doubling, a unit or the level multiplies the time, and its interval `low` to `high`, `p_value` (of
    no effect), `coefficient` (of the log time: the exponent, or the log of the time ratio), `standard_error`, `trials`
    and `events` (of the level; of all for numbers) and `answer`, a sentence. Without an estimate the numbers are NaN,
    but for the end of the interval that the data bound. Empty where there is no model."""
    covariance: Numbers
    """Of the rows' coefficients, shape (rows, rows), uncorrected as `standard_error` is; NaN without an estimate."""
    small_sample: SmallSample | None
    """What intervals and p-values of those coefficients are made with; None where there is no model."""
    intercept: float
    """Log of the time's location (for `weibull`, its 63rd percentile, else its median) where all columns of the design
    are 0: at the default of an axis counted in doublings, at 0 of other numbers, at the baselines."""
    scale: float
    """Sigma, the scatter of the log time; for `weibull`, 1 over the shape. The maximum likelihood one, which with few
    divergences is somewhat small; its interval is that of the corrected one."""
    scale_low: float
    scale_high: float
    log_likelihood: float
    akaike: float
    """Akaike's information criterion: 2 parameters - 2 log-likelihood."""
    alternatives: pd.DataFrame
    """One row a distribution, best first: `distribution`, `log_likelihood`, `akaike`, `scale`."""
    exponents: pd.DataFrame
    """One row an exponent that a distribution has an estimate of, best distribution first: `distribution`,
    `akaike_above` (the criterion, less the smallest one), `axis`, `exponent`, `low`, `high`."""
    fit_as_well: str
    """The exponents of all distributions within `FITS_AS_WELL` of the best, in a sentence; empty where it is alone."""
    constant_product: ConstantProduct | None
    """None where learning_rate is not in the model."""
    notes: tuple[str, ...]
    """What to keep in mind, a sentence each."""
    answer: str
    """The law in a line, with `fit_as_well` after it, or why there is none."""

    @property
    def estimated(self) -> bool:
        """Whether there is a model."""
        return len(self.time_ratios) > 0


@dataclass(frozen=True, kw_only=True)
class _Fit:
    """One distribution's maximum, in the parameters of `CensoredTimes`, with the covariance of (b, log sigma)."""

    distribution: Distribution
    top: Maximum
    unbounded: Recession
    slopes: Numbers
    """b with the intercept first, for centred columns; NaN without an estimate."""
    scale: float
    covariance: Numbers


def accelerated_failure_time(
    table: pd.DataFrame,
    *,
    axes: Iterable[str] | None = None,
    within: str | None = None,
    distribution: Distribution | Literal["best"] = "best",
    confidence: float = 0.95,
) -> AcceleratedFailureTime:
    """Exponents of learning rate, units and timesteps, and time ratios of other axes.

    One law with one scatter for all trials is only as good as the trials are alike: give it the trials of one
    activation, or `activation` among the axes.

    Args:
        table: A results table; failed trials are left out, survivors are right-censored. Trials at update 1 took no
            step and are left out too, with a note.
        axes: Columns of axes (see `study.analysis.survival.design_matrix`); without them, all that vary and
            count by their ratios, such as units and timesteps, the learning rate first.
        within: A column, such as `seed`, each of whose values has a time of its own, so that trials are compared with
            those of the same value alone: a paired comparison. It has no row.
        distribution: Of the times; `best` is the one with the smallest information criterion.
        confidence: Of the intervals, between 0 and 1.

    Raises:
        UserError: Not an axis, one given twice, or one that is no property of a model; or not a distribution.
    """
    if distribution not in (*DISTRIBUTIONS, "best"):
        raise UserError(f"distribution={distribution} is not allowed; it is best, {', '.join(DISTRIBUTIONS)}")
    trials = past_first_update(table)
    chosen = _scaling_axes(trials) if axes is None else tuple(axes)
    design = design_matrix(trials, chosen)
    notes = list(design.notes)
    left_out = [axis for axis in varying_axes(trials) if axis not in chosen]
    if left_out:
        notes.append(f"Not in the law, though the trials differ in it: {', '.join(left_out)}.")
    at_once = int(at_first_update(table).sum())
    if at_once:
        notes.append(f"Not in the law: {count(at_once, 'trial')} at update 1, before the first step.")
    return accelerated_failure_time_of(
        *steps_between(trials),
        replace(design if within is None else design.within(trials[within]), notes=tuple(notes)),
        within=within,
        distribution=distribution,
        confidence=confidence,
        axes=chosen,
        divergence=event_of(trials),
    )


def _scaling_axes(trials: pd.DataFrame) -> tuple[str, ...]:
    columns = axes_of(trials).columns
    found = [axis for axis in varying_axes(trials) if columns[axis].logarithmic]
    return tuple(sorted(found, key=lambda axis: axis != LEARNING_RATE))


def accelerated_failure_time_of(
    low: Numbers,
    high: Numbers,
    design: DesignMatrix,
    *,
    within: str | None = None,
    distribution: Distribution | Literal["best"] = "best",
    confidence: float = 0.95,
    axes: tuple[str, ...] = (),
    divergence: Divergence = NONFINITE,
) -> AcceleratedFailureTime:
    """The model of times given a design matrix; `accelerated_failure_time` says the rest.

    Args:
        low: The time is above this, shape (trials).
        high: The time is at most this, shape (trials); infinite where it is right-censored, and the same as `low` where
            the time is known exactly.
        design: A row for each trial.
        within: The axis of those of its terms that have no row.
        distribution: Of the times, or `best`.
        confidence: Of the intervals.
        axes: What the design was made from.
        divergence: The event, for the model's words.
    """
    assert 0 < confidence < 1
    event = np.isfinite(high)
    about: dict[str, Any] = {
        "axes": axes,
        "confidence": confidence,
        "trials": len(event),
        "events": int(event.sum()),
        "divergence": divergence,
    }
    if reason := _no_law(event, design):
        return _nothing(reason, design.notes, distribution, about)
    centre = design.values.mean(axis=0)
    # The coefficient of a natural logarithm is the exponent.
    unit = np.array([math.log(2) if term.kind == "doubling" else 1.0 for term in design.terms])
    values = np.column_stack([np.ones(len(event)), (design.values - centre) * unit])
    tried = DISTRIBUTIONS if distribution == "best" else (distribution,)
    likelihoods = [CensoredTimes(low, high, values, distribution=shape) for shape in tried]
    # The directions depend on what is known of the times, not on their distribution.
    start = _start(low, high, values.shape[1] + 1)
    seen = likelihoods[0]
    unbounded = recession(seen.differences(), parameters=len(start), hessian=seen(start)[2])
    if unbounded.up[-1]:
        trials = count(len(event), "trial")
        reason = f"There is no law: it would explain the times of {trials} without any scatter, so nothing bounds it."
        return _nothing(reason, design.notes, distribution, about)
    fits = [_fit(likelihood, unbounded, start) for likelihood in likelihoods]
    fits.sort(key=lambda fit: -fit.top.value)
    best = fits[0]
    parameters = values.shape[1] + 1
    small = SmallSample(events=int(event.sum()), coefficients=values.shape[1], confidence=confidence)
    shown = [at for at, term in enumerate(design.terms) if term.axis != within]
    rows = [_row(at, design, event, best, (low, high, values), small, divergence) for at in shown]
    time_ratios = pd.DataFrame(rows, columns=list(COLUMNS))
    places = np.array(shown, dtype=np.intp) + 1
    unknown = np.isnan(best.slopes[places])
    covariance = np.where(unknown | unknown[:, None], np.nan, best.covariance[np.ix_(places, places)])
    spread = small.width(math.sqrt(best.covariance[-1, -1]))
    notes = list(design.notes)
    if event.sum() < 5 * parameters:
        notes.append(f"{event.sum()} divergences for {parameters} numbers are few, so the intervals are rough.")
    exponents = _exponents([design.terms[at] for at in shown], places, fits, small)
    fit_as_well = _fit_as_well(exponents, confidence=confidence)
    law = _law(time_ratios, best, trials=len(event), events=int(event.sum()), divergence=divergence)
    return AcceleratedFailureTime(
        distribution=best.distribution,
        time_ratios=time_ratios,
        covariance=covariance,
        small_sample=small,
        intercept=float(best.slopes[0] - (centre * unit) @ best.slopes[1:]),
        scale=best.scale,
        scale_low=best.scale * small.inflation * math.exp(-spread),
        scale_high=best.scale * small.inflation * math.exp(spread),
        log_likelihood=best.top.value,
        akaike=2 * parameters - 2 * best.top.value,
        alternatives=pd.DataFrame(
            {
                "distribution": [fit.distribution for fit in fits],
                "log_likelihood": [fit.top.value for fit in fits],
                "akaike": [2 * parameters - 2 * fit.top.value for fit in fits],
                "scale": [fit.scale for fit in fits],
            }
        ),
        exponents=exponents,
        fit_as_well=fit_as_well,
        constant_product=_constant_product(time_ratios, small, divergence),
        notes=tuple(notes),
        answer=f"{law} {fit_as_well}".rstrip(),
        **about,
    )


def _no_law(event: npt.NDArray[np.bool_], design: DesignMatrix) -> str:
    """Why there is no model, or nothing."""
    size, events = len(design.terms), int(event.sum())
    if len(event) == 0:
        return "There is no law: there are no trials."
    if events == 0:
        return f"There is no law: {count(len(event), 'trial')} and no divergence."
    if size == 0:
        return "There is no law: none of its axes varies."
    if events <= size + 2:
        return f"There is no law: too few divergences, {events}, for the {size + 2} numbers of it."
    return ""


def _nothing(
    reason: str, notes: tuple[str, ...], distribution: Distribution | Literal["best"], about: dict[str, Any]
) -> AcceleratedFailureTime:
    nan = math.nan
    product = ConstantProduct(exponent=nan, low=nan, high=nan, p_value=nan, answer=reason)
    return AcceleratedFailureTime(
        distribution="weibull" if distribution == "best" else distribution,
        time_ratios=pd.DataFrame(columns=list(COLUMNS)),
        covariance=np.empty((0, 0)),
        small_sample=None,
        intercept=nan,
        scale=nan,
        scale_low=nan,
        scale_high=nan,
        log_likelihood=nan,
        akaike=nan,
        alternatives=pd.DataFrame(columns=["distribution", "log_likelihood", "akaike", "scale"]),
        exponents=pd.DataFrame(columns=list(EXPONENTS)),
        fit_as_well="",
        constant_product=product if LEARNING_RATE in about["axes"] else None,
        notes=notes,
        answer=reason,
        **about,
    )


def _start(low: Numbers, high: Numbers, size: int) -> Numbers:
    """A point from which every distribution's likelihood is positive: no effect, and scatter of one."""
    known = np.where(np.isfinite(high), high, low)
    start = np.zeros(size)
    start[0], start[-1] = np.log(known).mean(), 1.0
    return start


def _fit(likelihood: CensoredTimes, unbounded: Recession, start: Numbers) -> _Fit:
    top = maximise(likelihood, start)
    scale = float(1 / top.parameters[-1])
    slopes = top.parameters[:-1] * scale
    # From (b / sigma, 1 / sigma) to (b, log sigma); at the maximum the information changes by the Jacobian alone.
    change = np.eye(len(start)) * scale
    change[:-1, -1] = -slopes * scale
    change[-1, -1] = -scale
    return _Fit(
        distribution=likelihood.distribution,
        top=top,
        unbounded=unbounded,
        slopes=np.where((unbounded.down | unbounded.up)[:-1], np.nan, slopes),
        scale=scale,
        covariance=change @ top.covariance @ change.T,
    )


def _row(
    at: int,
    design: DesignMatrix,
    event: npt.NDArray[np.bool_],
    fit: _Fit,
    data: tuple[Numbers, Numbers, Numbers],
    small: SmallSample,
    divergence: Divergence,
) -> dict[str, object]:
    term = design.terms[at]
    there = design.values[:, at] == 1 if term.kind == "level" else np.ones(len(event), dtype=bool)
    coefficient = float(fit.slopes[at + 1])
    error = math.sqrt(fit.covariance[at + 1, at + 1]) if math.isfinite(coefficient) else math.nan
    if math.isfinite(coefficient):
        low, high = coefficient - small.width(error), coefficient + small.width(error)
        p_value = small.p_value(coefficient, error)
    else:
        low, high, p_value = _bound(at + 1, fit, data, confidence=small.confidence)
    doubling = term.kind == "doubling"
    factor = math.log(2) if doubling else 1.0
    row: dict[str, Any] = {
        "term": term.name,
        "axis": term.axis,
        "level": term.level,
        "baseline": term.baseline,
        "exponent": coefficient if doubling else math.nan,
        "exponent_low": low if doubling else math.nan,
        "exponent_high": high if doubling else math.nan,
        "time_ratio": exponential(factor * coefficient),
        "low": exponential(factor * low),
        "high": exponential(factor * high),
        "p_value": p_value,
        "coefficient": coefficient,
        "standard_error": error,
        "trials": int(there.sum()),
        "events": int(event[there].sum()),
    }
    return row | {"answer": _answer(term, row, confidence=small.confidence, divergence=divergence)}


def _bound(
    at: int, fit: _Fit, data: tuple[Numbers, Numbers, Numbers], *, confidence: float
) -> tuple[float, float, float]:
    """Interval (NaN at an end that the data do not bound) and p-value of a coefficient without an estimate."""
    if fit.unbounded.down[at] and fit.unbounded.up[at]:
        return math.nan, math.nan, math.nan
    low, high, values = data
    others = np.delete(values, at, axis=1)

    def profile(coefficient: float) -> float:
        # A known coefficient is a known factor of each time; its logarithm is added back to the density.
        factor = np.exp(-coefficient * values[:, at])
        known = CensoredTimes(low * factor, high * factor, others, distribution=fit.distribution)
        start = _start(low * factor, high * factor, others.shape[1] + 1)
        shift = float(np.log(factor[known.exact]).sum())
        return maximise(known, start).value + shift

    start = float(fit.top.parameters[at] / fit.top.parameters[-1])
    away = -1 if fit.unbounded.up[at] else 1
    end = profile_limit(profile, supremum=fit.top.value, start=start, away=away, confidence=confidence)
    p_value = float(chi2.sf(2 * (fit.top.value - profile(0.0)), 1))
    return (end, math.nan, p_value) if fit.unbounded.up[at] else (math.nan, end, p_value)


def _constant_product(time_ratios: pd.DataFrame, small: SmallSample, divergence: Divergence) -> ConstantProduct | None:
    rows = time_ratios[time_ratios["axis"] == LEARNING_RATE]
    if rows.empty:
        return None
    row = rows.iloc[0]
    exponent, low, high = float(row["exponent"]), float(row["exponent_low"]), float(row["exponent_high"])
    if not math.isfinite(exponent):
        return ConstantProduct(
            exponent=exponent,
            low=low,
            high=high,
            p_value=math.nan,
            answer="Whether steps times learning_rate is constant cannot be told: its exponent has no estimate.",
        )
    p_value = small.p_value(exponent + 1, float(row["standard_error"]))
    found = f"the number of steps to {divergence.words.reached} goes as learning_rate to the power {exponent:.3g}"
    interval = f"({small.confidence:.0%} interval {low:.3g} to {high:.3g}; against -1: {p_value_text(p_value)})"
    if low <= -1 <= high:
        verdict = "so the data agree with a constant product of the two"
    elif exponent < -1:
        verdict = "so their product is not constant: it falls as the learning rate rises"
    else:
        verdict = "so their product is not constant: it rises with the learning rate"
    return ConstantProduct(
        exponent=exponent, low=low, high=high, p_value=p_value, answer=f"{found} {interval}, {verdict}."
    )


def _law(time_ratios: pd.DataFrame, fit: _Fit, *, trials: int, events: int, divergence: Divergence) -> str:
    powers = [
        f"{axis}^{exponent:.2f}"
        for axis, exponent in zip(time_ratios["axis"], time_ratios["exponent"], strict=True)
        if math.isfinite(exponent)
    ]
    law = f"steps to {divergence.words.reached} ~ {' '.join(powers)}, " if powers else "Time ratios, "
    return f"{law}with {fit.distribution} scatter of {fit.scale:.2g} in its logarithm ({events} of {trials} diverged)."


def _exponents(
    terms: Sequence[Term], places: npt.NDArray[np.intp], fits: Sequence[_Fit], small: SmallSample
) -> pd.DataFrame:
    """The table `exponents` of a law.

    Args:
        terms: Those with a row.
        places: Of their coefficients, in each of the fits.
        fits: The best one first; all have as many parameters.
        small: What intervals are made with.
    """
    rows = []
    for fit in fits:
        for term, at in zip(terms, places, strict=True):
            exponent = float(fit.slopes[at])
            if term.kind == "doubling" and math.isfinite(exponent):
                width = small.width(math.sqrt(fit.covariance[at, at]))
                above = 2 * (fits[0].top.value - fit.top.value)
                rows.append((fit.distribution, above, term.axis, exponent, exponent - width, exponent + width))
    return pd.DataFrame(rows, columns=list(EXPONENTS))


def _fit_as_well(exponents: pd.DataFrame, *, confidence: float) -> str:
    alike = exponents[exponents["akaike_above"] <= FITS_AS_WELL]
    if alike["distribution"].nunique() < 2:
        return ""
    told = []
    for distribution, rows in alike.groupby("distribution", sort=False):
        above = rows["akaike_above"].iloc[0]
        powers = " ".join(
            f"{row['axis']}^{row['exponent']:.2f} ({row['low']:.2f} to {row['high']:.2f})"
            for row in rows.to_dict("records")
        )
        told.append(f"{distribution}, {f'{above:.1f} above, ' if above else ''}{powers}")
    return (
        f"Distributions with substantial support, by Akaike's criterion within {FITS_AS_WELL:g} of the best "
        f"({confidence:.0%} intervals): {'; '.join(told)}."
    )


def _answer(term: Term, row: dict[str, Any], *, confidence: float, divergence: Divergence) -> str:
    """What a row says, in a sentence."""
    sure = f"{confidence:.0%}"
    ratio, low, high = row["time_ratio"], row["low"], row["high"]
    if math.isfinite(ratio):
        interval = f"{sure} interval {low:.3g} to {high:.3g}, {p_value_text(row['p_value'])}"
        return f"{term.change} multiplies the steps to {divergence.words.reached} by {ratio:.3g} ({interval})."
    if term.kind == "level" and row["events"] == 0:
        why = f"none of the {row['trials']} trials with {term.axis} {term.level} diverged"
    else:
        why = "the times do not bound it to both sides"
    if math.isfinite(low):
        bound = f"the data agree with any factor from {low:.3g} up ({sure} confidence)"
    elif math.isfinite(high):
        bound = f"the data agree with any factor up to {high:.3g} ({sure} confidence)"
    else:
        bound = "the data bound it to neither side"
    return f"{term.change}: no time ratio, since {why}; {bound}."
