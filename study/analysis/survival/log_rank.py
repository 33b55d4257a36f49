"""The log-rank test: do groups of trials diverge at the same pace?

Sources: Mantel, Evaluation of survival data and two new rank order statistics arising in its consideration (1966);
Peto and Peto, Asymptotically efficient rank invariant test procedures (1972).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.stats import chi2
from statsmodels.duration.survfunc import survdiff

from study.analysis.groups import QUANTILE_GROUPS, groups_of
from study.analysis.table import durations, event_of, usable
from study.analysis.wording import p_value_text
from study.trial.divergence import NONFINITE, Divergence
from study.trial.errors import UserError


@dataclass(frozen=True, kw_only=True)
class LogRank:
    """A log-rank test of k groups."""

    axis: str | None
    stratified_by: str | None
    groups: pd.DataFrame
    """One row a group: `group`, `trials`, `events` (trials that diverged), `expected` (those expected to, were the
    hazards of all groups equal)."""
    chi_square: float
    """NaN where there is no test; `answer` says why."""
    degrees_of_freedom: int
    p_value: float
    answer: str
    """What the test says, or why there is none."""


def log_rank_test(
    duration: npt.ArrayLike,
    event: npt.ArrayLike,
    group: Sequence[Any] | pd.Series,
    *,
    strata: Sequence[Any] | pd.Series | None = None,
    axis: str | None = None,
    stratified_by: str | None = None,
    divergence: Divergence = NONFINITE,
) -> LogRank:
    """Test whether groups have the same hazard.

    Args:
        duration: Updates until divergence or censoring.
        event: Whether the trial diverged then.
        group: The group of each trial.
        strata: Strata within which groups are compared; the comparisons are added up.
        axis: What the groups are, for the answer.
        stratified_by: What the strata are, for the answer.
        divergence: The event, likewise.

    Returns:
        The test, with one degree of freedom fewer than there are groups. Where the data cannot compare all groups (one
        group, no divergence, groups that were never at risk together), there is no number and `answer` says why.
    """
    time, happened = np.asarray(duration, dtype=np.float64), np.asarray(event, dtype=bool)
    label = pd.Categorical(pd.Series(list(group)) if not isinstance(group, pd.Series) else group)
    label = label.remove_unused_categories()
    member = np.asarray(label.codes)
    names = [str(name) for name in label.categories]
    layer = np.zeros(len(time), dtype=int) if strata is None else pd.factorize(pd.Series(list(strata)))[0]
    expected, compared = _compare(time, happened, member, layer, count=len(names))
    table = pd.DataFrame(
        {
            "group": names,
            "trials": np.bincount(member, minlength=len(names)).astype(int),
            "events": np.bincount(member[happened], minlength=len(names)).astype(int),
            "expected": expected,
        }
    )
    about: dict[str, Any] = {"axis": axis, "stratified_by": stratified_by, "groups": table}
    if reason := _no_test(time, happened, names, compared):
        return LogRank(chi_square=math.nan, degrees_of_freedom=0, p_value=math.nan, answer=reason, **about)
    # A stratum that compares nothing adds zeros, and statsmodels cannot take one without all groups' times.
    chi_square = float(survdiff(time, happened.astype(int), member, strata=None if strata is None else layer)[0])
    freedom = len(names) - 1
    # Not statsmodels' p-value: one minus the distribution function has no digits left below 1e-16.
    p_value = float(chi2.sf(chi_square, freedom))
    return LogRank(
        chi_square=chi_square,
        degrees_of_freedom=freedom,
        p_value=p_value,
        answer=_answer(chi_square, freedom, p_value, axis=axis, stratified_by=stratified_by, divergence=divergence),
        **about,
    )


def log_rank(
    table: pd.DataFrame, *, by: str, stratify_by: str | None = None, quantiles: int = QUANTILE_GROUPS
) -> LogRank:
    """The log-rank test between the groups of an axis; failed trials are left out.

    Args:
        table: A results table.
        by: The axis whose values make the groups (see `study.analysis.groups.groups_of`).
        stratify_by: An axis within whose groups the comparison is made.
        quantiles: How many groups a numeric axis with many values is cut into.

    Raises:
        UserError: Not an axis, or an axis stratified by itself.
    """
    if by == stratify_by:
        raise UserError(f"the log-rank test by {by} cannot be stratified by {by} itself")
    table = usable(table)
    duration, event = durations(table)
    return log_rank_test(
        duration,
        event,
        groups_of(table, by, quantiles=quantiles),
        strata=None if stratify_by is None else groups_of(table, stratify_by, quantiles=quantiles),
        axis=by,
        stratified_by=stratify_by,
        divergence=event_of(table),
    )


def _compare(
    time: npt.NDArray[np.float64],
    happened: npt.NDArray[np.bool_],
    member: npt.NDArray[Any],
    layer: npt.NDArray[Any],
    *,
    count: int,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int32]]:
    """Events expected in each group under one hazard, and the sets of groups that the data compare.

    Two groups are compared where both are at risk at an event that not all of those at risk have.
    """
    expected = np.zeros(count)
    pairs: list[tuple[int, int]] = []
    for stratum in np.unique(layer):
        inside = layer == stratum
        for at in np.unique(time[inside & happened]):
            at_risk = inside & (time >= at)
            events = np.sum(inside & happened & (time == at))
            present = np.bincount(member[at_risk], minlength=count)
            expected += events * present / at_risk.sum()
            if events < at_risk.sum():
                there = np.flatnonzero(present)
                pairs += [(int(there[0]), int(other)) for other in there[1:]]
    rows, columns = zip(*pairs, strict=True) if pairs else ((), ())
    graph = coo_array((np.ones(len(pairs)), (rows, columns)), shape=(count, count))
    compared = connected_components(graph, directed=False)[1] if count else np.empty(0)
    return expected, compared.astype(np.int32)


def _no_test(
    time: npt.NDArray[np.float64],
    happened: npt.NDArray[np.bool_],
    names: list[str],
    compared: npt.NDArray[np.int32],
) -> str:
    """Why there is no test, or nothing."""
    if len(time) == 0:
        return "There is no test: there are no trials."
    if len(names) == 1:
        return f"There is no test: all trials are of one group, {names[0]}."
    if not happened.any():
        return "There is no test: no trial diverged, so nothing tells the groups apart."
    if len(np.unique(compared)) > 1:
        parts = [", ".join(n for n, p in zip(names, compared, strict=True) if p == part) for part in set(compared)]
        return f"There is no test: no divergence compares {' with '.join(parts)}."
    return ""


def _answer(
    chi_square: float,
    freedom: int,
    p_value: float,
    *,
    axis: str | None,
    stratified_by: str | None,
    divergence: Divergence,
) -> str:
    groups = f"the groups of {axis}" if axis else "the groups"
    within = f" within {stratified_by}" if stratified_by else ""
    numbers = f"(log-rank chi-square {chi_square:.2f}, {freedom} df, {p_value_text(p_value)})"
    time = divergence.words.time
    if p_value < 0.05:
        return f"{time[0].upper()}{time[1:]} differs between {groups}{within} {numbers}."
    return f"The data do not show that {time} differs between {groups}{within} {numbers}."
