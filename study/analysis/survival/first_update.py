"""What makes a trial NaN before its first step: the odds of a time-to-NaN of 1.

The loss of update 1 is that of the initial weights (`study.analysis.survival.clock`). So learning rate and optimizer
cannot matter to it, and where they vary their odds ratios are a check: they belong near 1. What can matter is what
makes the forward pass large: activation, units, layers, the initial weights, the data. Mixed into the times of trials
that learn for a while, these trials pull every hazard ratio towards no effect; here they are asked about apart.

The odds are those of a logistic model with Firth's penalty (`study.analysis.boundary.firth`), so that a level with
which nothing diverged at update 1 has an estimate and an interval like any other.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from study.analysis.boundary.firth import PenalisedLogistic, is_estimable
from study.analysis.survival.clock import at_first_update
from study.analysis.survival.design_matrix import Term, design_matrix
from study.analysis.survival.likelihood import Numbers, exponential
from study.analysis.table import event_of, usable, varying_axes
from study.analysis.wording import count, p_value_text
from study.trial.divergence import NONFINITE, Divergence

LEAST_EVENTS_PER_TERM = 2
"""With fewer trials a term on either side there is no model."""

COLUMNS = ("term", "axis", "level", "baseline", "odds_ratio", "low", "high", "p_value", "trials", "events", "answer")
CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True)
class FirstUpdate:
    """A logistic model of divergence at update 1, or the reason why there is none."""

    axes: tuple[str, ...]
    trials: int
    """With a result."""
    events: int
    """Trials that diverged at update 1."""
    diverged: int
    """Trials that diverged at any update."""
    odds_ratios: pd.DataFrame
    """One row a term: `term` (with its unit or baseline), `axis`, `level` and `baseline` (of choices), `odds_ratio`,
    its 95% interval `low` to `high` (profile penalised likelihood) and `p_value` (of no effect, its ratio), `trials`
    and `events` (of the level; of all for numbers) and `answer`, a sentence. Empty where there is no model."""
    p_values: dict[str, float]
    """Of each axis: that none of its terms has an effect."""
    probability: Numbers
    """Fitted P(NaN at update 1) of each trial with a result, in the table's order; their share where there is no
    model."""
    notes: tuple[str, ...]
    answer: str
    """How many there are; or that there are none."""
    divergence: Divergence = NONFINITE
    """The event."""

    @property
    def estimated(self) -> bool:
        """Whether there is a model."""
        return len(self.odds_ratios) > 0


def first_update(table: pd.DataFrame, *, axes: Iterable[str] | None = None) -> FirstUpdate:
    """Odds ratios of divergence at update 1, each with the other axes held fixed.

    Args:
        table: A results table; failed trials are left out.
        axes: Columns of axes (see `study.analysis.survival.design_matrix`); without them, all that vary.

    Raises:
        UserError: Not an axis, one given twice, or one that is no property of a model.
    """
    trials = usable(table)
    chosen = varying_axes(trials) if axes is None else tuple(axes)
    event = at_first_update(trials).to_numpy(dtype=bool)
    design = design_matrix(trials, chosen)
    about: dict[str, Any] = {
        "axes": chosen,
        "trials": len(trials),
        "events": int(event.sum()),
        "diverged": int((trials["outcome"] == "diverged").sum()),
        "divergence": event_of(trials),
    }
    answer = _count_words(**{name: about[name] for name in ("trials", "events", "diverged")})
    if reason := _no_model(event, design.values):
        return FirstUpdate(
            odds_ratios=pd.DataFrame(columns=list(COLUMNS)),
            p_values={},
            probability=np.full(len(trials), event.mean() if len(event) else math.nan),
            notes=(*design.notes, reason) if about["events"] else design.notes,
            answer=answer,
            **about,
        )
    model = PenalisedLogistic(features=design.values, outcome=event)
    rows = [_row(at, term, model, event, divergence=about["divergence"]) for at, term in enumerate(design.terms)]
    places = {
        axis: [at for at, term in enumerate(design.terms) if term.axis == axis]
        for axis in dict.fromkeys(term.axis for term in design.terms)
    }
    return FirstUpdate(
        odds_ratios=pd.DataFrame(rows, columns=list(COLUMNS)),
        p_values={axis: model.p_value_without(columns) for axis, columns in places.items()},
        probability=model.probability(design.values),
        notes=design.notes,
        answer=answer,
        **about,
    )


def _count_words(*, trials: int, events: int, diverged: int) -> str:
    if not trials:
        return "No trial has a result, so none diverged at update 1."
    if not diverged:
        return f"None of the {count(trials, 'trial')} diverged, at update 1 or later."
    if not events:
        return "None of the divergences is at update 1, so each is after a step."
    return f"{events} of the {count(diverged, 'divergence')} are at update 1, before the first step."


def _no_model(event: np.ndarray[Any, np.dtype[np.bool_]], values: Numbers) -> str:
    """Why there is no model, or nothing."""
    size, events = values.shape[1], int(event.sum())
    if size == 0:
        return "There are no odds ratios of divergence at update 1: none of the axes varies."
    rarer = min(events, len(event) - events)
    if rarer < LEAST_EVENTS_PER_TERM * size:
        which = "at update 1" if rarer == events else "later or not at all"
        return (
            f"There are no odds ratios of divergence at update 1: too few trials, {rarer}, diverged {which} for "
            f"{count(size, 'term')}."
        )
    if not is_estimable(values):
        return "There are no odds ratios of divergence at update 1: the axes do not vary independently."
    return ""


def _row(
    at: int,
    term: Term,
    model: PenalisedLogistic,
    event: np.ndarray[Any, np.dtype[np.bool_]],
    *,
    divergence: Divergence,
) -> dict[str, object]:
    there = model.features[:, at] == 1 if term.kind == "level" else np.ones(len(event), dtype=bool)
    low, high = model.interval(at)
    row: dict[str, Any] = {
        "term": term.name,
        "axis": term.axis,
        "level": term.level,
        "baseline": term.baseline,
        "odds_ratio": exponential(float(model.coefficients[at + 1])),
        "low": exponential(low),
        "high": exponential(high),
        "p_value": model.p_value_without([at]),
        "trials": int(there.sum()),
        "events": int(event[there].sum()),
    }
    interval = f"{CONFIDENCE:.0%} interval {row['low']:.3g} to {row['high']:.3g}, {p_value_text(row['p_value'])}"
    what = f"{divergence.words.noun} at update 1"
    answer = f"{term.change} multiplies the odds of {what} by {row['odds_ratio']:.3g} ({interval})."
    return row | {"answer": answer}
