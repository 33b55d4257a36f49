"""Kaplan-Meier curves: the share of trials that is still finite after each update, censoring taken into account.

Sources: Kaplan and Meier, Nonparametric estimation from incomplete observations (1958), for the curve; Greenwood, The
natural duration of cancer (1926), for its variance; Kalbfleisch and Prentice, The statistical analysis of failure time
data (1980), for the band on the scale log(-log S); Brookmeyer and Crowley, A confidence interval for the median
survival time (1982), for the interval of the median, which is the updates at which the band contains one half.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import norm
from statsmodels.duration.survfunc import SurvfuncRight

from study.analysis.groups import QUANTILE_GROUPS, groups_of
from study.analysis.table import durations, event_of, usable
from study.analysis.wording import count
from study.trial.divergence import NONFINITE, Divergence
from study.trial.errors import UserError

Band = Literal["log-log", "log", "plain"]
BANDS: tuple[Band, ...] = ("log-log", "log", "plain")

EVERYONE = "all trials"

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class SurvivalCurve:
    """The Kaplan-Meier curve of one group of trials."""

    group: str
    trials: int
    events: int
    """Trials that diverged."""
    confidence: float
    """Of the pointwise band and of the median's interval."""
    points: pd.DataFrame
    """One row for update 0 and for each at which a trial diverged or was censored: `time` (updates), `survival` (the
    probability of a time-to-NaN above it), `standard_error`, `low`, `high` (the band), `at_risk` (trials still
    training just before), `events`, `censored`. A step curve holds each value until the next row's time."""
    median: float
    """The first update at which `survival` is at most one half; NaN where it never is."""
    median_low: float
    """The first update at which the lower end of the band is at most one half; NaN where it never is."""
    median_high: float
    """The same of the upper end; NaN where it never is, and the median then has no upper limit."""
    divergence: Divergence = NONFINITE
    """The event that the times are to."""

    @property
    def answer(self) -> str:
        """The curve's median in a sentence."""
        if self.trials == 0:
            return f"{self.group}: no trials."
        if self.events == 0:
            longest = int(self.points["time"].iloc[-1])
            return f"{self.group}: none of {count(self.trials, 'trial')} diverged; the longest ran {longest} updates."
        sure, time = f"{self.confidence:.0%}", self.divergence.words.time
        found = f"{self.group}: {self.events} of {count(self.trials, 'trial')} diverged"
        if math.isnan(self.median):
            known = "" if math.isnan(self.median_low) else f"; its {sure} interval starts at {self.median_low:g}"
            return f"{found}; the curve never reaches one half, so the median {time} is not known{known}."
        if math.isnan(self.median_low):
            limits = "no interval"
        elif math.isnan(self.median_high):
            limits = f"{sure} interval: {self.median_low:g} and up"
        else:
            limits = f"{sure} interval: {self.median_low:g} to {self.median_high:g}"
        return f"{found}; the median {time} is {self.median:g} updates ({limits})."


@dataclass(frozen=True, kw_only=True)
class KaplanMeier:
    """Kaplan-Meier curves of the groups of one axis."""

    axis: str | None
    """The axis that makes the groups; None for one curve of all trials."""
    curves: tuple[SurvivalCurve, ...]
    confidence: float
    band: Band

    @property
    def divergence(self) -> Divergence:
        """The event that the times are to."""
        return self.curves[0].divergence

    @property
    def points(self) -> pd.DataFrame:
        """The points of all curves, with the column `group` first."""
        parts = [curve.points.assign(group=curve.group) for curve in self.curves]
        columns = ["group", *self.curves[0].points.columns]
        return pd.concat(parts, ignore_index=True)[columns]

    @property
    def medians(self) -> pd.DataFrame:
        """One row a group: `group`, `trials`, `events`, `median`, `median_low`, `median_high` (updates)."""
        names = ("group", "trials", "events", "median", "median_low", "median_high")
        return pd.DataFrame([{name: getattr(curve, name) for name in names} for curve in self.curves])

    @property
    def answers(self) -> tuple[str, ...]:
        """Each curve's median in a sentence."""
        return tuple(curve.answer for curve in self.curves)


def survival_curve(
    duration: Sequence[float] | Numbers | pd.Series,
    event: Sequence[bool] | npt.NDArray[np.bool_] | pd.Series,
    *,
    group: str = EVERYONE,
    confidence: float = 0.95,
    band: Band = "log-log",
    divergence: Divergence = NONFINITE,
) -> SurvivalCurve:
    """The Kaplan-Meier curve of some durations.

    Where the curve is 1 the band is the point 1, and where it is 0 there is no band (NaN), since Greenwood's variance
    is 0 at the one and undefined at the other.

    Args:
        duration: Updates until divergence or censoring, positive.
        event: Whether the trial diverged then; otherwise it is right-censored.
        group: The name that the curve carries.
        confidence: Of the pointwise band and of the median's interval, between 0 and 1.
        band: The scale on which the band is symmetric: log(-log S), log S or S itself.
        divergence: The event, for the curve's words.
    """
    assert 0 < confidence < 1
    assert band in BANDS
    time, happened = np.asarray(duration, dtype=np.float64), np.asarray(event, dtype=bool)
    assert time.shape == happened.shape
    grid = np.concatenate([[0.0], np.unique(time)])
    events = np.array([np.sum(happened & (time == at)) for at in grid])
    leaving = np.array([np.sum(time == at) for at in grid])
    survival, error = np.ones(len(grid)), np.zeros(len(grid))
    if happened.any():
        fitted = SurvfuncRight(time, happened.astype(int))
        # statsmodels has the event times only; between them the curve is flat.
        last = np.searchsorted(fitted.surv_times, grid, side="right") - 1
        after = last >= 0
        survival[after], error[after] = fitted.surv_prob[last[after]], fitted.surv_prob_se[last[after]]
    low, high = _band(survival, error, quantile=float(norm.ppf((1 + confidence) / 2)), band=band)
    points = pd.DataFrame(
        {
            "time": grid,
            "survival": survival,
            "standard_error": error,
            "low": low,
            "high": high,
            "at_risk": np.cumsum(leaving[::-1])[::-1],
            "events": events,
            "censored": leaving - events,
        }
    )
    return SurvivalCurve(
        group=group,
        trials=len(time),
        events=int(happened.sum()),
        confidence=confidence,
        points=points,
        median=_first_at_most_half(grid, survival),
        median_low=_first_at_most_half(grid, low),
        median_high=_first_at_most_half(grid, high),
        divergence=divergence,
    )


def _band(survival: Numbers, error: Numbers, *, quantile: float, band: Band) -> tuple[Numbers, Numbers]:
    low, high = np.full_like(survival, np.nan), np.full_like(survival, np.nan)
    low[survival == 1] = high[survival == 1] = 1.0
    inside = (survival > 0) & (survival < 1)
    s, se = survival[inside], error[inside]
    if band == "plain":
        low[inside], high[inside] = s - quantile * se, s + quantile * se
    elif band == "log":
        low[inside], high[inside] = s * np.exp(-quantile * se / s), s * np.exp(quantile * se / s)
    else:
        # The standard error of log(-log S) is that of S over S |log S|.
        factor = np.exp(quantile * se / (s * np.abs(np.log(s))))
        low[inside], high[inside] = s**factor, s ** (1 / factor)
    return np.clip(low, 0, 1), np.clip(high, 0, 1)


def _first_at_most_half(time: Numbers, values: Numbers) -> float:
    # A product of fractions that is one half in truth may end a rounding error above it.
    reached = np.flatnonzero(values <= 0.5 + 1e-9)
    return float(time[reached[0]]) if len(reached) else math.nan


def kaplan_meier(
    table: pd.DataFrame,
    *,
    by: str | None = None,
    only: Sequence[str] | None = None,
    quantiles: int = QUANTILE_GROUPS,
    confidence: float = 0.95,
    band: Band = "log-log",
) -> KaplanMeier:
    """Kaplan-Meier curves of a results table, of all trials or by the groups of an axis.

    Trials that survived are right-censored at the updates they ran; failed ones are left out.

    Args:
        table: A results table.
        by: The axis whose values make the groups (see `study.analysis.groups.groups_of`).
        only: Labels of the groups to keep, in any order.
        quantiles: How many groups a numeric axis with many values is cut into.
        confidence: Of the pointwise bands and of the medians' intervals.
        band: The scale on which the bands are symmetric.

    Raises:
        UserError: Not an axis, or a group that is not there.
    """
    table = usable(table)
    duration, event = durations(table)
    options: dict[str, Any] = {"confidence": confidence, "band": band, "divergence": event_of(table)}
    if by is None:
        curves: tuple[SurvivalCurve, ...] = (survival_curve(duration, event, **options),)
    else:
        groups = groups_of(table, by, quantiles=quantiles)
        labels = list(groups.cat.categories)
        for label in only or ():
            if label not in labels:
                raise UserError(f"{by} has no group {label!r}; its groups are {', '.join(labels) or 'none'}")
        curves = tuple(
            survival_curve(duration[groups == label], event[groups == label], group=label, **options)
            for label in labels
            if only is None or label in only
        ) or (survival_curve([], [], **options),)
    return KaplanMeier(axis=by, curves=curves, confidence=confidence, band=band)
