"""Studies drawn from a law that is known: the same trials with other luck, to ask how often an interval is right.

A trial is drawn by its own definition (`study.analysis.survival.clock`): NaN at update 1 with the probability of the
first part; else S steps from the law, the loss of update n = 1 + ceil(S) is the first that is not finite, and the trial
survives where n is above its budget.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from study.analysis.predictors import texts
from study.analysis.survival.censored_times import Distribution
from study.analysis.survival.clock import FIRST
from study.analysis.survival.design_matrix import design_matrix
from study.analysis.survival.first_update import first_update
from study.analysis.survival.scaling import scaling
from study.analysis.table import usable
from study.analysis.table_axes import axes_of
from study.trial.axes import BUDGET_COLUMN, LEARNING_RATE


@dataclass(frozen=True, kw_only=True)
class Law:
    """What the trials of a study are drawn from."""

    table: pd.DataFrame
    """The design: a results table, whose outcomes are replaced."""
    at_once: npt.NDArray[np.float64]
    """P(NaN at update 1), shape (trials)."""
    location: npt.NDArray[np.float64]
    """Of the log of the steps, shape (trials); infinite where a trial never diverges."""
    scale: float
    distribution: Distribution


def law_of(table: pd.DataFrame, *, exponent: float) -> Law:
    """What a study has found, but for one thing: the exponent of its learning rate.

    Trials of a choice with which nothing diverged never do.

    Args:
        table: A results table with a law of scaling.
        exponent: Of the learning rate, about which the law turns at the middle of the rates tried.
    """
    trials = usable(table).reset_index(drop=True)
    found = scaling(trials)
    law = found.law
    assert law.estimated
    can = np.ones(len(trials), dtype=bool)
    for axis in law.axes:
        if not axes_of(trials).columns[axis].is_numeric:
            can &= texts(trials[axis]).isin(set(texts(found.trials[axis]))).to_numpy()
    design = design_matrix(trials[can], law.axes)
    assert [term.name for term in design.terms] == law.time_ratios["term"].tolist()
    unit = np.array([math.log(2) if term.kind == "doubling" else 1.0 for term in design.terms])
    coefficients = law.time_ratios["coefficient"].to_numpy(dtype=np.float64)
    at = [term.axis for term in design.terms].index(LEARNING_RATE)
    rate = design.values[:, at] * math.log(2)
    location = np.full(len(trials), np.inf)
    turn = (exponent - coefficients[at]) * (rate - rate.mean())
    location[can] = law.intercept + (design.values * unit) @ coefficients + turn
    return Law(
        table=trials,
        at_once=first_update(trials).probability,
        location=location,
        scale=law.scale,
        distribution=law.distribution,
    )


def drawn(law: Law, draw: np.random.Generator) -> pd.DataFrame:
    """A study of the same trials with other luck.

    Returns:
        The law's table, with `outcome`, `time_to_nan` and `updates` of the drawn trials.
    """
    steps = np.exp(law.location + law.scale * _scatter(law.distribution, len(law.table), draw))
    update = np.where(draw.random(len(law.table)) < law.at_once, FIRST, FIRST + np.ceil(steps))
    budget = law.table[BUDGET_COLUMN].to_numpy(dtype=np.float64)
    died = update <= budget
    return law.table.assign(
        outcome=np.where(died, "diverged", "survived"),
        time_to_nan=pd.array(np.where(died, update, np.nan), dtype="Int64"),
        updates=pd.array(np.minimum(update, budget), dtype="Int64"),
    )


def _scatter(distribution: Distribution, size: int, draw: np.random.Generator) -> npt.NDArray[np.float64]:
    """Of the log of the steps: smallest extreme value, normal or logistic."""
    match distribution:
        case "weibull":
            return np.log(draw.exponential(size=size))
        case "log-normal":
            return draw.normal(size=size)
        case "log-logistic":
            return draw.logistic(size=size)
